"""RUN/times.jsonl: when a training reached which step, on which machine. The run's numbers do not depend on it.

{"event": "start", "step": 0, "time": ..., "devices": "1 cpu device (cpu), jax 0.10.2", "versions": {...}}
{"step": 100, "time": ...}                      with every line of log.jsonl
{"event": "end", "step": 5000, "time": ..., "stopped_by": null}

Times are seconds since 1970. Nothing is ever cut off: steps that were done twice have taken their time twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from gan_cli.runs import jsonl as logs

YEAR_3000 = 32503680000  # seconds since 1970; no clock of a training says more


class Session(NamedTuple):
    """One life of a training: from a start to its end, or as far as it was seen."""

    step: int  # at its start
    last: int  # the last one seen
    began: float  # seconds since 1970
    seconds: float  # to the last line
    rate: float | None  # steps a second, median between lines, so that compiling does not count; None: too few lines
    devices: str
    versions: Mapping[str, str]
    ended: bool  # False: killed, or still going on
    stopped_by: str | None  # the signal, or the problem, that ended it


def read_times(path: Path) -> list[Session]:
    """The sessions in a times.jsonl, first to last; none where there is no such file."""
    return [_session(lines) for lines in _lives([*logs.read_lines(path)])]


def _lives(lines: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The whole lines of each session, its start first."""
    life: list[dict[str, Any]] = []
    for line in lines:
        moment = logs.number(line.get("time"))
        if logs.step_of(line) is None or moment is None or not 0 <= moment < YEAR_3000:
            continue  # scribbled over
        if line.get("event") == "start" and life:
            yield life
            life = []
        if life or line.get("event") == "start":
            life.append(line)
    if life:
        yield life


def _session(lines: Sequence[dict[str, Any]]) -> Session:
    first, last = lines[0], lines[-1]
    ticks = [line for line in lines[1:] if "event" not in line]
    rates = [
        (b["step"] - a["step"]) / (b["time"] - a["time"])
        for a, b in pairwise(ticks)
        if b["time"] > a["time"] and b["step"] > a["step"]
    ]
    versions, stopped_by = first.get("versions"), last.get("stopped_by")
    return Session(
        step=first["step"],
        last=last["step"],
        began=first["time"],
        seconds=max(0.0, last["time"] - first["time"]),
        rate=median(rates) if rates else None,
        devices=str(first.get("devices", "")),
        versions={str(k): str(v) for k, v in versions.items()} if isinstance(versions, dict) else {},
        ended=last.get("event") == "end",
        stopped_by=None if stopped_by is None else str(stopped_by),
    )
