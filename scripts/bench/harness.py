"""Cases, in which contenders take turns, and the tables made of their times. Knows no case, no JAX and no PyTorch.

The ratio of two contenders is that of their medians; beside it stand the least and the largest of paired rounds: round
i of one beside round i of the other. Beside every time stands how busy the machine was with other work.
"""

import contextlib
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from processes import Contender, FailedError, Round, Running, start, timed


class Case(NamedTuple):
    """Something to be measured: the same work for every contender, one after the other in each round."""

    name: str
    kind: str  # the table it goes into
    what: str  # in words
    unit: str  # of the work: "step", "10,000 images"
    contenders: tuple[Contender, ...]
    amount: int = 1  # units of work in a round
    quick: int = 1  # the same with --quick
    precision: str = ""  # where the case has one: "float32"
    scale: float = 1.0  # a round's seconds are multiplied by it: 1e3 where the table is in milliseconds
    fill: tuple[tuple[str, ...], int, int] | None = None  # command that fills {scratch}; its {n}; {n} with --quick
    divide: bool = True  # report the time of one unit, not of the round


def measure(case: Case, rounds: int, quick: bool, lost: list[str] | None = None) -> list[dict[str, Any]]:
    """A row for each contender of a case: `rounds` rounds, in each of which all take their turn.

    A peer that does not start is left out and noted in `lost`, where there is such a list. Raises FailedError.
    """
    amount = case.quick if quick else case.amount
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        if case.fill:
            command, number, few = case.fill
            n = str(few if quick else number)
            filled = [part.replace("{scratch}", scratch).replace("{n}", n) for part in command]
            if status := subprocess.run(filled, check=False, stdout=subprocess.DEVNULL).returncode:
                raise FailedError(f"{' '.join(filled)} ended with {status}")
        running: list[tuple[Contender, Running]] = []
        for contender in case.contenders:
            try:
                running.append((contender, start(contender, scratch)))
            except FailedError as error:
                if lost is None or contender.role != "peer":
                    raise
                lost.append(f"{case.name}: {error}")
            else:
                stack.callback(running[-1][1].close)
        taken: list[list[Round]] = [[] for _ in running]
        for _ in range(rounds):
            for (_, one), mine in zip(running, taken, strict=True):
                mine.append(timed(one, amount))
        return compared([_row(case, amount, *pair, mine) for pair, mine in zip(running, taken, strict=True)])


def _row(case: Case, amount: int, contender: Contender, running: Running, rounds: list[Round]) -> dict[str, Any]:
    unit = case.unit if case.divide else f"{amount:,} {case.unit}"
    scale = case.scale / (amount if case.divide else 1)
    times = [each.seconds * scale for each in rounds]
    about = {"kind": case.kind, "case": case.name, "precision": case.precision, "unit": unit}
    spread = {"median": statistics.median(times), "min": min(times), "max": max(times), "rounds": times}
    used = {
        "processor": statistics.median(each.processor * scale for each in rounds),
        "others": statistics.median(each.others for each in rounds),
        "memory": running.memory(),
        "facts": running.facts(),
    }
    return {**about, "who": contender.name, "role": contender.role, **spread, **used}


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a case with the best peer's time over each one's, and each one's over the floor's; None: no such."""
    peer, floor = (
        min((row for row in rows if row["role"] == role), key=lambda row: row["median"], default=None)
        for role in ("peer", "floor")
    )
    return [{**row, "best_peer_over_this": ratio(peer, row), "this_over_floor": ratio(row, floor)} for row in rows]


def ratio(upper: Mapping[str, Any] | None, lower: Mapping[str, Any] | None) -> dict[str, float] | None:
    """Of two rows: the ratio of their medians, and the least and the largest of round i over round i."""
    if upper is None or lower is None:
        return None
    paired = [above / below for above, below in zip(upper["rounds"], lower["rounds"], strict=True)]
    return {"medians": upper["median"] / lower["median"], "min": min(paired), "max": max(paired)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of one kind as a Markdown table; columns that no row has are left out."""
    columns = {
        "case": lambda row: row["case"],
        "precision": lambda row: row["precision"],
        "who": lambda row: row["who"],
        "time of": lambda row: row["unit"],
        "median (min to max)": lambda row: f"{row['median']:.4g} ({row['min']:.4g} to {row['max']:.4g})",
        "best peer / this (of rounds)": lambda row: _ratio(row["best_peer_over_this"]),
        "this / floor (of rounds)": lambda row: _ratio(row["this_over_floor"]),
        "processor time": lambda row: f"{row['processor']:.4g}",
        "others' cores": lambda row: f"{row['others']:.2f}",
        "peak MiB": lambda row: f"{row['memory']:.0f}",
        "GPU MiB": lambda row: _number(row["facts"].get("gpu_memory")),
    }
    cells = {name: [text(row) for row in rows] for name, text in columns.items()}
    shown = {name: texts for name, texts in cells.items() if any(texts)}
    lines = [list(shown), ["---"] * len(shown), *(list(line) for line in zip(*shown.values(), strict=True))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _ratio(found: Mapping[str, float] | None) -> str:
    return "" if found is None else f"{found['medians']:.2f} ({found['min']:.2f} to {found['max']:.2f})"
