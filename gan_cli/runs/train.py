"""`gan train`: a recipe and its data in, a run folder out, with exact resume."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax

from gan_cli import build, recipe
from gan_cli.data.images import check_fitted
from gan_cli.data.pipeline import order
from gan_cli.data.store import Store
from gan_cli.engine import loop, parallel, sampler
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.optim import slowed
from gan_cli.engine.state import Experiment, State, initial_state, state_shapes
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import sync
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.runs import folder as files
from gan_cli.runs import reference
from gan_cli.runs.arrange import overview
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.judge import Judge
from gan_cli.runs.monitor import Monitor, UnwellError
from gan_cli.runs.signals import stop_on_signals
from gan_cli.runs.writing import Drawn, write_picture

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

    def alarm(self, step: int, messages: Sequence[str]) -> None:
        """What the monitor found wrong at its last look; nothing: all is well."""


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

    Nothing is written before everything has been checked. Raises InputError when the folder holds a run of another
    recipe (unless `override`), is another process's or cannot be written, StorageError when the disk is full,
    `loop.DivergedError` when a number is no longer finite, and `UnwellError` when the monitor ends the training; both
    only after the rollbacks that [monitor] allows.
    """
    run_folder = RunFolder(out)
    if run_folder.log.exists() and not run_folder.recipe.exists():
        raise InputError(f"{run_folder.log} exists, but this is not a run folder; name another one with --out")
    judge = _judge(prepared, store, watcher)
    train = prepared.experiment.train
    parallel.check_batch(train.batch, train.accumulate, prepared.experiment.game.together, jax.local_device_count())
    check_fitted(prepared.source)
    run_folder.create()
    keep_last = prepared.resolved["run"]["keep_last"]
    with run_folder.locked(), closing(Checkpoints(run_folder.checkpoints, keep_last=keep_last)) as checkpoints:
        start = _restore(run_folder, checkpoints, prepared, watcher, override)
        step = int(start.state.step)
        if step and step >= train.steps:
            return Outcome(run_folder, step, step, start.history, checkpoints.best(), None)
        if start.resumed and override:
            run_folder.keep_recipe(step)
        run_folder.write_recipe(prepared.resolved, header)
        _cut_logs(run_folder, step if start.resumed else -1)
        while True:
            session = _Session(prepared, run_folder, checkpoints, watcher, judge, start.history, start.rollbacks)
            try:
                return session.train(start.state)
            except (loop.DivergedError, UnwellError) as problem:
                start = _roll_back(prepared, run_folder, checkpoints, watcher, problem, start.rollbacks + 1)


class _Start(NamedTuple):
    """Where a training begins."""

    state: State
    history: list[dict[str, Any]]  # evaluations before it
    resumed: bool
    rollbacks: int = 0  # made so far


def _restore(
    run_folder: RunFolder, checkpoints: Checkpoints, prepared: build.Prepared, watcher: Watcher, override: bool
) -> _Start:
    """The newest checkpoint that can be read, of this recipe and these data; a fresh state where there is none at all.

    Unreadable ones are renamed once an older one has been read; when none can be, nothing is touched.
    """
    unreadable = []
    for step in reversed(checkpoints.steps()):
        try:
            meta = checkpoints.meta(step)
            _refuse_other_run(run_folder, meta, prepared, override)
            restored = checkpoints.restore(step, state_shapes(prepared.experiment))
        except DamagedError as error:
            watcher.note(f"{error}; trying the checkpoint before it")
            unreadable.append(step)
            continue
        for damaged in unreadable:
            watcher.note(f"checkpoint {damaged} is now {checkpoints.set_aside(damaged)}")
        watcher.note(f"resumed {run_folder.path} at step {step}")
        return _Start(restored, meta.history, resumed=True, rollbacks=meta.rollbacks)
    if unreadable:
        raise InputError(f"{run_folder.checkpoints}: no checkpoint can be read; name another folder with --out")
    return _Start(initial_state(prepared.experiment, prepared.resolved["run"]["seed"]), [], resumed=False)


