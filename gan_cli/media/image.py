"""Images: uint8 [H, W, C], grey, RGB or RGBA; games see float32 in [-1, 1]."""

import numpy as np

from gan_cli.media.medium import Medium, from_levels, to_levels
from gan_cli.pictures import grids
from gan_cli.types import Spec


def tile(images: np.ndarray, spec: Spec) -> np.ndarray:  # noqa: ARG001
    """The images themselves."""
    return images


def png(images: np.ndarray, spec: Spec, rate: float) -> bytes:  # noqa: ARG001
    """One image, or a grid of several."""
    return grids.png(grids.to_pil(images[0] if len(images) == 1 else grids.tile(images)))


MEDIUM = Medium(
    ("height", "width", "channels"), "images", "uint8", from_levels, to_levels, tile, {".png": png}, features=""
)
