"""The JSON lines of a run: log.jsonl, metrics.jsonl, times.jsonl.

They may have been cut short by a crash or come from a stranger: what is read is bounded, and what is no line is left
out. A log may have millions, so that who wants but a few numbers of each takes them one by one.
"""

import json
import math
import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gan_cli import door
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import storing
from gan_cli.runs.folder import replace

LAST_STEP = 1 << 53  # whole numbers that a browser can tell apart
NOT_VALUES = ("step", "score", "protocol", "weights")  # of an evaluation's line: all that is no value of a metric


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add one JSON line; raises StorageError when the disk is full or broken, and InputError where no file can be."""
    try:
        with storing(path), door.appending(path) as file:
            file.write(json.dumps(line).encode() + b"\n")
    except DamagedError as error:
        raise InputError(f"{error}; lines cannot be added to it: remove it") from None


def end_line(path: Path) -> None:
    """End the last line of a file, where it has been cut short."""
    (last,) = deque(texts(path), maxlen=1) or (b"\n",)
    if not last.endswith(b"\n"):
        with storing(path), door.appending(path) as file:
            file.write(b"\n")


def texts(path: Path) -> Iterator[bytes]:
    """The lines of a file as they are; of one that is too long, pieces that are none. No file, no lines.

    Raises InputError for what is no file, or a larger one than any training writes.
    """
    if not os.path.lexists(path):
        return
    try:
        yield from door.lines(path)
    except DamagedError as error:
        raise InputError(f"{error}; remove it, or put back the run's own") from None


def parsed(text: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None where it has none: a crash has cut it short, or it was scribbled over."""
    try:
        line = door.parse_json(text)
    except ValueError:  # neither JSON nor text, or lists in lists without end
        return None
    return line if isinstance(line, dict) else None


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects in a file, line by line; what is none is left out."""
    return (line for text in texts(path) if (line := parsed(text)) is not None)


def noted(path: Path, notes: list[str]) -> Iterator[dict[str, Any] | None]:
    """The lines of a file as `parsed` has them; where there can be none, a note says why."""
    try:
        yield from map(parsed, texts(path))
    except InputError as error:
        notes.append(str(error))


def step_of(line: Mapping[str, Any]) -> int | None:
    """The step of a line, if it has a sound one."""
    return whole(line.get("step"))


def whole(value: object) -> int | None:
    """A value of a line as a whole number from 0 on, where it is one."""
    return value if type(value) is int and 0 <= value < LAST_STEP else None


def number(value: object) -> float | None:
    """A value of a line as a float, where it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf


def values(line: Mapping[str, Any]) -> dict[str, float]:
    """The values of metrics in the line of an evaluation, without those that are not finite."""
    known = {name: number(value) for name, value in line.items() if name not in NOT_VALUES}
    return {name: value for name, value in known.items() if value is not None and math.isfinite(value)}


def alarms(line: Mapping[str, Any]) -> list[str]:
    """What the monitor says in a line, if it says anything."""
    told = line.get("alarms")
    return [str(alarm) for alarm in told] if isinstance(told, list) else []


def cut_after(path: Path, step: int, rollbacks: int) -> None:
    """Drop the lines of steps after `step`, and of rollbacks after so many: a resumed run will write them again."""
    if os.path.lexists(path):
        kept = [line for line in read_lines(path) if _is_before(line, step, rollbacks)]
        replace(path, "".join(json.dumps(line) + "\n" for line in kept))


def _is_before(line: Mapping[str, Any], step: int, rollbacks: int) -> bool:
    own, rollback = step_of(line), whole(line.get("rollback", 0))
    return own is not None and own <= step and rollback is not None and rollback <= rollbacks
