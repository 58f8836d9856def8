"""Loads a trained model from a run folder or one of its checkpoints; no data set is needed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax

from gan_cli import build, datasets
from gan_cli.engine import kept
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.state import Experiment, State, flat, state_shapes, unflat, weight_shapes
from gan_cli.errors import DamagedError, InputError
from gan_cli.games.networks import Variables
from gan_cli.remote import layout
from gan_cli.runs.folder import RunFolder
from gan_cli.types import Array

T = TypeVar("T")
TRIES = 100  # how often a checkpoint is chosen anew while a training deletes each that is read


class Loaded(NamedTuple):
    """A checkpoint, ready to sample from."""

    folder: RunFolder
    step: int
    meta: Meta
    experiment: Experiment
    arrays: Mapping[str, Array]  # the leaves of its state by name, those that were asked for

    def leaves(self, raw: bool) -> dict[str, Array]:
        """Return the leaves of the averaged weights, or of the `raw` ones of the last step, by name."""
        kind = _weights(raw)
        return {name.removeprefix(kind): x for name, x in self.arrays.items() if name.startswith(kind)}

    def weights(self, raw: bool) -> dict[str, Variables]:
        """Return the averaged weights by role, or the `raw` ones of the last step."""
        leaves, shapes = self.leaves(raw), weight_shapes(self.experiment)
        roles = {name.partition(".")[0] for name in leaves}
        weights: dict[str, Variables] = unflat(leaves, {role: x for role, x in shapes.items() if role in roles})
        return weights

    @property
    def state(self) -> State:
        """The whole state, if it was asked for; a file of weights has no optimisers."""
        shapes = state_shapes(self.experiment)
        trained = any(name.startswith("optim.") for name in self.arrays)
        state: State = unflat(self.arrays, shapes if trained else shapes._replace(optim={}))
        return state


def load_run(path: Path, at: str = "best", *, raw: bool | None = None) -> Loaded:
    """Load the checkpoint `path` (RUN/checkpoints/STEP), or the one of run `path` at "best", "latest" or a step.

    "best" is by the run's metric, and the newest where none was taken. `raw`: read only the weights of the last step
    (True) or only their averages (False); None: the whole state. Raises InputError when there is no such checkpoint or
    it cannot be read.
    """

    def read(run: RunFolder, checkpoints: Checkpoints, step: int) -> Loaded:
        meta, experiment = described(checkpoints, step)
        shapes = _leaf_shapes(experiment)
        build.check_size(shapes)
        only = "" if raw is None else _weights(raw)
        return Loaded(run, step, meta, experiment, checkpoints.leaves(step, shapes, only))

    return taken(path, at, read)


def _weights(raw: bool) -> str:
    """Return how the names of the leaves of weights begin."""
    return "variables." if raw else "average."


def _leaf_shapes(experiment: Experiment) -> dict[str, jax.ShapeDtypeStruct]:
    """Return shapes and types of the leaves of a state, by name: those of the networks, which may be known already."""

    def trace() -> dict[str, Any]:
        leaves = flat(state_shapes(experiment), abstract=True)
        return {name: [list(x.shape), str(x.dtype)] for name, x in leaves.items()}

    found = kept.data(("state", experiment.identity), trace)
    return {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in found.items()}


def taken(path: Path, at: str, read: Callable[[RunFolder, Checkpoints, int], T]) -> T:
    """Return what `read` makes of the checkpoint that `load_run` would load, also while the run is being trained.

    A training deletes checkpoints, and may write one anew: then one is chosen again, so that everything that was read
    belongs to the same checkpoint. Raises InputError, also when `read` raises DamagedError for a checkpoint that has
    not changed.
    """
    run, own = _locate_run(path)
    if own is not None and at not in ("best", str(own)):
        raise InputError(f"--at {at}: {path} is already one checkpoint; name the run {run.path}")
    checkpoints = Checkpoints(run.checkpoints, read_only=True)
    try:
        for _ in range(TRIES):
            step = _choose_step(checkpoints, at if own is None else own)
            mark = checkpoints.mark(step)
            try:
                made = read(run, checkpoints, step)
            except DamagedError as error:
                if mark is not None and checkpoints.mark(step) == mark:
                    raise InputError(f"{error}; --at names another checkpoint") from None
                continue
            if checkpoints.mark(step) in (mark, None):
                return made
    finally:
        checkpoints.close()
    raise InputError(f"{checkpoints.folder}: changes all the time; wait until nobody writes there")


def described(checkpoints: Checkpoints, step: int) -> tuple[Meta, Experiment]:
    """Return a checkpoint's metadata, its recipe with today's defaults, and the experiment of that recipe."""
    meta = checkpoints.meta(step)
    checked = kept.data(
        ("recipe", kept.digest(meta.recipe)), lambda: build.resolve(meta.recipe, f"{checkpoints.folder}/{step}")
    )
    resolved = datasets.as_trained(checked, meta.specs)
    return meta._replace(recipe=resolved), build.experiment(resolved, meta.specs, trained=True)


def steps(path: Path) -> list[int]:
    """Return the steps of all checkpoints of run `path`, first to last; raises InputError when there are none."""
    run, step = _locate_run(path)
    if step is not None:
        raise InputError(f"{path}: is one checkpoint; name the run {run.path}")
    checkpoints = Checkpoints(run.checkpoints, read_only=True)
    try:
        _choose_step(checkpoints, "latest")  # raises when there are none
        return checkpoints.steps()
    finally:
        checkpoints.close()


def _locate_run(path: Path) -> tuple[RunFolder, int | None]:
    """Return the run that `path` is or lies in, and the step if it is a checkpoint; raises InputError."""
    try:
        path = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a null byte
        raise InputError(f"{path}: cannot be looked at: {error}") from None
    if path.parent.name == "checkpoints" and (step := layout.step_of(path.name)) is not None and path.is_dir():
        return RunFolder(path.parent.parent), step
    if path.name == "checkpoints" and path.is_dir():
        path = path.parent
    if path.suffix == ".safetensors":
        raise InputError(f"{path}: is a file of weights; `gan_cli.load` reads it in Python, commands want its run")
    if not (path / "checkpoints").is_dir():
        what = (
            "is not a run folder: it has no checkpoints/"
            if path.is_dir()
            else "no such run or checkpoint (`gan runs` lists those below a folder)"
        )
        raise InputError(f"{path}: {what}; train one with `gan train`")
    return RunFolder(path), None


def _choose_step(checkpoints: Checkpoints, at: str | int) -> int:
    """Return the step of the checkpoint "best", "latest" or at a step; raises InputError when there is none."""
    steps = checkpoints.steps()
    if not steps:
        raise InputError(f"{checkpoints.folder}: holds no whole checkpoint yet")
    if at == "latest":
        return steps[-1]
    if at == "best":
        best = checkpoints.best()
        return steps[-1] if best is None else best
    if str(at) not in map(str, steps):
        have = ", ".join(map(str, steps))
        raise InputError(f"{checkpoints.folder}: no checkpoint {at!r}; there are best, latest and steps {have}")
    return int(at)
