"""Help on narrow terminals: plain, wrapped text, where Typer's boxes would cut words off."""

import shutil
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

BOXES = 80  # columns from which there is room for boxes
Context: Any = TyperCommand.context_class


class _Formatter(Context.formatter_class):
    """Puts what is said of an option below it where the option is long: beside it there would be no room."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands and what they do."""
        super().write_dl(rows, min(col_max, self.width // 4), col_spacing)


class _Context(Context):
    formatter_class = _Formatter


def settings() -> dict[str, Any]:
    """Arguments of the `typer.Typer` of all commands: for boxes, or for plain help as wide as the terminal."""
    context: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
    columns = shutil.get_terminal_size().columns
    if columns >= BOXES:
        return {"context_settings": context}
    TyperCommand.context_class = TyperGroup.context_class = _Context
    return {"rich_markup_mode": None, "context_settings": {**context, "terminal_width": columns}}
