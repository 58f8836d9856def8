"""What writes RUN/times.jsonl (see `runs/times.py`) during a training."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_cli.runs import jsonl
from gan_cli.training.callbacks import Callback


class Clock(Callback):
    """Writes down the times of one life of a training; a killed one has no end."""

    def __init__(self, path: Path, devices: str, versions: Mapping[str, str]):
        self._path = path
        self._about = {"devices": devices, "versions": dict(versions)}

    def start(self, step: int) -> None:
        """With what the training runs on."""
        jsonl.end_line(self._path)  # a full disk has cut it short
        self._write({"event": "start", "step": step}, **self._about)

    def log(self, line: Mapping[str, Any]) -> None:
        """The time of what the turns reported."""
        if not line.keys() & {"monitor", "rollback"}:
            self._write({"step": line["step"]})

    def end(self, step: int, stopped_by: str | None) -> None:
        """And what ended it."""
        self._write({"event": "end", "step": step}, stopped_by=stopped_by)

    def _write(self, line: dict[str, Any], **more: Any) -> None:
        jsonl.append(self._path, {**line, "time": round(time.time(), 3), **more})
