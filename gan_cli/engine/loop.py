"""The training loop: calls of the compiled step, and what is due between them.

The loop knows when; `Hooks` know what. It never waits for the device except where something has to be looked at.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from gan_cli.engine import health, kept, parallel
from gan_cli.engine.state import Experiment, State, unflat
from gan_cli.engine.step import Sums, make_steps
from gan_cli.types import Array, Batch

Means = dict[str, float]  # "generator/loss" -> mean over the steps since the last report


class Feed(Protocol):
    """Data as the loop wants them (see `data/pipeline.py`): a batch is a pure function of (seed, step)."""

    @property
    def constants(self) -> Mapping[str, np.ndarray]:
        """Put on every device once."""
        ...

    def feed(self, start: int, n: int) -> Mapping[str, np.ndarray]:
        """The input of steps start .. start + n - 1: leaves [n, B, ...], B being this process's part of a batch."""
        ...

    def take(self, constants: Any, feed: Any) -> Batch:
        """One step's slice of the feed -> the batch; runs inside the compiled step."""
        ...


class DivergedError(Exception):
    """A loss, a gradient or a weight is no longer a finite number; the message says which and when."""


class Cadence(NamedTuple):
    """When something is due, in steps; 0 is never."""

    log: int
    sample: int
    evaluate: int
    checkpoint: int
    monitor: int = 0

    def next(self, step: int, end: int) -> int:
        """The first step after `step` at which anything is due."""
        return min([end, *(step - step % every + every for every in self if every)])


class Hooks(NamedTuple):
    """The functions that the loop calls when they are due; each is given the number of steps done."""

    progress: Callable[[int, Means], None]  # after every call, as its numbers arrive
    log: Callable[[int, Means], None]
    sample: Callable[[int, State], None]
    evaluate: Callable[[int, State], bool]  # True: the best so far, worth a checkpoint
    save: Callable[[int, State], None]
    stop: Callable[[], bool]  # True: save and leave at once
    look: Callable[[int, State], None] = lambda _step, _state: None  # the monitor's; may raise to end the training


class Trainer:
    """The compiled steps of an experiment over devices, those of other processes too, with its data in place."""

    def __init__(self, experiment: Experiment, feed: Feed, devices: Sequence[jax.Device]):
        train = experiment.train
        self.experiment = experiment
        parallel.check_batch(train.batch, train.accumulate, experiment.game.together, len(devices))
        self._feed = feed
        self._devices = devices
        self._per_call = train.steps_per_call
        self._constants = parallel.replicate(dict(feed.constants), devices)
        whole = parallel.whole_calls(self._per_call, devices)
        self._steps: Any = parallel.over_devices(make_steps(experiment, feed.take), devices, whole)
        if experiment.identity and len(devices) == jax.process_count() == 1 and not whole:
            about = ("steps", experiment.identity, type(feed).__qualname__)
            self._steps = kept.program(self._steps, about, donate=(0,), result=_state_and_sums)
        # Queued collectives of several CPU devices can starve each other: there, one call at a time.
        self.in_flight = 0 if len(devices) > 1 and devices[0].platform == "cpu" else 1
        self.alone = len(parallel.here(devices)) == len(devices)
        self._anyone = parallel.anyone(devices)
        self._read: dict[tuple[int, int], Any] = {}  # (step, n) -> the arguments of a call that has not been made yet

    def place(self, state: State) -> State:
        """A new or restored state, where the first call wants it."""
        return parallel.replicate(state, self._devices)

    def advance(self, state: State, step: int, n: int) -> tuple[State, Sums]:
        """Do steps step .. step + n - 1 (n <= steps_per_call) in one call; `state` is given up.

        Does not wait for it, unless no call may be in flight beside another.
        """
        arguments = self._read.pop((step, n), None) or self._arguments(step, n)
        done = self._steps(state, *arguments)
        return done if self.in_flight else jax.block_until_ready(done)

    def _arguments(self, step: int, n: int) -> tuple[Any, ...]:
        """What a call is given besides the state."""
        feed = parallel.padded(dict(self._feed.feed(step, n)), self._per_call)
        own = len(parallel.here(self._devices))
        return self._constants, parallel.split(feed, own), np.int32(n)

    def compile(self, state: State, step: int, n: int) -> Any:
        """Trace and compile the steps for a call of `advance`, which is not made and finds them there."""
        arguments = self._read[step, n] = self._arguments(step, n)
        return self._steps.lower(state, *arguments).compile()

    @contextmanager
    def compiling(self, state: State, step: int, n: int) -> Iterator[None]:
        """Trace and compile the steps beside the block, on a CPU, as `compile` does.

        Accelerators' compilers time what they choose from, and other work would disturb them; nor do the processes of
        a job leave the order in which they work to threads: there, the call itself compiles.
        """
        if self._devices[0].platform != "cpu" or not self.alone:
            yield
            return

        def compile_steps() -> None:
            with suppress(Exception):  # the call will raise it again
                self.compile(state, step, n)

        thread = Thread(target=compile_steps)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def asked(self, here: bool) -> Array | bool:
        """Whether a process of the job has been asked to stop, of which all must know at the same step; does not wait.

        here: whether this one has.
        """
        return here if self.alone else self._anyone(here)


