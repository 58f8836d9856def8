"""What a feature network is, and the kind of those that are shipped."""

from collections.abc import Callable
from typing import NamedTuple

from gan_cli.binding import kind
from gan_cli.types import Array, Spec


class Features(NamedTuple):
    """A fixed network from images to feature vectors, and what a number computed with it must state."""

    name: str
    hash: str  # SHA-256 of the weights file, hexadecimal; numbers from different hashes cannot be compared
    dim: int  # length of a feature vector; 0: that of its input
    classes: tuple[str, ...]  # names of the classes of its "logits", in their order; empty: it has none
    protocol: str  # in words: what is done to an image before the network sees it

    apply: Callable[[Array], dict[str, Array]]
    """images [B, H, W, C] in [-1, 1], or vectors [B, D] -> {"features": [B, dim], "logits": [B, classes]}, all float32.

    Pure and jittable, for any H and W and C = 1 or 3 (as `protocol` says); no "logits" when `classes` is empty.
    The same object each time, so that it is compiled once. A network whose weights are too large to be constants of a
    program has a `jax.tree_util.Partial` here, whose arguments are handed to the program.
    """
    others: tuple[str, ...] = ()  # further outputs of `apply`, for metrics that are made for this network
    made_for: str = "any images"  # in words: "grey images of handwritten digits"
    suits: Callable[[Spec], bool] = lambda _: True  # False for images whose shape or classes show that they are others
    maps: Callable[[Array], tuple[Array, ...]] | None = None
    """images [B, H, W, C] in [-1, 1] -> the network's maps [B, h, w, c] of them as they are, not resized, the finest
    first: what content losses compare. Differentiable in the images. None: it shows none."""


class Outline(NamedTuple):
    """What is known of a network whether or not its weights are here."""

    dim: int  # length of a feature vector; 0: that of its input
    classes: int
    protocol: str
    weights: str  # "none needed", "shipped", or where a person imports them: "published", "missing", "damaged", ...


FEATURES = kind("feature network", "features", "gan_cli.features", Features, option=True)
OWN = "`gan eval --features` takes one's own: package.module:function, file.py:function or file.jaxexport"
