"""The JSON lines of a run: log.jsonl, metrics.jsonl, times.jsonl.

A crash may have cut them short, and they may come from a stranger: what is read is bounded, and lines that are no JSON
objects are left out. A log may have millions of lines, so they can be taken one by one.
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
from gan_cli.files import storing, write_text

LAST_STEP = 1 << 53  # up to here a browser tells all whole numbers apart
NOT_VALUES = ("step", "score", "protocol", "weights")  # keys of an evaluation's line that are no metrics


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Append one JSON line; raises StorageError for a full or broken disk, InputError where no file can be."""
    try:
        with storing(path), door.appending(path) as file:
            file.write(json.dumps(line).encode() + b"\n")
    except DamagedError as error:
        raise InputError(f"{error}; lines cannot be added to it: remove it") from None


def end_line(path: Path) -> None:
    """End the last line of a file, if it has been cut short; raises like `append`."""
    (last,) = deque(texts(path), maxlen=1) or (b"\n",)
    if not last.endswith(b"\n"):
        with storing(path), door.appending(path) as file:
            file.write(b"\n")


def texts(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, those that are too long in pieces; none when there is no file.

    Raises InputError for what is no file, or is larger than any training writes.
    """
    if not os.path.lexists(path):
        return
    try:
        yield from door.lines(path)
    except DamagedError as error:
        raise InputError(f"{error}; remove it, or put back the run's own") from None


def parsed(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a line; None where there is none, as when a crash has cut it short."""
    try:
        line = door.parse_json(text)
    except ValueError:  # neither JSON nor text, or nested too deeply
        return None
    return line if isinstance(line, dict) else None


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a file, line by line; other lines are left out. Raises InputError like `texts`."""
    return (line for text in texts(path) if (line := parsed(text)) is not None)


def noted(path: Path, notes: list[str]) -> Iterator[dict[str, Any] | None]:
    """Yield the lines of a file as `parsed` returns them; a note is added where the file cannot be read."""
    try:
        yield from map(parsed, texts(path))
    except InputError as error:
        notes.append(str(error))


def step_of(line: Mapping[str, Any]) -> int | None:
    """Return the step of a line; None if it has no sound one."""
    return whole(line.get("step"))


def whole(value: object) -> int | None:
    """Return a value of a line if it is a whole number from 0 to below LAST_STEP; otherwise None."""
    return value if type(value) is int and 0 <= value < LAST_STEP else None


def number(value: object) -> float | None:
    """Return a value of a line as a float, inf when it is too large for one; None if it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number larger than any float
        return math.inf


def values(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite values of metrics in the line of an evaluation."""
    known = {name: number(value) for name, value in line.items() if name not in NOT_VALUES}
    return {name: value for name, value in known.items() if value is not None and math.isfinite(value)}


def alarms(line: Mapping[str, Any]) -> list[str]:
    """Return the monitor's alarms in a line of the log; none where it has none."""
    told = line.get("alarms")
    return [str(alarm) for alarm in told] if isinstance(told, list) else []


def cut_after(path: Path, step: int, rollbacks: int) -> None:
    """Drop the lines of steps after `step` and of later rollbacks than `rollbacks`: they will be written again.

    Lines without a sound step go, too. Nothing happens when there is no file; raises InputError like `texts`.
    """
    if os.path.lexists(path):
        kept = []
        for line in read_lines(path):
            own, rollback = step_of(line), whole(line.get("rollback", 0))
            if own is not None and own <= step and rollback is not None and rollback <= rollbacks:
                kept.append(json.dumps(line) + "\n")
        write_text(path, "".join(kept))
