"""Tables, lists, numbers and times as text for a person: at most 100 columns, and nothing that controls a terminal."""

import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan_cli.errors import printable

WIDTH = 100  # columns, where the terminal has as many
UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))  # of time, in seconds
NARROWEST = 80  # columns; a narrower terminal folds the lines itself


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str = "",
    last: Sequence[Any] = (),
    width: int = WIDTH,
) -> str:
    """Return rows under their heads, as text. Columns of numbers have heads that begin with ">", and align right.

    `last` is a row of totals. Text is folded where the terminal, or `width`, is too narrow; numbers are not.
    """
    made = Table(box=box.SIMPLE_HEAD, show_footer=bool(last), pad_edge=False, collapse_padding=True)
    totals = [_cell(value) for value in last] or [Text("")] * len(heads)
    for head, total in zip(heads, totals, strict=True):
        numbers = head.startswith(">")
        justify: Any = "right" if numbers else "left"
        made.add_column(Text(head.lstrip(">")), total, justify=justify, overflow="fold", no_wrap=numbers)
    for row in rows:
        made.add_row(*map(_cell, row))
    text = _rendered(made, width)
    return f"{printable(title)}\n{text}" if title else text


def pairs(values: Mapping[str, Any]) -> str:
    """Return names beside their values, one a line; those that are None are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in values.items():
        if value is not None:
            made.add_row(_cell(name), _cell(value))
    return _rendered(made)


def size(number: float) -> str:
    """Write a number of bytes: 812 B, 3.4 MB, 15 GB; units are powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.0f} B" if unit == "B" else f"{figure(number)} {unit}"
        number /= 1000
    return f"{figure(number)} GB"


def duration(seconds: float) -> str:
    """Write seconds in their two largest units: 2.3 s, 41 s, 2 min 05 s, 1 h 02 min, 3 d 04 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for (unit, length), (part, smaller) in pairwise(UNITS):
        if whole >= length:
            return f"{whole // length:,} {unit} {whole % length // smaller:02} {part}"
    return f"{whole} s"


def figure(x: float) -> str:
    """Write a measured number with three digits, or all those before the point: 0.0123, 4.56, 106,391."""
    return f"{x:,.0f}" if abs(x) >= 99.95 else f"{x:.3g}"


def shape(sides: Sequence[int]) -> str:
    """Write a shape: 28 x 28 x 1; empty for a single number, ()."""
    return " x ".join(map(str, sides))


def number(value: Any) -> str:
    """Write a count or a metric's value: 12,345 or 0.08931; a dash for None."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _cell(value: Any) -> Text:
    """Return the cell of a table: text as it is, other values as `number` writes them."""
    return Text(printable(value if isinstance(value, str) else number(value)))


def columns() -> int:
    """Return the number of columns of the terminal; WIDTH where there is none."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def _rendered(made: Table, width: int = WIDTH) -> str:
    """Return a table as lines without blanks at their ends."""
    stream = io.StringIO()
    Console(file=stream, width=max(NARROWEST, min(width, columns())), highlight=False, color_system=None).print(made)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()).strip("\n")
