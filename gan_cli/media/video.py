"""Videos: uint8 [T, H, W, C], frames of one size; games see float32 in [-1, 1]."""

import numpy as np

from gan_cli.media.medium import Medium, Writer, from_levels, to_levels
from gan_cli.pictures import grids
from gan_cli.types import Spec

RATE = 8.0  # frames a second, where the data say nothing


def tile(videos: np.ndarray, spec: Spec) -> np.ndarray:  # noqa: ARG001
    """Frames of each, evenly spread, from left to right."""
    return grids.filmstrips(videos)


def animation(suffix: str) -> Writer:
    """The writer of animations with this suffix: all examples side by side, frame by frame."""

    def write(videos: np.ndarray, spec: Spec, rate: float) -> bytes:
        return grids.animation(list(videos.swapaxes(0, 1)), rate or spec.rate or RATE, suffix)

    return write


MEDIUM = Medium(
    ("frames", "height", "width", "channels"),
    "videos",
    "uint8",
    from_levels,
    to_levels,
    tile,
    {suffix: animation(suffix) for suffix in grids.ANIMATIONS},
    overview=16,
)
