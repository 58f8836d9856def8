"""What the page asks, answered with a generator's samples."""

import base64
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image

from gan_cli.binding import nearest
from gan_cli.engine.sampler import Inputs
from gan_cli.errors import InputError
from gan_cli.explore.commands import command, parts, seeds
from gan_cli.explore.requests import MOST_PINS, MOST_SAMPLES, MOST_STEPS, Ask, Conditions, Pin, Samples, Sum, Walk
from gan_cli.model import SIZES, Model
from gan_cli.pictures import grids
from gan_cli.recipe import SEEDS
from gan_cli.runs.jsonl import values
from gan_cli.runs.load import Loaded
from gan_cli.sampling import arithmetic, controls, drawing, walk, writing
from gan_cli.sampling.arrange import Plan, arrange, put
from gan_cli.sampling.drawing import Latents
from gan_cli.sampling.request import DEFAULT_FPS
from gan_cli.sampling.take import POINTS_IN_A_PANEL, is_points
from gan_cli.types import CLASS

KINDS = {".png": "image/png", ".npz": "application/octet-stream", ".gif": "image/gif"}

Note = Callable[[str], None]


class View(NamedTuple):
    """What is to be drawn for a request."""

    plan: Plan
    setting: Conditions | None  # of all samples; None: they differ
    chosen: Sequence[controls.Setting]  # the same, as the model has it
    only: slice = slice(None)  # which of the samples an archive keeps


