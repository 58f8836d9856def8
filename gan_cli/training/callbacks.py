"""Who is told what a training writes into its run folder: the clock, TensorBoard, Weights & Biases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Callback:
    """Hears everything in the order in which it is written; says nothing back, and changes no number."""

    def start(self, step: int) -> None:
        """Training goes on from `step`: at its start, after a resume, after a rollback. Later steps come again."""

    def log(self, line: Mapping[str, Any]) -> None:
        """A line of log.jsonl: what the turns reported, what the monitor saw, or a rollback."""

    def judged(self, line: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl."""

    def picture(self, step: int, path: Path) -> None:
        """The grid of a step, as a PNG."""

    def end(self, step: int, stopped_by: str | None) -> None:
        """Training ends at `step`: by a signal, by what was found wrong, or, None, because it is done."""

    def close(self) -> None:
        """Nothing more will come; also after an error."""
