"""What a medium is: how its examples are stored, and how games see them."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from gan_cli.types import Array


class Medium(NamedTuple):
    """What examples of one kind have in common."""

    axes: tuple[str, ...]  # what the numbers of a shape count: ("height", "width", "channels")
    many: str  # what examples are called in messages: "images"
    dtype: str  # of an example's numbers as they are stored: "uint8", "float32", "int32"
    decode: Callable[[Array], Array]  # as stored [B, ...] -> as games see them; jittable
    encode: Callable[[Array], Array]  # as games make them [B, ...] -> as stored; jittable

    @property
    def itemsize(self) -> int:
        """Bytes of a number as stored."""
        return jnp.dtype(self.dtype).itemsize


def from_levels(x: Array) -> Array:
    """Levels uint8 -> float32 in [-1, 1]; float32, which is in [-1, 1] already, as it is."""
    return (x.astype(jnp.float32) - 127.5) / 127.5 if x.dtype == jnp.uint8 else x


def to_levels(x: Array) -> Array:
    """Float in [-1, 1] -> uint8, rounded to the nearest level."""
    return jnp.round((x.astype(jnp.float32).clip(-1, 1) + 1) * 127.5).astype(jnp.uint8)


def unchanged(x: Array) -> Array:
    """The `decode` and `encode` of numbers that are stored as games see them."""
    return x
