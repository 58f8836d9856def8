"""`gan train`: a recipe and its data in, a run folder out, with exact resume."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax

from gan_cli import build, recipe
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.engine import loop, sampler
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.state import State, initial_state
from gan_cli.errors import InputError
from gan_cli.report import grids
from gan_cli.runs import folder as files
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.judge import Judge
from gan_cli.runs.signals import stop_on_signals

POINTS = 2000  # samples in a plot of a toy


class Watcher(Protocol):
    """Who is told what happens: the progress bar, or nobody."""

    def note(self, message: str) -> None:
        """A notice for the person."""

    def start(self, step: int, steps: int, batch: int) -> None:
        """Training starts at `step` of `steps`, `batch` images a step."""

    def progress(self, step: int, means: loop.Means) -> None:
        """Numbers of the latest call have arrived."""

    def verdict(self, step: int, name: str, value: float) -> None:
        """The headline metric was taken."""


class Outcome(NamedTuple):
    """How a training ended."""

    folder: RunFolder
    step: int
    steps: int
    history: list[dict[str, Any]]  # evaluations, first to last
    best: int | None  # step of the best checkpoint
    stopped_by: str | None  # the signal, or None when it ran to its end


def train(
    prepared: build.Prepared, out: Path, store: Store, watcher: Watcher, *, override: bool = False, header: str = ""
) -> Outcome:
    """Train to the recipe's number of steps in folder `out`, going on from its newest valid checkpoint.

    Raises InputError when the folder holds a run of another recipe (unless `override`) or cannot be written, and
    `loop.DivergedError` when a loss is no longer finite.
    """
    run_folder = RunFolder(out)
    _refuse_other_recipe(run_folder, prepared.resolved, override)
    run_folder.create()
    options = recipe.Run(**prepared.resolved["run"])
    checkpoints = Checkpoints(run_folder.checkpoints, keep_last=options.keep_last)
    try:
        state, history = _restore(checkpoints, prepared, watcher)
        run_folder.write_recipe(prepared.resolved, header)
        step = int(state.step)
        for path in (run_folder.log, run_folder.metrics):
            files.cut_after(path, step if history is not None else -1)
        session = _Session(prepared, run_folder, checkpoints, store, watcher, history or [])
        return session.train(state)
    finally:
        checkpoints.close()


def _refuse_other_recipe(run_folder: RunFolder, resolved: dict[str, Any], override: bool) -> None:
    if not run_folder.recipe.exists() or override:
        return
    changed = recipe.differences(recipe.read(run_folder.recipe), resolved)
    if changed:
        raise InputError(
            f"{run_folder.path} holds a run of another recipe:\n  " + "\n  ".join(changed) + "\n"
            "name another folder with --out, or go on with the new recipe with --override-recipe"
        )


def _restore(
    checkpoints: Checkpoints, prepared: build.Prepared, watcher: Watcher
) -> tuple[State, list[dict[str, Any]] | None]:
    """The newest checkpoint that can be read, with its metric history; a fresh state and None when there is none."""
    state = initial_state(prepared.experiment, prepared.resolved["run"]["seed"])
    steps = checkpoints.steps()
    for step in reversed(steps):
        try:
            meta = checkpoints.meta(step)
            restored = checkpoints.restore(step, state)
        except InputError:
            raise
        except Exception as error:  # whatever a damaged file makes Orbax raise
            aside = checkpoints.set_aside(step)
            reason = str(error).partition("\n")[0][:200]
            watcher.note(
                f"checkpoint {step} cannot be read ({type(error).__name__}: {reason}); "
                f"it is now {aside}, trying the one before it"
            )
            continue
        if meta.fingerprint != prepared.source.fingerprint:
            raise InputError(
                f"{checkpoints.folder}/{step}: this run was trained on other data than [data] gives now; "
                "name another folder with --out"
            )
        watcher.note(f"resumed {checkpoints.folder.parent} at step {step}")
        return restored, meta.history
    if steps:
        raise InputError(f"{checkpoints.folder}: none of the checkpoints can be read; name another folder with --out")
    return state, None


class _Session:
    """One process's share of a run: what the loop's hooks do."""

    def __init__(
        self,
        prepared: build.Prepared,
        run_folder: RunFolder,
        checkpoints: Checkpoints,
        store: Store,
        watcher: Watcher,
        history: list[dict[str, Any]],
    ):
        self.prepared = prepared
        self.folder = run_folder
        self.checkpoints = checkpoints
        self.watcher = watcher
        self.history = history
        self.options = recipe.Run(**prepared.resolved["run"])
        self.judge = _judge(prepared, store, watcher)
        self.best = max((line["score"] for line in history), default=None)
        experiment = prepared.experiment
        count = self.options.grid if len(experiment.spec.shape) == 3 else POINTS
        self.fixed = sampler.draw_many(experiment, self.options.seed, count)
        self.sampler = sampler.Sampler(experiment, count)

    def train(self, state: State) -> Outcome:
        """Run the loop from `state`; leaves the last checkpoint on disk."""
        resolved, experiment = self.prepared.resolved, self.prepared.experiment
        steps = experiment.train.steps
        if int(state.step) >= steps:
            return self._outcome(int(state.step), None)
        options = self.options
        cadence = loop.Cadence(
            options.log_every, options.sample_every, resolved["eval"]["every"], options.checkpoint_every
        )
        self.watcher.start(int(state.step), steps, experiment.train.batch)
        with closing(build.feed(resolved, self.prepared.source)) as feed, stop_on_signals() as request:
            trainer = loop.Trainer(experiment, feed, jax.local_devices())
            hooks = self._hooks(stop=lambda: bool(request))
            state = loop.run(trainer, state, steps, experiment.train.steps_per_call, cadence, hooks)
            self.checkpoints.wait()
        step = int(state.step)
        return self._outcome(step, request.signal.name if request.signal and step < steps else None)

    def _hooks(self, stop: Callable[[], bool]) -> loop.Hooks:
        def log(step: int, means: loop.Means) -> None:
            files.append(self.folder.log, {"step": step, **means})

        return loop.Hooks(self.watcher.progress, log, self.sample, self.evaluate, self.save, stop)

    def sample(self, step: int, state: State) -> None:
        """Draw the grid of the fixed latents with averaged weights."""
        grids.save_samples(self.folder.samples(step), self.sampler(state.average, self.fixed))

    def evaluate(self, step: int, state: State) -> bool:
        """Take the metrics; True when this is the best so far."""
        assert self.judge is not None
        verdict = self.judge(state.average)
        score = self.judge.score(verdict.values)
        line = verdict.line(step)
        files.append(self.folder.metrics, line)
        self.history.append({**line, "score": score})
        self.watcher.verdict(step, self.judge.headline, verdict.values[self.judge.headline])
        improved = self.best is None or score > self.best
        self.best = score if improved else self.best
        return improved and step > 0

    def save(self, step: int, state: State) -> None:
        """Start to write a checkpoint."""
        spec, fingerprint = self.prepared.experiment.spec, self.prepared.source.fingerprint
        meta = Meta(self.prepared.resolved, spec, fingerprint, self.history)
        judged = self.history and self.history[-1]["step"] == step
        self.checkpoints.save(step, state, meta, self.history[-1]["score"] if judged else None)

    def _outcome(self, step: int, stopped_by: str | None) -> Outcome:
        steps = self.prepared.experiment.train.steps
        return Outcome(self.folder, step, steps, self.history, self.checkpoints.best(), stopped_by)


def _judge(prepared: build.Prepared, store: Store, watcher: Watcher) -> Judge | None:
    """The metric during training, or None when the recipe asks for none."""
    options = recipe.Eval(**prepared.resolved["eval"])
    if not options.every:
        return None
    source, split = evaluation_data(prepared.resolved, prepared.source, options.split, store)
    judge = Judge(prepared.experiment, options, source, split, store, prepared.resolved["run"]["seed"])
    for notice in judge.notices:
        watcher.note(notice)
    return judge


def evaluation_data(
    resolved: dict[str, Any], trained_on: Source | None, split: str, store: Store
) -> tuple[Source, str]:
    """The real images that samples are compared with, and what to call them: "mnist train"."""
    table = resolved["data"]
    own = table.get("split")
    if own is not None and (own != split or trained_on is None):
        resolved = {**resolved, "data": {**table, "split": split}}
        trained_on = None
    source = trained_on or build.load_data(resolved, store)
    return source, f"{table['source']} {split if own is not None else 'all'}"