class Service:
    """A checkpoint whose samples can be asked for, one request after the other."""

    def __init__(self, loaded: Loaded, checkpoint: str):
        """`checkpoint`: as a person named it, for commands."""
        self._loaded, self._checkpoint = loaded, checkpoint
        self._models = {raw: Model(loaded, raw=raw) for raw in (False, True)}
        self._controls = loaded.experiment.game.controls
        self._points = is_points(loaded)
        self._lock = threading.Lock()  # one drawing at a time: each uses all cores
        self._reach: np.ndarray | None = None  # points that every plot has room for

    def warm_up(self, note: Note) -> None:
        """Compile what the page uses, so that no drawing waits for it."""
        setting = Conditions(truncation=1.0) if self.truncatable else Conditions()
        sizes = (POINTS_IN_A_PANEL,) if self._points else SIZES
        note(f"step {self._loaded.step} of {self._checkpoint}: compiling for {_listed(sizes)} samples at once")
        for model in self._models.values():
            for n in sizes:
                model.draw(self._latents(range(n), setting))
        if self._points:
            self._reach = self._models[False].draw(self._latents(range(POINTS_IN_A_PANEL), Conditions())).arrays

    def close(self, seconds: float) -> None:
        """Let no further drawing begin, and wait for the one under way, but not longer than this."""
        self._lock.acquire(timeout=seconds)

    @property
    def truncatable(self) -> bool:
        """Whether truncation means something: the latents are normal."""
        return drawing.truncatable(self._loaded, drawing.by_seeds(self._loaded, [0], None))

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
            "shape": list(self._loaded.experiment.spec.shape),
            "points": self._points,
            "prior": self._models[False].prior,
            "truncatable": self.truncatable,
            "controls": [
                {
                    "name": name,
                    "categories": control.categories,
                    "names": list(control.names),
                    "low": control.low,
                    "high": control.high,
                }
                for name, control in self._controls.items()
            ],
            "most": {"samples": MOST_SAMPLES, "pins": MOST_PINS, "steps": MOST_STEPS},
        }

    def draw(self, ask: Ask) -> dict[str, Any]:
        """Pictures (PNG in base64) and what they are of; of points one plot. Raises InputError."""
        view = self._view(ask)
        began = time.perf_counter()
        samples = self._paint(ask, view.plan.inputs)
        took = time.perf_counter() - began
        pictures = [self._plot(samples)] if self._points else [grids.to_pil(image) for image in samples]
        inputs = view.plan.inputs
        return {
            "images": [base64.b64encode(grids.png(picture)).decode() for picture in pictures],
            "names": list(view.plan.names),
            "values": {name: inputs[name].tolist() for name in self._controls if not self._points},
            "command": command(ask, len(samples), self._checkpoint, self._loaded.step, view.setting, view.chosen),
            "milliseconds": round(1000 * took, 2),
        }

    def file(self, ask: Ask, suffix: str) -> bytes:
        """What `gan sample` writes for it: .png, .npz, or of a walk .gif, there and back. Raises InputError."""
        if suffix not in KINDS or (suffix == ".gif" and not isinstance(ask, Walk)):
            raise InputError(f"no {suffix} of {ask.view}; there are .png and .npz, and .gif of a walk between images")
        view = self._view(ask, moving=suffix == ".gif")
        plan, out = view.plan, Path(f"{ask.view}{suffix}")
        if self._points:
            writing.check_points(out)
        writing.check_size(out, self._loaded.experiment.spec.shape, plan.sheet, plan.groups)
        samples = self._paint(ask, plan.inputs)
        if self._points and suffix == ".png":
            return grids.png(self._plot(samples))  # with the page's axes
        labels = plan.inputs[CLASS].astype(np.int64)[view.only] if CLASS in self._controls else None
        names = self._models[False].classes
        drawn = writing.Drawn(samples[view.only], labels, names, plan.sheet, plan.groups, shown=samples)
        with tempfile.TemporaryDirectory(prefix="gan-explore-") as folder:
            writing.write(Path(folder) / out, drawn, DEFAULT_FPS)
            return (Path(folder) / out).read_bytes()

    def _view(self, ask: Ask, moving: bool = False) -> View:
        """`moving`: a walk that goes on from its end to its beginning."""
        if isinstance(ask, Samples):
            return self._samples(ask)
        if self._points:
            raise InputError(f"{ask.view} is of images, and the samples of this model are points")
        pins = [pin for _, some in parts(ask) for pin in some] if isinstance(ask, Sum) else ask.pins
        latents, setting, chosen = self._pinned(pins)
        if isinstance(ask, Walk):
            return View(self._walk(ask, latents, chosen, moving), setting, chosen)
        if isinstance(ask, Sum):
            plan = self._sum(ask, latents, chosen)
            return View(plan, setting, chosen, arithmetic.results(plan.inputs))
        return View(arrange(latents, chosen), setting, chosen)

    def _samples(self, ask: Samples) -> View:
        own = range(ask.seed, ask.seed + (POINTS_IN_A_PANEL if self._points else ask.n))
        if own[-1] >= SEEDS:
            raise InputError(f"seed {ask.seed}: {len(own)} seeds from there on would leave 0 to 2^32 - 1")
        chosen = self._chosen(ask)
        names = tuple(f"seed {seed}" for seed in own)
        latents = Latents(self._latents(own, ask), names, names)
        return View(arrange(latents, chosen, points=self._points), ask.setting, chosen)

    def _pinned(self, pins: Sequence[Pin]) -> tuple[Latents, Conditions | None, list[controls.Setting]]:
        """The pins' latents; and their setting, where it is the same. Otherwise each latent has its own already."""
        names = tuple(f"seed {pin.seed}" for pin in pins)
        if all(pin.setting == pins[0].setting for pin in pins):
            inputs = self._latents([pin.seed for pin in pins], pins[0])
            return Latents(inputs, names, names), pins[0].setting, self._chosen(pins[0])
        each = [put(self._latents([pin.seed], pin), self._chosen(pin)) for pin in pins]
        inputs = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        return Latents(inputs, names, names), None, []

    def _walk(self, ask: Walk, latents: Latents, chosen: list[controls.Setting], moving: bool) -> Plan:
        path = ask.path or walk.path_of(self._loaded)
        plan = (walk.loop if moving else walk.walk)(latents, chosen, drawing.numbers(self._loaded), ask.steps, path)
        if ask.at is None or moving:
            return plan
        return Plan({name: x[ask.at : ask.at + 1] for name, x in plan.inputs.items()}, [plan.names[ask.at]])

    def _sum(self, ask: Sum, latents: Latents, chosen: list[controls.Setting]) -> Plan:
        sums = [arithmetic.Term(sign, seeds(pins), tuple(pin.seed for pin in pins)) for sign, pins in parts(ask)]
        return arithmetic.plan(sums, lambda _: latents.inputs, chosen, drawing.numbers(self._loaded), seed=0)

    def _chosen(self, setting: Conditions) -> list[controls.Setting]:
        """Values of classes and codes as the model has them; raises InputError for those that it does not have."""
        return [self._one(name, value) for name, value in setting.values.items()]

    def _one(self, name: str, value: float) -> controls.Setting:
        if name not in self._controls:
            raise InputError(f"this model has no {name!r}{nearest(name, self._controls)}")
        control = self._controls[name]
        if control.categories and not (isinstance(value, int) and value < control.categories):
            raise InputError(f"{name} = {value!r}: {name} has 0 to {control.categories - 1}")
        said = control.names[int(value)] if control.names else value  # a name wins over a number
        return controls.of_values(name, [said], self._controls, name)

    def _latents(self, own: Sequence[int], setting: Conditions) -> Inputs:
        """Leaves [n, ...]. Filled up to a few sizes, because what truncates them is compiled for each."""
        padded = [*own, *[own[-1]] * (MOST_SAMPLES - len(own))]
        drawn = drawing.by_seeds(self._loaded, padded, setting.truncation)
        return {name: x[: len(own)] for name, x in drawn.items()}

    def _paint(self, ask: Ask, inputs: Inputs) -> np.ndarray:
        with self._lock:
            return self._models[ask.raw].draw(inputs).arrays

    def _plot(self, points: np.ndarray) -> Image:
        within = points if self._reach is None else np.concatenate([self._reach, points])
        return grids.plot(points, within=within)


def _listed(sizes: Sequence[int]) -> str:
    return " and ".join(filter(None, (", ".join(map(str, sizes[:-1])), str(sizes[-1]))))
