"""The JSON lines of a run: log.jsonl, metrics.jsonl, times.jsonl.

They may have been cut short by a crash or come from a stranger: what is read is bounded, and what is no line is left
out. A log may have millions, so that who wants but a few numbers of each takes them one by one.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gan_cli.files import storing
from gan_cli.runs.folder import replace

LONGEST = 1 << 20  # bytes of a line; more is none
LAST_STEP = 1 << 53  # whole numbers that a browser can tell apart
NOT_VALUES = ("step", "score", "protocol", "weights")  # of an evaluation's line: all that is no value of a metric


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add one JSON line; raises StorageError when the disk is full or broken."""
    with storing(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def texts(path: Path) -> Iterator[bytes]:
    """The lines of a file as they are; of one that is too long, pieces that are none. No file, no lines."""
    if path.is_file():
        with path.open("rb") as file:
            while text := file.readline(LONGEST):
                if text.strip():
                    yield text


def parsed(text: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None where it has none: a crash has cut it short, or it was scribbled over."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # neither JSON nor text, or lists in lists without end
        return None
    return line if isinstance(line, dict) else None


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects in a file, line by line; what is none is left out."""
    return (line for text in texts(path) if (line := parsed(text)) is not None)


def step_of(line: Mapping[str, Any]) -> int | None:
    """The step of a line, if it has a sound one."""
    step = line.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) and 0 <= step < LAST_STEP else None


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


def cut_after(path: Path, step: int, rollbacks: int) -> None:
    """Drop the lines of steps after `step`, and of rollbacks after so many: a resumed run will write them again."""
    if path.exists():
        kept = [line for line in read(path) if line.get("step", 0) <= step and line.get("rollback", 0) <= rollbacks]
        replace(path, "".join(json.dumps(line) + "\n" for line in kept))
