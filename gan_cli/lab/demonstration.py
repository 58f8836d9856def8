"""What a demonstration is: numbers beside the truth, and a figure."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gan_cli.files import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Note = Callable[[str], None]  # is told what a demonstration is doing, a line at a time


class Demonstration(NamedTuple):
    """What was shown."""

    text: str  # for a person: what was measured, each number beside the truth
    values: dict[str, float]  # the same numbers for a program
    draw: Callable[["Figure"], None]  # draws the figure onto an empty one
    size: tuple[float, float] = (10.0, 4.0)  # of the figure, inches


def save_figure(path: Path, demonstration: Demonstration) -> None:
    """The figure as a PNG, whole or not at all."""
    from matplotlib.figure import Figure  # takes half a second to import

    figure = Figure(figsize=demonstration.size, layout="constrained")
    demonstration.draw(figure)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text: the first on the left, numbers on the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in (head, *rows)]
    return "\n".join("  ".join(line) for line in lines)
