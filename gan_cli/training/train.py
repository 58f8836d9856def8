"""`gan train`: from a recipe and its data to a run folder, with exact resume."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli import build, datasets, recipe
from gan_cli.data.images import check_fitted
from gan_cli.data.order import order
from gan_cli.data.store import Store
from gan_cli.engine import loop, parallel, processes, sampler
from gan_cli.engine.optim import slowed
from gan_cli.engine.state import State
from gan_cli.errors import InputError
from gan_cli.judging import reference
from gan_cli.judging.given import making_ask
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.remote.mirror import Mirror
from gan_cli.runs.folder import RunFolder
from gan_cli.sampling.latents import count
from gan_cli.training.callbacks import Tracker, Watcher
from gan_cli.training.monitor import Look, Monitor, UnwellError
from gan_cli.training.record import Record, Start, opened
from gan_cli.training.shown import fixed_inputs, shown_again
from gan_cli.training.signals import StopRequest, stop_on_signals
from gan_cli.version import __version__

ELSEWHERE = "a signal to another process of the job"  # what stopped a training that this process was not asked to stop


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

    `header` is the recipe's comment, kept with it. `mirror` belongs to a run at a URL, of which `out` is the working
    copy. `track` says who else is told of the training. Each process of a job calls this with the same arguments; the
    first one reads and writes the folder.

    Nothing is written before everything has been checked. Raises InputError when the folder holds a run of another
    recipe (unless `override`), is another process's or cannot be written, StorageError when the disk is full,
    `loop.DivergedError` when a number is no longer finite, and `UnwellError` when the monitor ends the training; both
    only after the rollbacks that [monitor] allows.
    """
    processes.check_told_the_same(
        {
            "recipe": json.dumps(prepared.resolved, sort_keys=True),
            "data": prepared.fingerprint,
            "versions of gan-cli and JAX": f"{__version__}, {jax.__version__}",
        }
    )
    judge = prepare_metric(prepared, out, store, watcher.note)
    run_folder = RunFolder(out)
    with ExitStack() as stack:
        record = processes.by_first(
            lambda: stack.enter_context(opened(run_folder, prepared, watcher.note, mirror, track))
        )
        start = _agree(prepared, record, lambda record: record.begin(override=override, header=header))
        step = int(start.state.step)
        if 0 < prepared.experiment.train.steps <= step:
            best = processes.tell(record and record.checkpoints.best())
            processes.by_first(stack.close)
            return Outcome(run_folder, step, step, start.history, best, None, trained=False)
        with stop_on_signals() as request:
            try:
                outcome = _Session(prepared, run_folder, record, watcher, judge).train(start, request)
            except (loop.DivergedError, UnwellError) as problem:  # the same in every process
                processes.by_first(partial(stack.__exit__, type(problem), problem, problem.__traceback__))
                raise
            processes.by_first(stack.close)  # nobody leaves before all is written: JAX would end the first one, too
        return outcome


def prepare_metric(
    prepared: build.Prepared, out: Path, store: Store, note: Callable[[str], None]
) -> ModelEvaluator | None:
    """Return what takes the metric during training, or None when the recipe asks for none.

    Raises InputError for all that would keep a training into `out` from beginning.
    """
    judge = None
    options = recipe.Eval(**prepared.resolved["eval"])
    if options.every:
        stream = prepared.experiment.stream(making_ask(prepared.experiment, options.ask) or "")
        against = reference.of_streams(prepared.resolved, stream, prepared.sources, None, store, training=True)
        judge = ModelEvaluator(prepared.experiment, options, against, store, prepared.resolved["run"]["seed"])
        judge.evaluator.check_chooses()
        for notice in judge.evaluator.notices:
            note(notice)
    train = prepared.experiment.train
    parallel.check_batch(train.batch, train.accumulate, prepared.experiment.game.together, jax.device_count())
    for source in prepared.sources.values():
        check_fitted(source)
    quiet = replace(store, note=lambda _: None)  # the store has already said where the data are
    for data in (table.get("path") for table in datasets.data_tables(prepared.resolved["data"]).values()):
        if data and out.resolve().is_relative_to(quiet.locate(Path(data)).resolve()):
            what = f"lies in the data, {data}: its samples would be trained on; name another folder"
            raise InputError(f"--out {out}: {what}")
    RunFolder(out).check_own()
    return judge


def _agree(prepared: build.Prepared, record: Record | None, begin: Callable[[Record], Start]) -> Start:
    """Return, in every process, where the first one begins; only that one has a record."""
    start = processes.by_first(lambda: begin(record) if record else None)
    if start is None:
        start = Start(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), prepared.shapes), [])
    return Start(processes.tell_arrays(start.state), *processes.tell(start[1:]))


def _seed(prepared: build.Prepared, rollbacks: int) -> int:
    """Return the seed of the batches' order, and of a new beginning, after so many rollbacks."""
    seed: int = prepared.resolved["run"]["seed"]
    return (seed + rollbacks * 2654435769) % recipe.SEEDS  # 2^32 divided by the golden ratio: far from any neighbour


