"""Theory one can run: demonstrations that train or compute something small whose truth is known.

A new demonstration is one file with one factory of the same name: it takes `Note` for its progress and keyword-only
options, and returns a `Demonstration`.
"""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gan_cli.binding import Table, call, kind, validate_part
from gan_cli.errors import InputError
from gan_cli.files import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Note = Callable[[str], None]  # is told what a demonstration is doing, a line at a time


class Demonstration(NamedTuple):
    """What was shown: numbers beside the truth, and a figure."""

    text: str  # for a person: what was measured, each number beside the truth
    values: dict[str, float]  # the same numbers for a program
    draw: Callable[["Figure"], None]  # draws the figure onto an empty one
    size: tuple[float, float] = (10.0, 4.0)  # of the figure, inches


DEMONSTRATION = kind("demonstration", "demonstration", "gan_cli.lab", Demonstration, Note)


def names() -> dict[str, str]:
    """Name on the command line -> what is demonstrated, in one line; nothing is computed."""
    lines = {name: (getdoc(DEMONSTRATION.find(name)) or "").partition("\n")[0] for name in DEMONSTRATION.names()}
    return {name.replace("_", "-"): line for name, line in lines.items()}


def request(name: str, overrides: Iterable[str] = ()) -> Table:
    """A demonstration and its options, given as `option=value`, checked and with defaults filled in.

    Raises InputError for an unknown name or option, and for a value out of range.
    """
    return validate_part(DEMONSTRATION, {"demonstration": name.replace("-", "_"), **dict(map(parse_option, overrides))})


def parse_option(override: str) -> tuple[str, object]:
    """`option=value` as a name and a TOML value, or a string where it is none; InputError without an equals sign."""
    key, equals, text = (part.strip() for part in override.partition("="))
    if not equals or not key:
        raise InputError(f"--set {override}: expected option=value, for example seeds=3")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text  # a bare word is a string


def demonstrate(requested: Table, note: Note) -> Demonstration:
    """Run what `request` has checked; it may train for minutes, and tells `note` how far it is."""
    demonstration: Demonstration = call(DEMONSTRATION, requested, note)
    return demonstration


def save_figure(path: Path, demonstration: Demonstration) -> None:
    """Write the figure as a PNG, whole or not at all."""
    from matplotlib.figure import Figure  # takes half a second to import

    figure = Figure(figsize=demonstration.size, layout="constrained")
    demonstration.draw(figure)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text under a head, the first aligned to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in (head, *rows)]
    return "\n".join("  ".join(line) for line in lines)
