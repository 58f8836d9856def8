"""`gan train`: a recipe and its data in, a run folder out, with exact resume."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from gan_cli import build, recipe
from gan_cli.data.images import check_fitted
from gan_cli.data.pipeline import order
from gan_cli.data.store import Store
from gan_cli.engine import loop, parallel, processes, sampler
from gan_cli.engine.optim import slowed
from gan_cli.engine.state import Experiment, State
from gan_cli.errors import InputError
from gan_cli.judging import reference
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.remote.mirror import Mirror
from gan_cli.runs.folder import RunFolder
from gan_cli.sampling.arrange import overview
from gan_cli.sampling.writing import Drawn
from gan_cli.training.monitor import Look, Monitor, UnwellError
from gan_cli.training.record import Record, Start, opened
from gan_cli.training.signals import StopRequest, stop_on_signals
from gan_cli.training.tracking import Tracker
from gan_cli.version import __version__

POINTS = 2000  # samples in a plot of a toy
ELSEWHERE = "a signal to another process of the job"


def nothing() -> None:
    """What a process does that is not the first one."""


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
    trained: bool = True  # False: there was nothing left to do


def train(
    prepared: build.Prepared,
    out: Path,
    store: Store,
    watcher: Watcher,
    *,
    override: bool = False,
    header: str = "",
    mirror: Mirror | None = None,
    track: Sequence[Tracker] = (),
) -> Outcome:
    """Train to the recipe's number of steps in folder `out`, going on from its newest valid checkpoint.

    `mirror`: of a run at a URL, whose working copy `out` is. `track`: who else is told of it.

    Of a job of several processes, each calls it with the same arguments; the first one reads and writes the folder.

    Nothing is written before everything has been checked. Raises InputError when the folder holds a run of another
    recipe (unless `override`), is another process's or cannot be written, StorageError when the disk is full,
    `loop.DivergedError` when a number is no longer finite, and `UnwellError` when the monitor ends the training; both
    only after the rollbacks that [monitor] allows.
    """
    processes.check_told_the_same(
        {
            "recipe": json.dumps(prepared.resolved, sort_keys=True),
            "data": prepared.source.fingerprint,
            "versions of gan-cli and JAX": f"{__version__}, {jax.__version__}",
        }
    )
    judge = prepare_metric(prepared, out, store, watcher.note)
    train = prepared.experiment.train
    run_folder = RunFolder(out)
    with ExitStack() as stack:
        record = processes.by_first(
            lambda: stack.enter_context(opened(run_folder, prepared, watcher.note, mirror, track))
        )
        start = _agree(prepared, partial(record.begin, override=override, header=header) if record else nothing)
        if 0 < train.steps <= int(start.state.step):
            best = processes.tell(record and record.checkpoints.best())
            processes.by_first(stack.close)
            step = int(start.state.step)
            return Outcome(run_folder, step, step, start.history, best, None, trained=False)
        with stop_on_signals() as request:
            try:
                outcome = _train(prepared, run_folder, record, watcher, judge, start, request)
            except (loop.DivergedError, UnwellError) as problem:  # the same in every process
                processes.by_first(partial(stack.__exit__, type(problem), problem, problem.__traceback__))
                raise
            processes.by_first(stack.close)  # nobody leaves before all is written: JAX would end the first one, too
        return outcome


def prepare_metric(
    prepared: build.Prepared, out: Path, store: Store, note: Callable[[str], None]
) -> ModelEvaluator | None:
    """What takes the metric during training, if the recipe asks for one.

    Raises InputError for all that would keep a training into `out` from beginning.
    """
    judge = _judge(prepared, store, note)
    train = prepared.experiment.train
    parallel.check_batch(train.batch, train.accumulate, prepared.experiment.game.together, jax.device_count())
    check_fitted(prepared.source)
    data = prepared.resolved["data"].get("path")
    told = replace(store, note=lambda _: None)  # where it is has been said
    if data and out.resolve().is_relative_to(told.locate(Path(data)).resolve()):
        raise InputError(f"--out {out}: lies in the data, {data}: its samples would be trained on; name another folder")
    RunFolder(out).check_own()
    return judge


def _train(
    prepared: build.Prepared,
    run_folder: RunFolder,
    record: Record | None,
    watcher: Watcher,
    judge: ModelEvaluator | None,
    start: Start,
    request: StopRequest,
) -> Outcome:
    """Train from `start`, with the rollbacks that [monitor] allows."""
    while True:
        session = _Session(prepared, run_folder, record, watcher, judge, start)
        try:
            return session.train(start.state, request)
        except (loop.DivergedError, UnwellError) as problem:
            start = _roll_back(prepared, record, problem, start.rollbacks + 1)


def _agree(prepared: build.Prepared, begin: Callable[[], Start | None]) -> Start:
    """Where the first process begins, in every process."""
    start = processes.by_first(begin)
    if start is None:
        start = Start(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), prepared.shapes), [])
    return Start(processes.tell_arrays(start.state), *processes.tell(start[1:]))


def _roll_back(prepared: build.Prepared, record: Record | None, problem: Exception, rollbacks: int) -> Start:
    """Where to go on after a problem, or the problem itself when the recipe does not ask for (more) rollbacks."""
    options = recipe.Monitor(**prepared.resolved["monitor"])
    if options.action != "rollback" or rollbacks > options.rollbacks:
        raise problem
    seed = _seed(prepared, rollbacks)
    return _agree(prepared, partial(record.roll_back, str(problem), rollbacks, seed) if record else nothing)


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
        record: Record | None,
        watcher: Watcher,
        judge: ModelEvaluator | None,
        start: Start,
    ):
        """`record`: None in all processes of a job but the first."""
        self.prepared = prepared
        self.rollbacks = start.rollbacks
        self.folder = run_folder
        self.record = record
        self.watcher = watcher
        self.judge = judge
        self.history = start.history
        self.reached = int(start.state.step)  # the last step whose numbers have been seen
        self.options = recipe.Run(**prepared.resolved["run"])
        self.best = max((line["score"] for line in self.history if "score" in line), default=None)
        experiment = prepared.experiment
        count = self.options.grid if len(experiment.spec.shape) == 3 else POINTS
        self.overview = overview(experiment, self.options.seed, count)
        self.sampler = judge.sampler if judge else sampler.Sampler(experiment, count)  # one program is enough
        self.monitor = self._monitor()
        if start.monitor is not None:
            self.monitor.remember(start.monitor)

    def _monitor(self) -> Monitor:
        options = recipe.Monitor(**self.prepared.resolved["monitor"])
        source, experiment = self.prepared.source, self.prepared.experiment
        real = source.load(order(0, source.size, 0)[: options.n])["x"]  # at random: files may be sorted by class
        inputs = sampler.draw_many(experiment, self.options.seed, options.n)
        return Monitor(options, real, lambda state: self.sampler(state.average, inputs))

    def train(self, state: State, request: StopRequest) -> Outcome:
        """Run the loop from `state`; leaves the last checkpoint on disk."""
        train, options = self.prepared.experiment.train, self.options
        every = self.prepared.resolved["eval"]["every"]
        looks = self.monitor.options.every
        cadence = loop.Cadence(options.log_every, options.sample_every, every, options.checkpoint_every, looks)
        self.watcher.start(int(state.step), train.steps, train.batch)
        tables = {**self.prepared.resolved, "run": {**self.prepared.resolved["run"], "seed": self._seed()}}
        devices = parallel.everyone()
        rows = parallel.rows(train.batch, devices)
        with closing(build.feed(tables, self.prepared.source, rows)) as feed:
            trainer = loop.Trainer(self._experiment(), feed, devices)
            hooks = self._hooks(stop=lambda: bool(request))
            try:
                state = loop.run(trainer, state, train.steps, train.steps_per_call, cadence, hooks)
            except (loop.DivergedError, UnwellError) as problem:
                self._ended(self.reached, str(problem))
                raise
            best = processes.tell(processes.by_first(self.record.finish if self.record else nothing))
        step = int(state.step)
        stopped_by = (request.signal.name if request.signal else ELSEWHERE) if step < train.steps else None
        self._ended(step, stopped_by)
        return Outcome(self.folder, step, train.steps, self.history, best, stopped_by)

    def _ended(self, step: int, stopped_by: str | None) -> None:
        if self.record:
            self.record.ended(step, stopped_by)

    def _hooks(self, stop: Callable[[], bool]) -> loop.Hooks:
        def log(step: int, means: loop.Means) -> None:
            if self.record:
                self.record.log({"step": step, **means})

        def progress(step: int, means: loop.Means) -> None:
            self.reached = step
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
        found = Look(*processes.tell(self.monitor.look(step, state)))
        if self.record:
            self.record.log({"step": step, "monitor": found.values, "alarms": list(found.alarms)})
        self.watcher.alarm(step, found.alarms)
        if found.alarms and self.monitor.options.action != "warn":
            raise UnwellError(f"{found.alarms[0]} at step {step}")

    def sample(self, step: int, state: State) -> None:
        """Draw the same latents as always, each class in a row of its own, with averaged weights."""
        samples = self.sampler(state.average, self.overview.inputs)
        if self.record:
            self.record.picture(step, Drawn(samples, sheet=self.overview.sheet))

    def evaluate(self, step: int, state: State) -> bool:
        """Take the metrics; True when this is the best so far."""
        assert self.judge is not None
        try:
            verdict = self.judge(state.average)
        except NotFiniteError as error:  # the last update did it: no loss has seen its weights
            raise loop.DivergedError(f"{error}, at step {step}") from None
        evaluator = self.judge.evaluator
        line, score = processes.tell([verdict.line(step=step), evaluator.score(verdict.values)])
        if self.record:
            self.record.judged(line)
        self.history.append({**line, "score": score})
        self.watcher.verdict(step, evaluator.headline, line[evaluator.headline])
        improved = self.best is None or score > self.best
        self.best = score if improved else self.best
        return improved and step > 0

    def save(self, step: int, state: State) -> None:
        """Start to write a checkpoint."""
        if self.record:
            self.record.save(step, state, self.history, self.rollbacks, self.monitor.memory())


def _judge(prepared: build.Prepared, store: Store, note: Callable[[str], None]) -> ModelEvaluator | None:
    """The metric during training, or None when the recipe asks for none."""
    options = recipe.Eval(**prepared.resolved["eval"])
    if not options.every:
        return None
    against = reference.of_recipe(prepared.resolved, prepared.source, None, store, training=True)
    judge = ModelEvaluator(prepared.experiment, options, against, store, prepared.resolved["run"]["seed"])
    judge.evaluator.check_chooses()
    for notice in judge.evaluator.notices:
        note(notice)
    return judge
