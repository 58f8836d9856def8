"""The `gan` command: its verbs, which are in thin files; they import JAX inside, so that --help is quick."""

import shutil
from collections.abc import Sequence
from inspect import getdoc
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from gan_cli.cli import (
    checks,
    compare,
    completion,
    evaluate,
    explore,
    export,
    features,
    lab,
    recipe,
    report,
    runs,
    sample,
    train,
)
from gan_cli.cli.options import places_named
from gan_cli.version import __version__

BOXES = 80  # columns that help in boxes needs: Typer's boxes cut words off on narrower terminals
Context: Any = TyperCommand.context_class


class _Formatter(Context.formatter_class):
    """Puts the description of a long option below it: beside it there would be no room."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands with their descriptions."""
        super().write_dl(rows, min(col_max, self.width // 4), col_spacing)


class _Context(Context):
    formatter_class = _Formatter


def _settings() -> dict[str, Any]:
    """Return arguments of the main `typer.Typer`: for help in boxes, or for plain help as wide as a narrow terminal."""
    context: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
    columns = shutil.get_terminal_size().columns
    if columns >= BOXES:
        return {"context_settings": context}
    TyperCommand.context_class = TyperGroup.context_class = _Context
    return {"rich_markup_mode": None, "context_settings": {**context, "terminal_width": columns}}


app = typer.Typer(
    name="gan",
    help="Train, sample and judge generative adversarial networks on JAX.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **_settings(),
)
MAKE, LOOK, TAKE, KNOW = "Train, draw, judge", "Look", "Take away", "Find out"
app.command("train", rich_help_panel=MAKE)(train.train)
app.command("sample", rich_help_panel=MAKE)(sample.sample)
app.command("eval", rich_help_panel=MAKE)(evaluate.evaluate)
app.command("compare", rich_help_panel=MAKE)(compare.compare)
app.command("report", rich_help_panel=LOOK)(report.report)
app.command("explore", rich_help_panel=LOOK)(explore.explore)
app.command("runs", rich_help_panel=LOOK)(runs.runs)
app.command("inspect", rich_help_panel=LOOK)(runs.inspect)
app.command("export", rich_help_panel=TAKE)(export.export)
app.command("card", rich_help_panel=TAKE)(export.card)
app.command("push", rich_help_panel=TAKE)(export.push)
app.add_typer(recipe.app, name="recipe", rich_help_panel=KNOW)
app.add_typer(checks.app, name="data", rich_help_panel=KNOW)
app.add_typer(features.app, name="features", rich_help_panel=KNOW)
app.command("doctor", rich_help_panel=KNOW)(checks.doctor)
app.command("lab", rich_help_panel=KNOW)(lab.lab)


def _finish(typer_app: typer.Typer) -> None:
    """Give all commands what they have in common.

    Their short help is their docstring's first paragraph: Typer would cut it to the terminal's width.
    """
    for one in typer_app.registered_commands:
        assert one.callback is not None
        one.callback = places_named(one.callback)
        one.short_help = (getdoc(one.callback) or "").partition("\n\n")[0].replace("\n", " ")
    for group in typer_app.registered_groups:
        assert group.typer_instance is not None
        group.short_help = group.typer_instance.info.help
        _finish(group.typer_instance)


_finish(app)
completion.prepare()


def _version(wanted: bool) -> None:
    """Print the version and exit, when that is wanted."""
    if wanted:
        typer.echo(f"gan {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Train, sample and judge generative adversarial networks on JAX."""
