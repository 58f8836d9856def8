"""Samples from averaged weights: image i is a pure function of (seed, i), whatever the batch size."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from gan_cli.engine.state import Experiment
from gan_cli.games.game import Nets, Variables
from gan_cli.nets.layers import formulation
from gan_cli.types import Array


def draw(experiment: Experiment, seeds: Sequence[int]) -> dict[str, Array]:
    """The game's own inputs for one sample a seed: leaves [n, ...]."""
    return _draw(experiment, jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32)))


def draw_many(experiment: Experiment, seed: int, n: int) -> dict[str, Array]:
    """Inputs of n samples of one seed; sample i does not depend on n: leaves [n, ...]."""
    return _draw(
        experiment, jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(jnp.arange(n, dtype=jnp.uint32))
    )


def _draw(experiment: Experiment, keys: Array) -> dict[str, Array]:
    return jax.jit(jax.vmap(lambda key: jax.tree.map(lambda x: x[0], experiment.game.draw(key, 1))))(keys)


def truncate(z: Array, threshold: float) -> Array:
    """Normal z -> truncated to [-threshold, threshold], each z to the same quantile of the truncated normal.

    https://arxiv.org/abs/1809.11096, section 3.1, without rejection: the same seed stays the same picture.
    """
    low = norm.cdf(-threshold)
    return jnp.clip(norm.ppf(low + norm.cdf(z) * (1 - 2 * low)), -threshold, threshold)


class Sampler:
    """`game.sample` compiled once for one batch size; a shorter last batch is padded, never recompiled."""

    def __init__(self, experiment: Experiment, batch: int):
        self.batch = batch

        def sample(variables: Mapping[str, Variables], inputs: Mapping[str, Array]) -> Mapping[str, Array]:
            with formulation(experiment.train.convolutions):
                nets = Nets(experiment.definitions, variables, dtype=jnp.dtype(experiment.train.precision))
                return experiment.game.sample(nets, inputs)

        self._sample = jax.jit(sample)

    def batches(self, variables: Mapping[str, Variables], inputs: Mapping[str, Array]) -> Iterator[Array]:
        """Samples float32 [b, ...] on the device, b = batch but for the last; images are in [-1, 1]."""
        n = len(next(iter(inputs.values())))
        for start in range(0, n, self.batch):
            part = {name: _padded(x[start : start + self.batch], self.batch) for name, x in inputs.items()}
            yield self._sample(variables, part)["sample"][: n - start]

    def __call__(self, variables: Mapping[str, Variables], inputs: Mapping[str, Array]) -> np.ndarray:
        """All samples on the host: float32 [n, ...]."""
        made = list(self.batches(variables, inputs))  # dispatched without waiting for each other
        return np.concatenate(jax.device_get(made))


def _padded(x: Any, size: int) -> Any:
    return x if len(x) == size else jnp.concatenate([x, jnp.repeat(x[-1:], size - len(x), axis=0)])
