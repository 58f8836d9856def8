"""What networks demand of their ports, and how a label enters them.

A label stands beside the input (`Beside`) or enters as an inner product with the features (`Projection`). The third
way is in `norms.py`: each label has its own scales and shifts.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.types import Array, Ports, Shape

Init = nnx.initializers.Initializer
UNIT = nnx.initializers.normal(1.0)  # for embeddings: they are spread like a normal latent


def require_condition(ports: Ports, net: str, condition: str, ways: Sequence[str]) -> None:
    """Raise InputError unless a network says how a label enters exactly when the game gives it one.

    `condition` is its option of that name, `ways` the values it can have besides "none".
    """
    if ports.classes and condition == "none":
        quoted = [f'"{way}"' for way in ways]
        listed = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
        raise InputError(
            f'net = "{net}": the game gives it a label of {ports.classes} classes; set condition = {listed}'
        )
    if not ports.classes and condition != "none":
        raise InputError(
            f'net = "{net}": condition = "{condition}" says how a label enters, and this game gives it none; '
            'remove it, or take a game that does (play = "standard" with conditional = true)'
        )


def require_vector(shape: Shape, net: str, end: str) -> int:
    """The length of a vector port; raises InputError for any other shape. `end` is "input" or "output"."""
    if len(shape) != 1:
        raise InputError(f'net = "{net}" has a vector at its {end}, not an array of shape {shape}')
    return shape[0]


def require_image(shape: Shape, net: str, end: str) -> tuple[int, int, int]:
    """The (H, W, C) of an image port; raises InputError for any other shape. `end` is "input" or "output"."""
    if len(shape) != 3:
        raise InputError(f'net = "{net}" has images (height, width, channels) at its {end}, not data of shape {shape}')
    return shape[0], shape[1], shape[2]


class Beside(nnx.Module):
    """Appends the label to an input: one-hot (https://arxiv.org/abs/1411.1784), or as learnt numbers of its own.

    A vector becomes longer by as many numbers. A map in the inner layout has more channels: one-hot, a constant one for
    each class; learnt, a single one, of which each label has its own.
    """

    def __init__(self, classes: int, rngs: nnx.Rngs, embedding: int = 0, side: tuple[int, int] = (0, 0)):
        """`embedding`: learnt numbers beside a vector; `side`: height, width of a learnt channel; both 0: one-hot."""
        learnt = embedding or math.prod(side)
        self.embed = layers.Linear(classes, learnt, rngs, bias=False, init=UNIT) if learnt else None
        self.classes = classes
        self.side = side
        self.size = embedding or (1 if learnt else classes)  # numbers or channels that it appends

    def __call__(self, x: Array, y: Array | None) -> Array:
        """x [B, F] or a map of C channels, y int32 [B] -> x with `size` more numbers or channels."""
        assert y is not None  # `require_condition` has seen to it that the game gives one
        own = jax.nn.one_hot(y, self.classes, dtype=x.dtype)
        own = own if self.embed is None else self.embed(own).astype(x.dtype)  # [B, E]
        where = layers.axes(x)
        if where.space and self.embed is not None:
            own = layers.enter(own.reshape(-1, *self.side, 1))
        elif where.space:
            own = layers.planes(own, x)
        return jnp.concatenate([x, own], axis=where.channel)


def beside(
    condition: str, classes: int, rngs: nnx.Rngs, *, embedding: int = 0, side: tuple[int, int] = (0, 0)
) -> Beside | None:
    """The layer for `condition` = "concatenate" or "embedding", of which the latter takes `embedding` or `side`.

    Returns None for any other condition.
    """
    if condition == "concatenate":
        return Beside(classes, rngs)
    return Beside(classes, rngs, embedding, side) if condition == "embedding" else None


class Projection(nnx.Module):
    """The label's share of a score: the inner product of the features with a vector of each label's own.

    https://arxiv.org/abs/1802.05637, equation 3.
    """

    def __init__(self, classes: int, features: int, rngs: nnx.Rngs, init: Init, *, spectral: bool):
        self.embed = layers.Linear(classes, features, rngs, bias=False, spectral=spectral, init=init)
        self.classes = classes

    def __call__(self, features: Array, y: Array | None) -> Array:
        """Features [B, F], y int32 [B] -> [B, 1]."""
        assert y is not None  # `require_condition` has seen to it that the game gives one
        own = self.embed(jax.nn.one_hot(y, self.classes, dtype=features.dtype))  # [B, F]
        return jnp.sum(own * features, axis=1, keepdims=True)
