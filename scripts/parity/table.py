"""The tables ours / theirs / difference. Nothing but NumPy: no program of theirs is needed to make them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from record import Record


class Row(NamedTuple):
    """A number of ours beside one of theirs."""

    record: Record
    ours: float

    @property
    def difference(self) -> float:
        """Ours - theirs."""
        return self.ours - self.record.value

    @property
    def relative(self) -> float:
        """The difference in units of theirs, without sign; infinite where theirs is 0 and ours is not."""
        return relative(abs(self.difference), abs(self.record.value))


class Arrays(NamedTuple):
    """An array of ours beside one of theirs."""

    name: str
    shape: tuple[int, ...]
    largest: float  # value of theirs, without sign
    difference: float  # the largest
    relative: float  # in units of their largest value


def relative(difference: float, size: float) -> float:
    """A difference in units of a size; infinite of 0, unless there is no difference."""
    if difference == 0:
        return 0.0
    return difference / size if size else float("inf")


def joined(ours: Mapping[str, Mapping[str, float]], theirs: Iterable[Record]) -> list[Row]:
    """Each number of theirs with ours of the same set and key; KeyError where there is none."""
    return [Row(record, ours[record.of][record.key]) for record in theirs]


def compared(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> list[Arrays]:
    """Arrays of the same names; ValueError where names or shapes differ, or something is not finite."""
    if set(ours) != set(theirs):
        raise ValueError(f"arrays of one side only: {', '.join(sorted(set(ours) ^ set(theirs)))}")
    return [_compared(name, ours[name], theirs[name]) for name in ours]


def _compared(name: str, ours: np.ndarray, theirs: np.ndarray) -> Arrays:
    if ours.shape != theirs.shape:
        raise ValueError(f"{name}: ours is of shape {ours.shape}, theirs of {theirs.shape}")
    difference = float(np.abs(ours.astype(np.float64) - theirs).max())
    largest = float(np.abs(theirs).max())
    if not np.isfinite([difference, largest]).all():
        raise ValueError(f"{name}: not finite")
    return Arrays(name, ours.shape, largest, difference, relative(difference, largest))


def of_numbers(rows: Sequence[Row]) -> str:
    """Rows of one set as a Markdown table."""
    head = ("value", "whose code", "ours", "theirs", "difference", "relative")
    return markdown(
        head,
        [
            (
                f"`{row.record.key}`",
                row.record.program,
                f"{row.ours:.10g}",
                f"{row.record.value:.10g}",
                small(row.difference),
                small(row.relative),
            )
            for row in rows
        ],
    )


def of_arrays(rows: Iterable[Arrays]) -> str:
    head = ("array", "shape", "largest value", "largest difference", "in its units")
    return markdown(
        head,
        [
            (row.name, "x".join(map(str, row.shape)), f"{row.largest:.6g}", small(row.difference), small(row.relative))
            for row in rows
        ],
    )


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])


def small(value: float) -> str:
    """Two digits; 0 is exactly 0."""
    return f"{value:.1e}" if value else "0"


def sections(rows: Sequence[Row], arrays: Sequence[Arrays]) -> str:
    """All tables: by set what ought to be equal, then arrays, then what is of another protocol."""
    sets = dict.fromkeys(row.record.of for row in rows)
    parts = [
        f"### {of}\n{of_numbers([row for row in rows if row.record.of == of and row.record.alike])}" for of in sets
    ]
    parts.append(f"### Arrays\n{of_arrays(arrays)}")
    others = [row for row in rows if not row.record.alike]
    for of in dict.fromkeys(row.record.of for row in others):
        parts.append(f"### Another protocol: {of}\n{of_numbers([row for row in others if row.record.of == of])}")
    return "\n\n".join(parts)


def placed(page: str, name: str, text: str) -> str:
    """A page with the text between `<!-- name -->` and `<!-- /name -->` replaced; ValueError without these."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no {begin.strip()} ... {end}")
    return f"{before}{begin}{text}\n{end}{after}"
