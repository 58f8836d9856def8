"""Pictures of which it is known what is to be said of them: a shape of one colour and size, somewhere."""

import math
from typing import Annotated, Any

import numpy as np
from pydantic import Field, NonNegativeInt

from gan_cli.data.source import Examples, Source, digest
from gan_cli.data.store import Store
from gan_cli.types import INPUT, Spec

SHAPES = ("disc", "square", "triangle")
COLOURS = {"red": (255, 40, 40), "green": (40, 220, 40), "blue": (60, 60, 255), "yellow": (240, 220, 40)}
SIZES = {"small": 0.045, "large": 0.12}  # area, in shares of the picture
PLACES = {"left": 0.27, "middle": 0.5, "right": 0.73}  # of the shape's middle, in sides of the picture
ATTRIBUTES = {"shape": SHAPES, "colour": tuple(COLOURS), "size": tuple(SIZES), "place": tuple(PLACES)}
WORDS = tuple(word for words in ATTRIBUTES.values() for word in words)
FINER = 4  # points in a pixel, each way


def captioned(
    store: Store,  # noqa: ARG001
    *,
    n: Annotated[int, Field(gt=0, le=10**6)] = 10_000,  # pictures
    side: Annotated[int, Field(ge=8, le=256)] = 32,  # pixels: height and width
    seed: NonNegativeInt = 0,
) -> Source:
    """A disc, square or triangle in one of four colours, small or large, left, in the middle or right: RGB.

    `input` says so: float32 [12], a 1 for each of its four words in `WORDS`. Attributes are independent of each other.
    Nothing is said of what else differs: height, exact place, area and brightness, and the grey of the background.
    """
    random = np.random.default_rng(seed)
    words = np.stack([random.integers(len(values), size=n) for values in ATTRIBUTES.values()], axis=1)  # [n, 4]
    off = random.uniform(-1, 1, (n, 5))  # of x, y, area, brightness, background
    offsets = np.cumsum([0, *map(len, ATTRIBUTES.values())])[:-1]

    def draw(i: int) -> np.ndarray:
        shape, colour, size, place = (
            values[word] for values, word in zip(map(tuple, ATTRIBUTES.values()), words[i], strict=True)
        )
        axis = (np.arange(side * FINER) + 0.5) / (side * FINER)
        x, y = axis - PLACES[place] - 0.03 * off[i, 0], axis[:, None] - 0.5 - 0.06 * off[i, 1]
        drawn = inside(shape, x, y, SIZES[size] * (1 + 0.15 * off[i, 2]))
        share = drawn.reshape(side, FINER, side, FINER).mean(axis=(1, 3))[..., None]  # of each pixel
        inner, outer = np.array(COLOURS[colour]) * (0.9 + 0.1 * off[i, 3]), 35 + 25 * off[i, 4]
        return np.rint(share * inner + (1 - share) * outer).astype(np.uint8)

    def load(indices: np.ndarray) -> Examples:
        said = np.zeros((len(indices), len(WORDS)), np.float32)
        np.put_along_axis(said, words[indices] + offsets, 1, axis=1)
        return {"x": np.stack([draw(int(i)) for i in indices]), INPUT: said}

    spec = Spec((side, side, 3), parts={INPUT: Spec((len(WORDS),))})
    return Source("captioned", spec, n, load, digest(f"captioned {n} {side} {seed}"))


def inside(shape: str, x: Any, y: Any, area: Any) -> Any:
    """Whether points, so far to the right of a shape's centroid and below it, are in it: arrays of NumPy or JAX.

    All in sides of the picture; triangles are as high as wide.
    """
    if shape == "disc":
        return x**2 + y**2 < area / math.pi
    if shape == "square":
        return (abs(x) < area**0.5 / 2) & (abs(y) < area**0.5 / 2)
    base = (2 * area) ** 0.5
    return (y < base / 3) & (2 * abs(x) < y + 2 * base / 3)