def _refuse_other_run(run_folder: RunFolder, meta: Meta, prepared: build.Prepared, override: bool) -> None:
    """Raise InputError when the checkpoint is of another recipe or other data, unless the person insists."""
    saved = build.resolve(meta.recipe, str(run_folder.recipe))  # with defaults that it may be older than
    changed = recipe.differences(saved, prepared.resolved)
    if meta.fingerprint != prepared.source.fingerprint:
        changed.append("the content of the data")
    judged = [line for line in changed if line.startswith("eval.")]
    if judged and meta.history:
        mend = "name another folder with --out, or judge with `gan eval`"
        raise _other_recipe(run_folder, judged, f"its metrics so far could not be compared with the new ones; {mend}")
    if changed and not override:
        mend = "name another folder with --out, or go on with the new recipe with --override-recipe"
        raise _other_recipe(run_folder, changed, mend)


def _other_recipe(run_folder: RunFolder, changed: list[str], mend: str) -> InputError:
    return InputError(f"{run_folder.path} holds a run of another recipe:\n  " + "\n  ".join(changed) + f"\n{mend}")


def _cut_logs(run_folder: RunFolder, step: int) -> None:
    for path in (run_folder.log, run_folder.metrics):
        files.cut_after(path, step)


def _roll_back(
    prepared: build.Prepared,
    run_folder: RunFolder,
    checkpoints: Checkpoints,
    watcher: Watcher,
    problem: Exception,
    rollbacks: int,
) -> _Start:
    """Where to go on after a problem: the best checkpoint, else the newest, else a new beginning, with another key.

    Raises the problem itself when the recipe does not ask for rollbacks, or has no more of them. What was written of
    later steps is deleted, so that a resumed run finds one history.
    """
    options = recipe.Monitor(**prepared.resolved["monitor"])
    if options.action != "rollback" or rollbacks > options.rollbacks:
        raise problem
    checkpoints.wait()
    best, known = checkpoints.best(), checkpoints.steps()
    step = best if best is not None else (known[-1] if known else 0)
    if step:
        state = checkpoints.restore(step, state_shapes(prepared.experiment))
        state = state._replace(key=jax.random.fold_in(state.key, rollbacks))
        history = checkpoints.meta(step).history
    else:
        state, history = initial_state(prepared.experiment, _seed(prepared, rollbacks)), []
    checkpoints.drop_after(step)
    _cut_logs(run_folder, step or -1)  # a new beginning is judged anew
    slower = options.learning_rate_factor**rollbacks
    message = f"{problem}; rollback {rollbacks} of {options.rollbacks} to step {step}, learning rates times {slower:g}"
    files.append(run_folder.log, {"step": step, "rollback": rollbacks, "because": str(problem)})
    watcher.note(message)
    return _Start(state, history, resumed=True, rollbacks=rollbacks)


def _seed(prepared: build.Prepared, rollbacks: int) -> int:
    """The seed of the batches' order, and of a new beginning, after so many rollbacks."""
    seed: int = prepared.resolved["run"]["seed"]
    return (seed + rollbacks * 2654435769) % recipe.SEEDS  # 2^32 divided by the golden ratio: far from any neighbour


