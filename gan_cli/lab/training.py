"""Training for demonstrations: the shipped engine on a small experiment, and its networks afterwards."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli.data import pipeline
from gan_cli.data.source import Source
from gan_cli.engine.loop import Means
from gan_cli.engine.seeds import train_seeds
from gan_cli.engine.state import Experiment, State
from gan_cli.games.networks import Nets
from gan_cli.lab import Note

Network = Callable[[np.ndarray], np.ndarray]  # points float [N, ...] -> its outputs, float64 [N, ...]


class Trained(NamedTuple):
    """An experiment after its last step."""

    experiment: Experiment
    states: list[State]  # of each seed
    seconds: float  # for all steps of all seeds together, compilation left out

    def nets(self, i: int, *, averaged: bool = False) -> Nets:
        """The networks with the weights of the i-th seed, or with their moving average."""
        state = self.states[i]
        return Nets(self.experiment.definitions, state.average if averaged else state.variables)

    def network(self, i: int, role: str, *, averaged: bool = False) -> Network:
        """A network with the weights of the i-th seed, or with their moving average, as a function on the host."""
        nets = self.nets(i, averaged=averaged)
        run = jax.jit(lambda x: nets.frozen(role)(x)[0])
        return lambda x: np.asarray(run(jnp.asarray(x, jnp.float32)), float)


def train(
    name: str,
    experiment: Experiment,
    source: Source,
    seeds: Sequence[int],
    note: Note,
    progress: Callable[[int, Means], None] = lambda _step, _means: None,
) -> Trained:
    """Train the experiment once a seed, all seeds in one program; `note` is told of seeds that diverge.

    progress: called with a step and the means of its call's metrics over the seeds.
    """
    steps, batch = experiment.train.steps, experiment.train.batch
    note(f"{name}: {steps} steps, {len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}")
    feeds = [pipeline.pipeline(source, batch=batch, seed=seed) for seed in seeds]
    outcome = train_seeds(experiment, feeds, seeds, jax.local_devices()[:1], progress)  # small: one device will do
    for seed, lost in outcome.diverged.items():
        note(f"WARNING: {name}, seed {seed}: numbers are no longer finite after {lost} steps")
    return Trained(experiment, outcome.states, outcome.seconds)
