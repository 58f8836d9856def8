"""Chance inside a network that is the same on any number of devices, and in any batch: each example has its own."""

import jax
import jax.numpy as jnp
from flax import nnx

from gan_cli.layers.layout import enter, leave
from gan_cli.types import Array


class Seeds(nnx.RngState):
    """A seed for each example of a call, uint32 [B]: `self.seeds = Seeds(jnp.zeros(1, jnp.uint32))`.

    `Nets` sets them to those that the game gives the call; they are no part of the weights.
    """


class Dropout(nnx.Module):
    """Sets a share of the values to 0 and divides the others by what is left, in training and in sampling alike.

    https://arxiv.org/abs/1207.0580, as https://arxiv.org/abs/1611.07004, section 3, has it for noise.
    """

    def __init__(self, rate: float, number: int):
        """`rate`: the share, in [0, 1). `number`: that of the layer in its network; two of one number drop the same."""
        self.rate, self.number = rate, number
        self.seeds = Seeds(jnp.zeros(1, jnp.uint32))

    def __call__(self, h: Array) -> Array:
        """A map in the inner layout, or vectors [B, F] -> the same with zeros."""
        keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), self.number))(self.seeds[...])
        shape = h.shape[1:] if h.ndim == 2 else jax.eval_shape(leave, h).shape[1:]
        kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - self.rate, shape))(keys).astype(h.dtype)
        return h * (kept if h.ndim == 2 else enter(kept)).astype(h.dtype) / (1 - self.rate)
