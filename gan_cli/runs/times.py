"""RUN/times.jsonl: when a training reached which step, and on which machine. The run's numbers do not depend on it.

{"event": "start", "step": 0, "time": ..., "devices": "1 cpu device (cpu), jax 0.10.2", "versions": {...}}
{"step": 100, "time": ...}                      with every line of log.jsonl that has what the turns reported
{"event": "end", "step": 5000, "time": ..., "stopped_by": null}

Times are in seconds since 1970. Nothing is ever cut off: steps that were done twice have taken their time twice.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from gan_cli.runs import jsonl as logs

YEAR_3000 = 32503680000  # seconds since 1970; later times are wrong


class Session(NamedTuple):
    """One session of a training: from a start to its end, or to the last line that it wrote."""

    step: int  # the step at its start
    last: int  # the last step that is known
    began: float  # seconds since 1970
    seconds: float  # from there to its last line
    rate: float | None  # steps a second: the median between lines, which leaves out compiling; None: too few lines
    devices: str
    versions: Mapping[str, str]
    ended: bool  # False: it was killed, or goes on
    stopped_by: str | None  # the signal or the problem that ended it


def read_times(path: Path) -> list[Session]:
    """Read the sessions in a times.jsonl, first to last; none where there is no such file.

    Lines without a sound step and time are left out, and so are lines before the first start. Raises InputError for a
    file that cannot be read.
    """
    sessions: list[list[dict[str, Any]]] = []
    for line in logs.read_lines(path):
        moment = logs.number(line.get("time"))
        if logs.step_of(line) is None or moment is None or not 0 <= moment < YEAR_3000:
            continue
        if line.get("event") == "start":
            sessions.append([])
        if sessions:
            sessions[-1].append(line)
    return [_session(lines) for lines in sessions]


def _session(lines: Sequence[dict[str, Any]]) -> Session:
    """Summarise the sound lines of a session, its start first."""
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
