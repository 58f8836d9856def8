"""How a label enters a network: beside its input, or as an inner product with its features.

A third way is in `norms.py`: scales and shifts of each label's own.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from gan_cli.layers import layers
from gan_cli.types import Array

Init = nnx.initializers.Initializer
UNIT = nnx.initializers.normal(1.0)  # of an embedding: as wide as a normal latent


class Beside(nnx.Module):
    """Appends the label to an input: one-hot (https://arxiv.org/abs/1411.1784), or as learnt numbers of its own.

    A vector becomes longer by as many numbers. A map in the inner layout has more channels: one-hot, a constant one for
    each class; learnt, a single one, of which each label has its own.
    """

    def __init__(self, classes: int, rngs: nnx.Rngs, embedding: int = 0, side: tuple[int, int] = (0, 0)):
        """`embedding`: learnt numbers beside a vector; `side`: height and width of a learnt channel; 0: one-hot."""
        learnt = embedding or math.prod(side)
        self.embed = layers.Linear(classes, learnt, rngs, bias=False, init=UNIT) if learnt else None
        self.classes = classes
        self.side = side
        self.size = embedding or (1 if learnt else classes)  # numbers or channels that it appends

    def __call__(self, x: Array, y: Array | None) -> Array:
        """x [B, F] or a map of C channels, y int32 [B] -> x with `size` more numbers or channels."""
        own = _one_hot(y, self.classes, x)
        own = own if self.embed is None else self.embed(own).astype(x.dtype)  # [B, E]
        where = layers.axes(x)
        if where.space and self.embed is not None:
            own = layers.enter(own.reshape(-1, *self.side, 1))
        elif where.space:
            own = layers.planes(own, x)
        return jnp.concatenate([x, own], axis=where.channel)


def beside_vector(condition: str, classes: int, rngs: nnx.Rngs, embedding: int) -> Beside | None:
    """The layer for `condition` = "concatenate" or "embedding"; None for any other."""
    if condition == "concatenate":
        return Beside(classes, rngs)
    return Beside(classes, rngs, embedding) if condition == "embedding" else None


def beside_image(condition: str, classes: int, rngs: nnx.Rngs, height: int, width: int) -> Beside | None:
    """The layer for `condition` = "concatenate" or "embedding"; None for any other."""
    if condition == "concatenate":
        return Beside(classes, rngs)
    return Beside(classes, rngs, side=(height, width)) if condition == "embedding" else None


class Projection(nnx.Module):
    """The label's share of a score: the inner product of the features with a vector of each label's own.

    https://arxiv.org/abs/1802.05637, equation 3.
    """

    def __init__(self, classes: int, features: int, rngs: nnx.Rngs, init: Init, *, spectral: bool):
        self.embed = layers.Linear(classes, features, rngs, bias=False, spectral=spectral, init=init)
        self.classes = classes

    def __call__(self, features: Array, y: Array | None) -> Array:
        """Features [B, F], y int32 [B] -> [B, 1]."""
        own = self.embed(_one_hot(y, self.classes, features))  # [B, F]
        return jnp.sum(own * features, axis=1, keepdims=True)


def _one_hot(y: Array | None, classes: int, like: Array) -> Array:
    assert y is not None  # `require_condition` has seen to it that the game gives one
    return jax.nn.one_hot(y, classes, dtype=like.dtype)
