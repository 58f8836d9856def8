"""Cases, in which contenders take turns, and the tables made of their times. Knows no case, no JAX and no PyTorch."""

import contextlib
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from processes import Contender, Running, start


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
    fill: tuple[tuple[str, ...], int, int] | None = (
        None  # command that fills {scratch}, its last argument, with --quick
    )
    divide: bool = True  # report the time of one unit, not of the round


def measure(case: Case, rounds: int, quick: bool) -> list[dict[str, Any]]:
    """A row for each contender of a case: `rounds` rounds, in each of which all take their turn."""
    amount = case.quick if quick else case.amount
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        if case.fill:
            command, number, few = case.fill
            fill = [part.replace("{scratch}", scratch) for part in command]
            subprocess.run([*fill, str(few if quick else number)], check=True)
        running: list[Running] = []
        for contender in case.contenders:
            running.append(start(contender, scratch))
            stack.callback(running[-1].close)
        times: list[list[float]] = [[] for _ in running]
        for _ in range(rounds):
            for one, seconds in zip(running, times, strict=True):
                seconds.append(one.round(amount) * case.scale / (amount if case.divide else 1))
        made = zip(case.contenders, running, times, strict=True)
        unit = case.unit if case.divide else f"{amount:,} {case.unit}"
        return compared([_row(case, unit, c, one, seconds) for c, one, seconds in made])


def _row(case: Case, unit: str, contender: Contender, running: Running, times: list[float]) -> dict[str, Any]:
    about = {"kind": case.kind, "case": case.name, "precision": case.precision, "unit": unit}
    spread = {"median": statistics.median(times), "min": min(times), "max": max(times), "rounds": times}
    used = {"memory": running.memory(), "facts": running.facts()}
    return {**about, "who": contender.name, "role": contender.role, **spread, **used}


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a case with the best peer's time over each one's, and each one's over the floor's; None: no such."""
    medians = {role: [row["median"] for row in rows if row["role"] == role] for role in ("peer", "floor")}
    peer, floor = (min(found) if found else None for found in medians.values())
    return [
        {
            **row,
            "best_peer_over_this": peer / row["median"] if peer else None,
            "this_over_floor": row["median"] / floor if floor else None,
        }
        for row in rows
    ]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of one kind as a Markdown table; columns that no row has are left out."""
    columns = {
        "case": lambda row: row["case"],
        "precision": lambda row: row["precision"],
        "who": lambda row: row["who"],
        "time of": lambda row: row["unit"],
        "median (min to max)": lambda row: f"{row['median']:.4g} ({row['min']:.4g} to {row['max']:.4g})",
        "best peer / this": lambda row: _number(row["best_peer_over_this"]),
        "this / floor": lambda row: _number(row["this_over_floor"]),
        "peak MiB": lambda row: f"{row['memory']:.0f}",
        "GPU MiB": lambda row: _number(row["facts"].get("gpu_memory")),
    }
    cells = {name: [text(row) for row in rows] for name, text in columns.items()}
    shown = {name: texts for name, texts in cells.items() if any(texts)}
    lines = [list(shown), ["---"] * len(shown), *(list(line) for line in zip(*shown.values(), strict=True))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
