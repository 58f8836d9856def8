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
from gan_cli.games.game import Nets
from gan_cli.lab.demonstration import Note

Network = Callable[[np.ndarray], np.ndarray]  # points float [N, ...] -> its outputs, float64 [N, ...]


class Trained(NamedTuple):
    """An experiment after its last step."""

    experiment: Experiment
    states: list[State]  # of each seed
    seconds: float  # of all steps of all seeds together, compilation left out

    def nets(self, i: int) -> Nets:
        """The networks with the weights of the i-th seed."""
        return Nets(self.experiment.definitions, self.states[i].variables)

    def network(self, i: int, role: str) -> Network:
        """A network with the weights of the i-th seed, as a function on the host."""
        return _on_host(self.nets(i), role)

    def averaged(self, i: int, role: str) -> Network:
        """A network with the moving average of the i-th seed's weights, as a function on the host."""
        return _on_host(Nets(self.experiment.definitions, self.states[i].average), role)


def _on_host(nets: Nets, role: str) -> Network:
    run = jax.jit(lambda x: nets.frozen(role)(x)[0])
    return lambda x: np.asarray(run(jnp.asarray(x, jnp.float32)), float)


def unwatched(step: int, means: Means) -> None:
    """The progress that nobody looks at."""


def train(
    name: str,
    experiment: Experiment,
    source: Source,
    seeds: Sequence[int],
    note: Note,
    progress: Callable[[int, Means], None] = unwatched,
) -> Trained:
    """Train the experiment once a seed, all seeds in one program; `note` is told of seeds that diverge."""
    steps, batch = experiment.train.steps, experiment.train.batch
    note(f"{name}: {steps} steps, {len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}")
    feeds = [pipeline.pipeline(source, batch=batch, seed=seed) for seed in seeds]
    outcome = train_seeds(experiment, feeds, seeds, jax.local_devices()[:1], progress)  # small: one device will do
    for seed, lost in outcome.diverged.items():
        note(f"WARNING: {name}, seed {seed}: numbers are no longer finite after {lost} steps")
    return Trained(experiment, outcome.states, outcome.seconds)
