"""What an example is: an image, a vector, a video, tokens. A medium is a file; `of` finds that of a spec."""

import importlib
import math
import pkgutil
from functools import cache
from typing import Any

import numpy as np

from gan_cli.errors import InputError
from gan_cli.media.medium import Medium, unchanged
from gan_cli.pictures import grids
from gan_cli.types import Shape, Spec

BY_RANK = {1: "vector", 3: "image"}  # of specs that name no medium, as those of older runs


def name_of(spec: Spec) -> str:
    """The name of a spec's medium: "image". Raises InputError for a shape that no medium without a name has."""
    if not spec.medium and len(spec.shape) not in BY_RANK:
        raise InputError(f"examples of shape {spec.shape} are neither images nor vectors, nothing says what they are")
    return spec.medium or BY_RANK[len(spec.shape)]


def of(spec: Spec) -> Medium:
    """The medium of examples that look like `spec`; raises InputError where there is none of that name."""
    return find(name_of(spec))


@cache
def find(name: str) -> Medium:
    """The medium in the file of that name; raises InputError where there is none: a checkpoint may say anything."""
    if name not in names():
        raise InputError(f"there is no medium {name!r}; there are {', '.join(names())}")
    medium: Medium = importlib.import_module(f"gan_cli.media.{name}").MEDIUM
    return medium


@cache
def names() -> tuple[str, ...]:
    """The names of all media."""
    return tuple(sorted(file.name for file in pkgutil.iter_modules(__path__) if file.name != "medium"))


def is_image(spec: Spec) -> bool:
    """Whether examples are images [H, W, C]."""
    return name_of(spec) == "image"


def has_levels(spec: Spec) -> bool:
    """Whether examples are made of pixels, levels uint8: images, videos, volumes."""
    return of(spec).dtype == "uint8"


def seen_together(spec: Spec) -> bool:
    """Whether examples have no picture each, but a plot of all: vectors."""
    return of(spec).tile is None


def tiles(x: np.ndarray, spec: Spec) -> np.ndarray:
    """A picture of each example, uint8 [N, h, w, c], of N as stored that are not `seen_together`."""
    make = of(spec).tile
    assert make is not None
    return make(x, spec)


def tile_shape(spec: Spec) -> Shape:
    """The shape (h, w, c) of an example's picture; of tokens that of the shortest, which is known before any is."""
    return tiles(np.zeros((1, *spec.shape), of(spec).dtype), spec).shape[1:]


def picture(x: np.ndarray, spec: Spec) -> Any:
    """One PIL image of N examples as stored: a grid of their pictures, or a plot."""
    return grids.sample_picture(x if seen_together(spec) else tiles(x, spec))


def in_a_picture(spec: Spec, grid: int) -> int:
    """How many examples a training's picture shows, where [run] grid says `grid`."""
    most = of(spec).overview
    return most if seen_together(spec) else min(grid, most or grid)


def features_of(spec: Spec, wanted: str, where: str = "") -> str:
    """The name of the feature network that judges such examples: of images the one that is `wanted`.

    Raises InputError, which begins with `where`, where no metric of features means anything.
    """
    medium = of(spec)
    if medium.unlike:
        raise InputError(f"{where}features: {medium.many} cannot be judged by features: {medium.unlike}")
    return medium.features or wanted


def size_of(spec: Spec) -> int:
    """Bytes of one example as stored."""
    return math.prod(spec.shape) * of(spec).itemsize


def check_shape(spec: Spec, longest: int) -> None:
    """Raise InputError unless the spec's shape is one that its medium can have, no side longer than `longest`."""
    axes = of(spec).axes
    if len(spec.shape) != len(axes) or not all(0 < length <= longest for length in spec.shape):
        raise InputError(f"{of(spec).many} of shape {list(spec.shape)}; right: {', '.join(axes)}")
    if spec.levels not in (0, *range(2, 257)):
        raise InputError(f"{of(spec).many} of {spec.levels} levels; right: 2 .. 256, or 0 for all")


__all__ = [
    "Medium",
    "check_shape",
    "features_of",
    "find",
    "has_levels",
    "in_a_picture",
    "is_image",
    "name_of",
    "names",
    "of",
    "picture",
    "seen_together",
    "size_of",
    "tile_shape",
    "tiles",
    "unchanged",
]
