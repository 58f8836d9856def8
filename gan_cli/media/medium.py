"""What a medium is: how its examples are stored, how games see them, and how people do."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from gan_cli.types import Array, Spec

Tile = Callable[[np.ndarray, Spec], np.ndarray]
"""Examples as stored [N, ...] -> a picture of each, uint8 [N, h, w, c], all on one scale."""

Writer = Callable[[np.ndarray, Spec, float], bytes]
"""Examples as stored [N, ...], their spec, frames a second (0: the data's own rate) -> all of them as one file."""


class Medium(NamedTuple):
    """What examples of one kind have in common."""

    axes: tuple[str, ...]  # what the numbers of a shape count: ("height", "width", "channels")
    many: str  # what examples are called in messages: "images"
    dtype: str  # of an example's numbers as they are stored: "uint8", "float32", "int32"
    decode: Callable[[Array], Array]  # as stored [B, ...] -> as games see them; jittable
    encode: Callable[[Array], Array]  # as games make them [B, ...] -> as stored; jittable
    tile: Tile | None  # None: they are seen together, in a plot
    files: Mapping[str, Writer] = {}  # by suffix, beside .png and .npz; the first is that of a folder's files
    overview: int = 0  # examples in a training's picture, at most; 0: as many as [run] grid says
    features: str = "points"  # the feature network that judges them: their numbers; "": whichever [eval] names
    unlike: str = ""  # why distances between their numbers mean nothing; empty: they mean something

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


def clipped(x: Array) -> Array:
    """The `encode` of numbers that are kept in [-1, 1]."""
    return x.clip(-1, 1)
