"""`gan train --track`: the numbers and pictures of a training in TensorBoard and Weights & Biases, by kept writers."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from PIL import Image

from gan_cli import door
from gan_cli.binding import nearest
from gan_cli.errors import DamagedError, InputError, require_package
from gan_cli.runs.folder import RunFolder, replace
from gan_cli.runs.jsonl import values
from gan_cli.training.callbacks import Callback

Tracker = Callable[[RunFolder, Mapping[str, Any]], Callback]
"""A run folder and its resolved recipe -> who is told of the training."""


def parse(text: str) -> tuple[Tracker, ...]:
    """ "tensorboard,wandb" -> the trackers, each once; raises InputError, also when a package is missing."""
    chosen = []
    for name in dict.fromkeys(part.strip() for part in text.split(",")):
        if name not in KINDS:
            raise InputError(f"--track {text}: there is no {name!r}{nearest(name, KINDS)}")
        package, tracker = KINDS[name]
        require_package(name, f"--track {name}", package)
        chosen.append(tracker)
    return tuple(chosen)


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers in a line of log.jsonl, by tags that trackers group: "generator/loss", "monitor/diversity"."""
    return {name: value for name, value in _numbers(line) if name != "step"}


def _numbers(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", value


def texts(line: Mapping[str, Any]) -> list[str]:
    """What a line says in words: alarms and rollbacks."""
    said = [str(alarm) for alarm in line.get("alarms", ())]
    return [*said, f"rollback {line['rollback']}: {line['because']}"] if "rollback" in line else said


def _verdict(line: Mapping[str, Any]) -> dict[str, float]:
    """The values of metrics in a line of metrics.jsonl."""
    return {f"metrics/{name}": value for name, value in values(line).items()}


class TensorBoard(Callback):
    """Event files in RUN/tensorboard; a resumed run hides what it will do again."""

    def __init__(self, folder: RunFolder, resolved: Mapping[str, Any]):
        self._folder, self._resolved = folder, resolved
        self._writer: Any = None

    def start(self, step: int) -> None:
        """A writer from this step on, with the recipe as a text."""
        from tensorboardX import SummaryWriter

        self.close()
        where = self._folder.path / "tensorboard"
        again = step + 1 if step else 0  # the first step that comes again; a new beginning is judged and drawn anew
        earlier = len(os.listdir(where)) if where.exists() else 0
        self._writer = SummaryWriter(
            str(where),
            purge_step=again if earlier else None,
            filename_suffix=f".{earlier:06d}",  # files are named by the second, and a rollback may come within one
            flush_secs=10,
        )
        self._writer.add_text("recipe", f"```toml\n{tomli_w.dumps(self._resolved)}\n```", step)

    def log(self, line: Mapping[str, Any]) -> None:
        """Numbers as scalars, alarms and rollbacks as texts."""
        for name, value in scalars(line).items():
            self._writer.add_scalar(name, value, line["step"])
        for said in texts(line):
            self._writer.add_text("events", said, line["step"])

    def judged(self, line: Mapping[str, Any]) -> None:
        """The metrics' values."""
        for name, value in _verdict(line).items():
            self._writer.add_scalar(name, value, line["step"])

    def picture(self, step: int, path: Path) -> None:
        """The grid, as `samples`."""
        with Image.open(path) as image:
            self._writer.add_image("samples", np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        if self._writer:
            self._writer.close()
            self._writer = None


class WeightsAndBiases(Callback):
    """A run of Weights & Biases, which a resumed training goes on with; WANDB_* variables say where to.

    Its steps are the training's. They only ever grow: what a resumed run does again is there already, the same to the
    bit; what one does otherwise that was rolled back is left out there until it comes to new steps.
    """

    def __init__(self, folder: RunFolder, resolved: Mapping[str, Any]):
        self._folder, self._resolved = folder, resolved
        self._run: Any = None

    def start(self, step: int) -> None:  # noqa: ARG002
        """Begin the run there, or go on with it."""
        import wandb

        if self._run is None:
            try:
                self._run = wandb.init(
                    project=None if wandb.setup().settings.project else "gan",
                    name=self._folder.path.name,
                    id=self._id(),
                    resume="allow",
                    dir=str(self._folder.path),
                    config=dict(self._resolved),
                    allow_val_change=True,  # --override-recipe
                    settings=wandb.Settings(console="off"),
                )
            except wandb.Error as error:
                raise InputError(f"--track wandb: {error}; `wandb login`, or WANDB_MODE=offline, would do") from None

    def _id(self) -> str:
        path = self._folder.path / "wandb" / "id"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            replace(path, uuid.uuid4().hex[:8])
        try:
            return door.read_text(path).strip()
        except DamagedError as error:
            raise InputError(f"--track wandb: {error}; remove it for a run of its own there") from None

    def log(self, line: Mapping[str, Any]) -> None:
        """Numbers; alarms and rollbacks as alerts."""
        self._run.log(scalars(line), step=line["step"])
        for said in texts(line):
            self._run.alert(title=f"step {line['step']}", text=said)

    def judged(self, line: Mapping[str, Any]) -> None:
        """The metrics' values."""
        self._run.log(_verdict(line), step=line["step"])

    def picture(self, step: int, path: Path) -> None:
        """The grid, as `samples`."""
        import wandb

        self._run.log({"samples": wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        """Send what is left."""
        if self._run:
            self._run.finish()
            self._run = None


KINDS: Mapping[str, tuple[str, Tracker]] = {  # name, which is the extra's, too -> package, tracker
    "tensorboard": ("tensorboardX", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
}
