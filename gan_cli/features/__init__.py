"""Feature networks: what metrics look at images through.

`find("digits")` is the function `digits` of `gan_cli/features/digits.py`, called. A new feature network is one file
with one factory of its own name, and its name below.
"""

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from gan_cli.errors import InputError
from gan_cli.types import Array

NAMES = ("digits",)


class Features(NamedTuple):
    """A fixed network from images to feature vectors, and what a number computed with it must state."""

    name: str
    hash: str  # SHA-256 of the weights file, hexadecimal; numbers from different hashes cannot be compared
    dim: int  # length of a feature vector
    classes: int  # number of classes of its logits; 0: it classifies nothing
    protocol: str  # in words: what is done to an image before the network sees it

    apply: Callable[[Array], dict[str, Array]]
    """images [B, H, W, C] float32 in [-1, 1] -> {"features": [B, dim], "logits": [B, classes]}, float32.

    Pure and jittable, for any H and W and C = 1 or 3 (as `protocol` says); no "logits" when `classes` is 0.
    The same object each time, so that it is compiled once.
    """


def find(name: str) -> Features:
    """The feature network of this name; InputError for an unknown name, with the nearest valid one."""
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise InputError(f"there is no feature network '{name}': {hint}The feature networks are {', '.join(NAMES)}")
    network: Features = getattr(importlib.import_module(f"gan_cli.features.{name}"), name)()
    return network
