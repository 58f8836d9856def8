"""Loads a trained model from a run folder or one of its checkpoints; no data set is needed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from gan_cli import build
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.state import Experiment, State, state_shapes
from gan_cli.errors import DamagedError, InputError
from gan_cli.games.game import Variables
from gan_cli.remote import layout
from gan_cli.runs.folder import RunFolder

T = TypeVar("T")
TRIES = 100  # how often a checkpoint is chosen anew while a training deletes each that is read


class Loaded(NamedTuple):
    """A checkpoint, ready to sample from."""

    folder: RunFolder
    step: int
    meta: Meta
    experiment: Experiment
    state: State

    def weights(self, raw: bool) -> dict[str, Variables]:
        """Return the averaged weights by role, or the `raw` ones of the last step."""
        return self.state.variables if raw else self.state.average


def load_run(path: Path, at: str = "best") -> Loaded:
    """Load the checkpoint `path` (RUN/checkpoints/STEP), or the one of run `path` at "best", "latest" or a step.

    "best" is by the run's metric, and the newest where none was taken. Raises InputError when there is no such
    checkpoint or it cannot be read.
    """

    def read(run: RunFolder, checkpoints: Checkpoints, step: int) -> Loaded:
        meta, experiment = described(checkpoints, step)
        shapes = state_shapes(experiment)
        build.check_size(shapes)
        return Loaded(run, step, meta, experiment, checkpoints.restore(step, shapes))

    return taken(path, at, read)


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
    resolved = build.as_trained(build.resolve(meta.recipe, f"{checkpoints.folder}/{step}"), meta.spec)
    return meta._replace(recipe=resolved), build.experiment(resolved, meta.spec)


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
