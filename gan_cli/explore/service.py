"""What the page asks, answered with a generator's samples."""

import shlex
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli import media
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.sampler import Inputs
from gan_cli.errors import InputError
from gan_cli.explore.answers import Answers
from gan_cli.explore.requests import (
    MOST_BYTES,
    MOST_GIVEN,
    MOST_PINS,
    MOST_SAMPLES,
    MOST_STEPS,
    Asked,
    Walk,
    request_for,
)
from gan_cli.explore.shown import shown
from gan_cli.model import SIZES, Model
from gan_cli.runs.jsonl import values
from gan_cli.runs.load import Loaded
from gan_cli.sampling import writing
from gan_cli.sampling.latents import count, is_points, is_truncatable
from gan_cli.sampling.options import sample_options
from gan_cli.sampling.plan import POINTS_IN_A_PANEL, paint_plan, plan_samples
from gan_cli.sampling.request import Conditions, Request

KINDS = {
    ".png": "image/png",
    ".npz": "application/octet-stream",
    ".gif": "image/gif",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".wav": "audio/wav",
    ".mid": "audio/midi",
}

Note = Callable[[str], None]


class Service:
    """A checkpoint whose samples can be asked for, and its answers, one request after the other."""

    def __init__(self, loaded: Loaded, checkpoint: str, store: Store | None = None):
        """`checkpoint`: as a person named it, for commands. `store`: has the run's own data; nothing is downloaded."""
        self._loaded, self._checkpoint = loaded, checkpoint
        self._experiment = loaded.experiment
        self._draws = any(not ask.given for ask in self._experiment.game.asks.values())
        self._models = {raw: Model(loaded, raw=raw) for raw in (False, True)}
        self._prior = self._models[False].prior
        self._truncatable = is_truncatable(sampler.draw(self._experiment, [0]), self._prior)
        self._points = is_points(self._experiment)
        self._lock = threading.Lock()  # one drawing at a time: each uses all cores
        at_hand = replace((store or Store()).near(loaded.folder.path), download=False, follow=False)
        self.answers = Answers(loaded, checkpoint, at_hand, self._lock)
        self._reach: np.ndarray | None = None  # points that every plot has room for

    def warm_up(self, note: Note) -> None:
        """Compile what the page uses, so that no drawing waits for it."""
        where = f"step {self._loaded.step} of {self._checkpoint}: compiling"
        if self.answers.asks:
            note(f"{where} {', '.join(self.answers.asks)}")
            self.answers.warm_up()
        if not self._draws:
            return
        sizes = (POINTS_IN_A_PANEL,) if self._points else SIZES
        listed = " and ".join(filter(None, (", ".join(map(str, sizes[:-1])), str(sizes[-1]))))
        note(f"{where} for {listed} samples at once")
        conditions = (Conditions(truncation=1.0 if self._truncatable else None),)
        for n in sizes:
            plan = plan_samples(self._experiment, Request(range(n), conditions=conditions), self._prior)
            for raw in self._models:
                self._paint(raw, plan.inputs)
        if self._points:
            plan = plan_samples(self._experiment, Request(range(POINTS_IN_A_PANEL)), self._prior)
            self._reach = self._paint(False, plan.inputs)

    def close(self, seconds: float) -> None:
        """Let no further drawing begin, and wait for the one under way, but not longer than this."""
        self._lock.acquire(timeout=seconds)

    def description(self) -> dict[str, Any]:
        """The model as the page needs to know it."""
        history = self._loaded.meta.history
        at = [line for line in history if line.get("step") == self._loaded.step]
        return {
            "name": self._loaded.folder.path.name,
            "path": self._checkpoint,
            "step": self._loaded.step,
            "play": str(self._loaded.meta.recipe["game"]["play"]),
            "scores": values(at[-1] if at else {}),
            "shape": list(self._experiment.spec.shape),
            "points": self._points,
            "medium": media.name_of(self._experiment.spec),
            "many": media.of(self._experiment.spec).many,
            "files": [
                suffix[1:] for suffix in media.of(self._experiment.spec).files if suffix in set(KINDS) - {".png"}
            ],
            "prior": self._prior,
            "truncatable": self._truncatable,
            "controls": [
                {
                    "name": name,
                    "categories": control.categories,
                    "names": list(control.names),
                    "low": control.low,
                    "high": control.high,
                }
                for name, control in self._experiment.game.controls.items()
            ],
            "draws": self._draws,
            "asks": self.answers.description(),
            "most": {
                "samples": MOST_SAMPLES,
                "pins": MOST_PINS,
                "steps": MOST_STEPS,
                "given": MOST_GIVEN,
                "bytes": MOST_BYTES,
            },
        }

    def draw(self, asked: Asked) -> dict[str, Any]:
        """Samples as `shown` makes them, and what they are of. Raises InputError."""
        request = request_for(asked, self._experiment)
        plan = plan_samples(self._experiment, request, self._prior)
        began = time.perf_counter()
        samples = self._paint(request.raw, plan.inputs)
        took = time.perf_counter() - began
        controls = () if self._points else self._experiment.game.controls
        options = sample_options(request)
        command = ["gan", "sample", "--ckpt", self._checkpoint, "--at", str(self._loaded.step), *(options or ())]
        return {
            **shown(samples, self._experiment.spec, self._reach),
            "names": list(plan.names),
            "values": {name: plan.inputs[name].tolist() for name in controls},
            "command": "" if options is None else shlex.join([*command, "--out", f"{asked.view}.png"]),
            "milliseconds": round(1000 * took, 2),
        }

    def file(self, asked: Asked, suffix: str) -> bytes:
        """What `gan sample` writes for it: .png, .npz, or of a walk .gif, there and back. Raises InputError."""
        is_walk = isinstance(asked, Walk)
        own = media.of(self._experiment.spec).files
        if suffix not in KINDS or (suffix not in (".png", ".npz", *own) and not (suffix == ".gif" and is_walk)):
            raise InputError(f"no {suffix} of {asked.view}; there are .png and .npz, and .gif of a walk between images")
        request = request_for(asked, self._experiment, suffix)
        assert request.out is not None
        plan = plan_samples(self._experiment, request, self._prior)
        spec = self._experiment.spec
        writing.check_kind(request.out, spec, walks=is_walk)
        writing.check_size(request.out, spec, count(plan.inputs), plan.sheet, plan.groups)
        drawn = paint_plan(self._experiment, plan, lambda inputs: self._paint(request.raw, inputs))
        if self._points and suffix == ".png":
            return b64decode(shown(drawn.samples, spec, self._reach)["images"][0])  # with the page's axes
        with tempfile.TemporaryDirectory(prefix="gan-explore-") as folder:
            out = Path(folder) / request.out
            writing.write(out, drawn, None)
            return out.read_bytes()

    def _paint(self, raw: bool, inputs: Inputs) -> np.ndarray:
        with self._lock:
            return self._models[raw].draw(inputs).arrays