class _Session:
    """One process's share of a run: what it does at each of the loop's hooks."""

    def __init__(
        self,
        prepared: build.Prepared,
        run_folder: RunFolder,
        record: Record | None,
        watcher: Watcher,
        judge: ModelEvaluator | None,
    ):
        """`record` is None in all processes of a job but the first."""
        self.prepared = prepared
        self.folder = run_folder
        self.record = record
        self.watcher = watcher
        self.judge = judge
        self.options = recipe.Run(**prepared.resolved["run"])
        source, experiment, seed = prepared.source, prepared.experiment, self.options.seed
        options = recipe.Eval(**prepared.resolved["eval"])
        self.shown = shown_again(experiment, prepared.sources, seed, self.options.grid, paired=options.paired)
        shows_what_is_judged = judge is not None and judge.ask == next(iter(experiment.game.asks))
        if judge and shows_what_is_judged:
            self.sampler = judge.sampler  # one program is enough
        else:
            self.sampler = sampler.Sampler(experiment, count(self.shown.inputs) if self.shown else options.batch)
        rules = recipe.Monitor(**prepared.resolved["monitor"])
        real = source.load(order(0, source.size, 0)[: rules.n])["x"]  # at random: files may be sorted by class
        self.monitor = Monitor(rules, real, self._sample_for_monitor(rules.n) if self.shown else None)

    def _sample_for_monitor(self, n: int) -> Callable[[State], np.ndarray]:
        """Return what makes n samples, or results of n examples, of a state."""
        inputs = fixed_inputs(self.prepared.experiment, self.prepared.sources, self.options.seed, n)
        return lambda state: self.sampler(state.average, inputs)

    def train(self, start: Start, request: StopRequest) -> Outcome:
        """Train from `start`, with the rollbacks that [monitor] allows; leaves the last checkpoint on disk."""
        rules = self.monitor.options
        while True:
            try:
                return self._train_from(start, request)
            except (loop.DivergedError, UnwellError) as problem:
                if self.record:
                    self.record.ended(self.reached, str(problem))
                rollbacks = start.rollbacks + 1
                if rules.action != "rollback" or rollbacks > rules.rollbacks:
                    raise
                seed = _seed(self.prepared, rollbacks)
                back = partial(Record.roll_back, problem=str(problem), rollbacks=rollbacks, seed=seed)
                start = _agree(self.prepared, self.record, back)

    def _train_from(self, start: Start, request: StopRequest) -> Outcome:
        """Train from `start`; raises DivergedError or UnwellError, before anything is rolled back."""
        self.rollbacks, self.history = start.rollbacks, start.history
        self.best = max((line["score"] for line in self.history if "score" in line), default=None)
        self.reached = int(start.state.step)  # the last step whose numbers have been seen
        self.monitor.remember(start.monitor or {})
        experiment, resolved = self.prepared.experiment, self.prepared.resolved
        if start.rollbacks:
            factor = self.monitor.options.learning_rate_factor**start.rollbacks
            slow = {name: slowed(optimiser, factor) for name, optimiser in experiment.optimisers.items()}
            experiment = experiment._replace(optimisers=slow, identity="")
        train, options = experiment.train, self.options
        every, looks = resolved["eval"]["every"], self.monitor.options.every
        cadence = loop.Cadence(options.log_every, options.sample_every, every, options.checkpoint_every, looks)
        hooks = loop.Hooks(
            self.progress, self.log, self.sample, self.evaluate, self.save, lambda: bool(request), self.look
        )
        self.watcher.start(self.reached, train.steps, train.batch)
        tables = {**resolved, "run": {**resolved["run"], "seed": _seed(self.prepared, start.rollbacks)}}
        devices = parallel.everyone()
        with closing(datasets.feed(tables, self.prepared.sources, parallel.rows(train.batch, devices))) as feed:
            trainer = loop.Trainer(experiment, feed, devices)
            state = loop.run(trainer, start.state, train.steps, train.steps_per_call, cadence, hooks)
            best = processes.tell(processes.by_first(lambda: self.record.finish() if self.record else None))
        step = int(state.step)
        stopped_by = (request.signal.name if request.signal else ELSEWHERE) if step < train.steps else None
        if self.record:
            self.record.ended(step, stopped_by)
        return Outcome(self.folder, step, train.steps, self.history, best, stopped_by)

    def progress(self, step: int, means: loop.Means) -> None:
        """Take in the numbers of a call."""
        self.reached = step
        self.monitor.observe(means)
        self.watcher.progress(step, means)

    def log(self, step: int, means: loop.Means) -> None:
        """Write what the turns reported."""
        if self.record:
            self.record.log({"step": step, **means})

    def look(self, step: int, state: State) -> None:
        """Let the monitor look; raises UnwellError when it finds something wrong and the recipe says not to go on."""
        found = Look(*processes.tell(self.monitor.look(step, state)))
        if self.record:
            self.record.log({"step": step, "monitor": found.values, "alarms": list(found.alarms)})
        self.watcher.alarm(step, found.alarms)
        if found.alarms and self.monitor.options.action != "warn":
            raise UnwellError(f"{found.alarms[0]} at step {step}")

    def sample(self, step: int, state: State) -> None:
        """Show what the averaged weights make of the same latents, or of the same examples, as always."""
        if self.shown:
            samples = self.sampler(state.average, self.shown.inputs)
            if self.record:
                self.record.picture(step, self.shown.drawn(samples))

    def evaluate(self, step: int, state: State) -> bool:
        """Take the metrics; True when this is the best so far. Raises DivergedError where samples are not finite."""
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