class _Session:
    """One process's share of a run: what the loop's hooks do."""

    def __init__(
        self,
        prepared: build.Prepared,
        run_folder: RunFolder,
        checkpoints: Checkpoints,
        watcher: Watcher,
        judge: Judge | None,
        history: list[dict[str, Any]],
        rollbacks: int,
    ):
        self.prepared = prepared
        self.rollbacks = rollbacks
        self.folder = run_folder
        self.checkpoints = checkpoints
        self.watcher = watcher
        self.judge = judge
        self.history = history
        self.options = recipe.Run(**prepared.resolved["run"])
        self.best = max((line["score"] for line in history), default=None)
        experiment = prepared.experiment
        count = self.options.grid if len(experiment.spec.shape) == 3 else POINTS
        self.overview = overview(experiment, self.options.seed, count)
        self.sampler = judge.sampler if judge else sampler.Sampler(experiment, count)  # one program is enough
        self.monitor = self._monitor()

    def _monitor(self) -> Monitor:
        options = recipe.Monitor(**self.prepared.resolved["monitor"])
        source, experiment = self.prepared.source, self.prepared.experiment
        real = source.load(order(0, source.size, 0)[: options.n])["x"]  # at random: files may be sorted by class
        inputs = sampler.draw_many(experiment, self.options.seed, options.n)
        return Monitor(options, real, lambda state: self.sampler(state.average, inputs))

    def train(self, state: State) -> Outcome:
        """Run the loop from `state`; leaves the last checkpoint on disk."""
        train, options = self.prepared.experiment.train, self.options
        every = self.prepared.resolved["eval"]["every"]
        looks = self.monitor.options.every
        cadence = loop.Cadence(options.log_every, options.sample_every, every, options.checkpoint_every, looks)
        self.watcher.start(int(state.step), train.steps, train.batch)
        tables = {**self.prepared.resolved, "run": {**self.prepared.resolved["run"], "seed": self._seed()}}
        with stop_on_signals() as request, closing(build.feed(tables, self.prepared.source)) as feed:
            trainer = loop.Trainer(self._experiment(), feed, jax.local_devices())
            hooks = self._hooks(stop=lambda: bool(request))
            state = loop.run(trainer, state, train.steps, train.steps_per_call, cadence, hooks)
            self.checkpoints.wait()
        step = int(state.step)
        stopped_by = request.signal.name if request.signal and step < train.steps else None
        return Outcome(self.folder, step, train.steps, self.history, self.checkpoints.best(), stopped_by)

    def _hooks(self, stop: Callable[[], bool]) -> loop.Hooks:
        def log(step: int, means: loop.Means) -> None:
            files.append(self.folder.log, {"step": step, **means})

        def progress(step: int, means: loop.Means) -> None:
            self.monitor.observe(means)
            self.watcher.progress(step, means)

        return loop.Hooks(progress, log, self.sample, self.evaluate, self.save, stop, self.look)

    def _seed(self) -> int:
        return _seed(self.prepared, self.rollbacks)

    def _experiment(self) -> Experiment:
        """The recipe's, its optimisers slowed down by every rollback."""
        experiment = self.prepared.experiment
        if not self.rollbacks:
            return experiment
        factor = self.monitor.options.learning_rate_factor**self.rollbacks
        return experiment._replace(optimisers={k: slowed(v, factor) for k, v in experiment.optimisers.items()})

    def look(self, step: int, state: State) -> None:
        """Let the monitor look; raises UnwellError when it finds something wrong and the recipe says not to go on."""
        found = self.monitor.look(step, state)
        files.append(self.folder.log, {"step": step, "monitor": found.values, "alarms": list(found.alarms)})
        self.watcher.alarm(step, found.alarms)
        if found.alarms and self.monitor.options.action != "warn":
            raise UnwellError(f"{found.alarms[0]} at step {step}")

    def sample(self, step: int, state: State) -> None:
        """Draw the same latents as always, each class in a row of its own, with averaged weights."""
        samples = self.sampler(state.average, self.overview.inputs)
        write_picture(self.folder.samples(step), Drawn(samples, sheet=self.overview.sheet))

    def evaluate(self, step: int, state: State) -> bool:
        """Take the metrics; True when this is the best so far."""
        assert self.judge is not None
        try:
            verdict = self.judge(state.average)
        except NotFiniteError as error:  # the last update did it: no loss has seen its weights
            raise loop.DivergedError(f"{error}, at step {step}") from None
        panel = self.judge.panel
        score = panel.score(verdict.values)
        line = verdict.line(step=step)
        files.append(self.folder.metrics, line)
        self.history.append({**line, "score": score})
        self.watcher.verdict(step, panel.headline, verdict.values[panel.headline])
        improved = self.best is None or score > self.best
        self.best = score if improved else self.best
        return improved and step > 0

    def save(self, step: int, state: State) -> None:
        """Start to write a checkpoint."""
        spec, fingerprint = self.prepared.experiment.spec, self.prepared.source.fingerprint
        meta = Meta(self.prepared.resolved, spec, fingerprint, self.history, self.rollbacks)
        judged = self.history and self.history[-1]["step"] == step
        for lines in (self.folder.log, self.folder.metrics):
            if lines.exists():
                sync(lines)  # what the checkpoint takes for written has to outlive the machine, too
        self.checkpoints.save(step, state, meta._replace(score=self.history[-1]["score"]) if judged else meta)


def _judge(prepared: build.Prepared, store: Store, watcher: Watcher) -> Judge | None:
    """The metric during training, or None when the recipe asks for none."""
    options = recipe.Eval(**prepared.resolved["eval"])
    if not options.every:
        return None
    against = reference.of_recipe(prepared.resolved, prepared.source, None, store, training=True)
    judge = Judge(prepared.experiment, options, against, store, prepared.resolved["run"]["seed"])
    judge.panel.check_chooses()
    for notice in judge.panel.notices:
        watcher.note(notice)
    return judge
