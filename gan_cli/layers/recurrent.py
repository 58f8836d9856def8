"""Recurrent cells, unrolled over time by `lax.scan`."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from gan_cli.layers import layers
from gan_cli.types import Array


class GRU(nnx.Module):
    """A gated recurrent unit, https://arxiv.org/abs/1406.1078: h = (1 - u) n + u h, from a state of zeros.

    The reset gate acts on the state's product, as in cuDNN. Kernels are scaled as in `layers.Linear`.
    """

    def __init__(self, inputs: int, features: int, rngs: nnx.Rngs):
        self.seen = layers.Linear(inputs, 3 * features, rngs)
        self.kept = layers.Linear(features, 3 * features, rngs)
        self.features = features

    def __call__(self, x: Array) -> Array:
        """x [B, T, I] -> the state after each time, [B, T, F]."""
        seen = self.seen(x).swapaxes(0, 1)  # [T, B, 3 F]: of all times at once

        def advance(state: Array, now: Array) -> tuple[Array, Array]:
            (r, u, n), (r_h, u_h, n_h) = (jnp.split(part, 3, axis=-1) for part in (now, self.kept(state)))
            update = jax.nn.sigmoid(u + u_h)
            new = jnp.tanh(n + jax.nn.sigmoid(r + r_h) * n_h)
            state = (1 - update) * new + update * state
            return state, state

        _, states = lax.scan(advance, jnp.zeros((len(x), self.features), seen.dtype), seen)
        return states.swapaxes(0, 1)
