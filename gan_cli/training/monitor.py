"""The collapse monitor: looks at a training now and then, and says what is wrong with it.

It sees what the turns report (losses, norms of updates, shares of dead gradients, D's accuracy), and how far fakes are
from each other compared with reals. Distances are between the values themselves, pixels or coordinates: that works for
any data and needs no network to be trusted; samples that are all alike are close in any space.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple

import numpy as np

from gan_cli.engine.checkpoint import Memory
from gan_cli.engine.loop import Means
from gan_cli.engine.state import State
from gan_cli.recipe import Monitor as Options

MEMORY = 50  # a median is taken over the numbers of so many calls
ENOUGH = 10  # the fewest numbers that a median is taken of
LEAST = {"loss": 1e-2, "update_norm": 1e-6}  # number watched for explosions -> the least value its median counts as


class UnwellError(Exception):
    """The monitor stops the training; the message says why and when."""


class Look(NamedTuple):
    """What one look at a training found."""

    values: dict[str, float]  # "diversity", "accuracy", "dead/generator"
    alarms: tuple[str, ...]  # one sentence each; none when all is well


class Monitor:
    """Gathers what the turns report between two looks, and applies the rules of [monitor] at each."""

    def __init__(self, options: Options, real: np.ndarray, sample: Callable[[State], np.ndarray] | None):
        """`real` are examples [n, ...] as they are stored; `sample` draws as many such fakes from a state.

        `sample`: None where there are no fakes whose distances mean anything.
        """
        self.options = options
        self._spread = mean_distance(real) if sample else 0.0
        self._sample = sample
        self._past: dict[str, deque[float]] = {}
        self._sums: dict[str, tuple[float, int]] = {}  # name -> sum over the calls since the last look, and their count
        self._exploded: dict[str, float] = {}  # name -> the largest multiple of its median since the last look

    def observe(self, means: Means) -> None:
        """Take in the numbers of a call."""
        for name, value in means.items():
            total, calls = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, calls + 1)
            kind = name.rpartition("/")[2]
            if kind not in LEAST:
                continue
            past = self._past.setdefault(name, deque(maxlen=MEMORY))
            if len(past) >= ENOUGH:
                times = abs(value) / max(median(map(abs, past)), LEAST[kind])
                self._exploded[name] = max(times, self._exploded.get(name, 0.0))
            past.append(value)

    def memory(self) -> Memory:
        """Return what it has gathered so far, for a checkpoint: plain JSON, which later calls do not change."""
        past = {name: list(values) for name, values in self._past.items()}
        return {"past": past, "sums": dict(self._sums), "exploded": dict(self._exploded)}

    def remember(self, memory: Memory) -> None:
        """Go on from what a monitor had gathered, as its `memory` returned it; from nothing with {}."""
        self._past = {name: deque(values, maxlen=MEMORY) for name, values in memory.get("past", {}).items()}
        self._sums = {name: (total, calls) for name, (total, calls) in memory.get("sums", {}).items()}
        self._exploded = dict(memory.get("exploded", {}))

    def look(self, step: int, state: State) -> Look:
        """Measure and judge the training after `step` steps, and begin to gather anew.

        There are no alarms before the steps of grace are over.
        """
        means = {name: total / calls for name, (total, calls) in self._sums.items()}
        values = {}
        if self._sample and self._spread:
            values["diversity"] = mean_distance(self._sample(state)) / self._spread
        for kind in ("accuracy", "dead"):  # "discriminator/accuracy" -> "accuracy/discriminator"
            own = {name.partition("/")[0]: value for name, value in means.items() if name.endswith(f"/{kind}")}
            values |= {f"{kind}/{turn}": value for turn, value in own.items()}
        values |= {f"times_median/{name}": times for name, times in self._exploded.items()}
        self._sums, self._exploded = {}, {}
        alarms = () if step < self.options.grace else tuple(judge(self.options, values))
        return Look(values, alarms)


def judge(options: Options, values: Mapping[str, float]) -> list[str]:
    """Return what is wrong by the thresholds of [monitor], one sentence each."""
    found = []
    diversity = values.get("diversity", math.inf)  # inf: the reals are all alike
    if not diversity >= options.least_diversity:  # or not a number
        found.append(f"collapse: fakes differ from each other {diversity:.3f} times as much as reals do")
    for name, value in values.items():
        kind, _, where = name.partition("/")
        if kind == "accuracy" and value > options.most_accuracy:
            found.append(f"the {where} has won: it tells {value:.2%} of real and fake pairs apart")
        if kind == "dead" and value > options.most_dead:
            found.append(f"dead gradients: {value:.1%} of the {where}'s are nil")
        if kind == "times_median" and value > options.explosion:
            found.append(f"explosion: {where} is {value:.0f} times its median")
    return found


def mean_distance(x: np.ndarray) -> float:
    """Mean Euclidean distance between different examples of x [n, ...]; 0 for a single one, and for numbers of words.

    Those are names (int32), and have no distance.
    """
    if len(x) < 2 or x.dtype == np.int32:
        return 0.0
    flat = x.reshape(len(x), -1).astype(np.float64)
    squares = (flat**2).sum(axis=1)
    distances = np.sqrt((squares[:, None] + squares - 2 * flat @ flat.T).clip(0))
    return float(distances.sum() / (len(x) * (len(x) - 1)))
