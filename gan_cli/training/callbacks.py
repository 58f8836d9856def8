"""Who is told of a training: a watcher of its progress; and of what it writes, the clock, TensorBoard and W&B."""

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tomli_w
from PIL import Image

from gan_cli import door
from gan_cli.binding import nearest
from gan_cli.errors import DamagedError, InputError, require_package
from gan_cli.files import write_text
from gan_cli.recipe_tables import leaves
from gan_cli.runs import jsonl
from gan_cli.runs.folder import RunFolder


class Watcher(Protocol):
    """Who is told what happens: a progress bar, or nobody."""

    def note(self, message: str) -> None:
        """Show a notice."""

    def start(self, step: int, steps: int, batch: int) -> None:
        """Training starts at `step` of `steps`, `batch` images a step."""

    def progress(self, step: int, means: dict[str, float]) -> None:
        """The numbers of the latest call have arrived."""

    def verdict(self, step: int, name: str, value: float) -> None:
        """The headline metric was taken."""

    def alarm(self, step: int, messages: Sequence[str]) -> None:
        """The monitor has looked, and found this wrong; nothing when all is well."""


class Callback:
    """Hears everything in the order in which it is written; says nothing back, and changes no number."""

    def start(self, step: int) -> None:
        """Training goes on from `step`: at its start, after a resume, after a rollback. Later steps come again."""

    def log(self, line: Mapping[str, Any]) -> None:
        """A line of log.jsonl was written: what the turns reported, what the monitor saw, or a rollback."""

    def judged(self, line: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl was written."""

    def picture(self, step: int, path: Path) -> None:
        """The grid of a step was written, as a PNG."""

    def end(self, step: int, stopped_by: str | None) -> None:
        """Training ends at `step`, by a signal or a problem, or, with None, because it is done."""

    def close(self) -> None:
        """Nothing more will come; also called after an error."""


Tracker = Callable[[RunFolder, Mapping[str, Any]], Callback]
"""A run folder and its resolved recipe -> who is told of the training."""


class Clock(Callback):
    """Writes the times of one session into RUN/times.jsonl (see `runs/times.py`); a killed session has no end there."""

    def __init__(self, path: Path, devices: str, versions: Mapping[str, str]):
        """`devices` and `versions` say what the training runs on."""
        self._path = path
        self._about = {"devices": devices, "versions": dict(versions)}

    def _write(self, line: dict[str, Any], **more: Any) -> None:
        jsonl.append(self._path, {**line, "time": round(time.time(), 3), **more})

    def start(self, step: int) -> None:
        """Write the start of a session, with what it runs on."""
        jsonl.end_line(self._path)  # a full disk may have cut the last line short
        self._write({"event": "start", "step": step}, **self._about)

    def log(self, line: Mapping[str, Any]) -> None:
        """Write the time of what the turns reported."""
        if not line.keys() & {"monitor", "rollback"}:
            self._write({"step": line["step"]})

    def end(self, step: int, stopped_by: str | None) -> None:
        """Write the end of the session, and what ended it."""
        self._write({"event": "end", "step": step}, stopped_by=stopped_by)


def parse_trackers(text: str) -> tuple[Tracker, ...]:
    """Return the trackers that `--track tensorboard,wandb` names, each once.

    Raises InputError for an unknown name, and for a package that is not installed.
    """
    chosen = []
    for name in dict.fromkeys(part.strip() for part in text.split(",")):
        if name not in KINDS:
            raise InputError(f"--track {text}: there is no {name!r}{nearest(name, KINDS)}")
        package, tracker = KINDS[name]
        require_package(name, f"--track {name}", package)
        chosen.append(tracker)
    return tuple(chosen)


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers in a line of log.jsonl by tags that trackers group: "generator/loss", "monitor/diversity"."""
    return {name: value for name, value in leaves(line, "/") if name != "step" and isinstance(value, int | float)}


def texts(line: Mapping[str, Any]) -> list[str]:
    """Return what a line of log.jsonl says in words: alarms and rollbacks."""
    said = [str(alarm) for alarm in line.get("alarms", ())]
    return [*said, f"rollback {line['rollback']}: {line['because']}"] if "rollback" in line else said


class TensorBoard(Callback):
    """Event files in RUN/tensorboard; a resumed run hides the steps that it does again."""

    def __init__(self, folder: RunFolder, resolved: Mapping[str, Any]):
        self._folder, self._resolved = folder, resolved
        self._writer: Any = None

    def start(self, step: int) -> None:
        """Open a writer from this step on, with the recipe as a text."""
        from tensorboardX import SummaryWriter

        self.close()
        where = self._folder.path / "tensorboard"
        again = step + 1 if step else 0  # the first step that comes again; a new beginning is judged and drawn anew
        earlier = len(os.listdir(where)) if where.exists() else 0
        self._writer = SummaryWriter(
            str(where),
            purge_step=again if earlier else None,
            filename_suffix=f".{earlier:06d}",  # names have the time in seconds, and a rollback may come within one
            flush_secs=10,
        )
        self._writer.add_text("recipe", f"```toml\n{tomli_w.dumps(self._resolved)}\n```", step)

    def log(self, line: Mapping[str, Any]) -> None:
        """Add numbers as scalars, alarms and rollbacks as texts."""
        for name, value in scalars(line).items():
            self._writer.add_scalar(name, value, line["step"])
        for said in texts(line):
            self._writer.add_text("events", said, line["step"])

    def judged(self, line: Mapping[str, Any]) -> None:
        """Add the values of the metrics."""
        for name, value in jsonl.values(line).items():
            self._writer.add_scalar(f"metrics/{name}", value, line["step"])

    def picture(self, step: int, path: Path) -> None:
        """Add the grid as `samples`."""
        with Image.open(path) as image:
            self._writer.add_image("samples", np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        if self._writer:
            self._writer.close()
            self._writer = None


class WeightsAndBiases(Callback):
    """A run of Weights & Biases, which a resumed training continues; WANDB_* variables say where it goes.

    Its steps are the training's, and only ever grow. What a resumed run does again is there already, bit for bit. After
    a rollback, what is done differently is left out there until it comes to new steps.
    """

    def __init__(self, folder: RunFolder, resolved: Mapping[str, Any]):
        self._folder, self._resolved = folder, resolved
        self._run: Any = None

    def start(self, step: int) -> None:  # noqa: ARG002
        """Begin the run there, or continue it by the id in RUN/wandb/id."""
        import wandb

        if self._run is not None:
            return
        path = self._folder.path / "wandb" / "id"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_text(path, uuid.uuid4().hex[:8])
        try:
            self._run = wandb.init(
                project=None if wandb.setup().settings.project else "gan",
                name=self._folder.path.name,
                id=door.read_text(path).strip(),
                resume="allow",
                dir=str(self._folder.path),
                config=dict(self._resolved),
                allow_val_change=True,  # --override-recipe
                settings=wandb.Settings(console="off"),
            )
        except DamagedError as error:
            raise InputError(f"--track wandb: {error}; remove it for a run of its own there") from None
        except wandb.Error as error:
            raise InputError(f"--track wandb: {error}; `wandb login`, or WANDB_MODE=offline, would do") from None

    def log(self, line: Mapping[str, Any]) -> None:
        """Log numbers, and send alarms and rollbacks as alerts."""
        self._run.log(scalars(line), step=line["step"])
        for said in texts(line):
            self._run.alert(title=f"step {line['step']}", text=said)

    def judged(self, line: Mapping[str, Any]) -> None:
        """Log the values of the metrics."""
        found = jsonl.values(line)
        self._run.log({f"metrics/{name}": value for name, value in found.items()}, step=line["step"])

    def picture(self, step: int, path: Path) -> None:
        """Log the grid as `samples`."""
        import wandb

        self._run.log({"samples": wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        """Send what is left."""
        if self._run:
            self._run.finish()
            self._run = None


KINDS: Mapping[str, tuple[str, Tracker]] = {  # name, also the name of the pip extra -> package, tracker
    "tensorboard": ("tensorboardX", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
}