def _state_and_sums(leaves: Mapping[str, Array], state: State, *_rest: Any) -> tuple[State, Sums]:
    """The result of the steps from its leaves by name; the new state is a tree like the one that was given up."""
    new: State = unflat({path[2:]: x for path, x in leaves.items() if path.startswith("0.")}, state)
    sums: Sums = {}
    for path, x in leaves.items():
        result, _, name = path.partition(".")
        turn, _, scalar = name.rpartition(".")
        if result == "1":
            sums.setdefault(turn, {})[scalar] = x
    return new, sums


def run(trainer: Trainer, state: State, steps: int, steps_per_call: int, cadence: Cadence, hooks: Hooks) -> State:
    """Train to `steps` steps, or until told to stop; returns the last state, which has been saved.

    Raises DivergedError when a loss, a gradient or a weight is not finite; the state it came from is not saved.
    """
    step, state = int(state.step), trainer.place(state)
    pending: deque[tuple[int, int, Sums, Array | bool]] = deque()
    total: Any = None  # sums over the steps since the last line of the log
    stopping = False

    def drain(keep: int = 0) -> None:
        """Look at the numbers of all calls but the last `keep`; waits for the device to have them."""
        nonlocal stopping, total
        while len(pending) > keep:
            at, n, sums, asked = pending.popleft()
            host = jax.device_get(sums)
            stopping |= bool(asked)
            _check_finite(trainer.experiment, host, at - n)
            total = host if total is None else jax.tree.map(np.add, total, host)
            hooks.progress(at, means(host))
            if at % cadence.log == 0 or at == steps:
                hooks.log(at, means(total))
                total = None

    if step == 0 < steps and (cadence.sample or cadence.evaluate):
        with trainer.compiling(state, 0, min(steps_per_call, cadence.next(0, steps))):
            if cadence.sample:
                hooks.sample(0, state)
            if cadence.evaluate:
                hooks.evaluate(0, state)
    saved = step
    while step < steps and not stopping and not (trainer.alone and hooks.stop()):
        n = min(steps_per_call, cadence.next(step, steps) - step)
        state, sums = trainer.advance(state, step, n)
        step += n
        pending.append((step, n, sums, trainer.asked(hooks.stop())))
        drain(keep=trainer.in_flight)
        sample, evaluate, checkpoint, look = (is_due(step, steps, every) for every in cadence[1:])
        if sample or evaluate or checkpoint or look:
            drain()
        if look:
            hooks.look(step, state)  # before anything is saved
        if sample:
            hooks.sample(step, state)
        if evaluate:
            checkpoint |= hooks.evaluate(step, state)
        if checkpoint:
            hooks.save(step, state)
            saved = step
    drain()
    if saved != step:
        hooks.save(step, state)
    return state


def is_due(step: int, end: int, every: int) -> bool:
    """Whether something is due after `step` steps of `end`: at each multiple of `every` > 0 and at the end."""
    return every > 0 and (step % every == 0 or step == end)


def _check_finite(experiment: Experiment, sums: Mapping[str, Mapping[str, Any]], before: int) -> None:
    """Raise DivergedError where the numbers of a call, which began after `before` steps, are not all finite."""
    if found := health.first(sums):
        i, turn, place = found
        where = health.describe(experiment, turn, place)
        raise DivergedError(f"{where} is no longer finite, at step {before + i + 1}")
    for turn, scalars in sums.items():
        for name, value in scalars.items():
            if not math.isfinite(value):
                raise DivergedError(f"{turn}/{name} is {value}, after step {before}")


def means(sums: Mapping[str, Mapping[str, Any]]) -> Means:
    """Sums over steps -> means over the steps in which each turn ran, by name; a turn that never ran is left out."""
    return {
        f"{turn}/{name}": float(value / scalars["count"])
        for turn, scalars in sums.items()
        if scalars["count"]
        for name, value in scalars.items()
        if name not in ("count", health.BAD)
    }
