"""Animations of images: GIF, WebP and animated PNG, all by Pillow."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_cli.errors import InputError
from gan_cli.files import atomic
from gan_cli.pictures.grids import tile, to_pil

SIDE = 192  # a frame of one image is enlarged by a whole factor to at most this many pixels
TILE = 96  # and each image of a frame of several to at most this many
MOST_PIXELS = 1 << 28  # of all frames: 0.25 GiB of grey, 0.75 GiB of colour
FORMATS: dict[str, dict[str, Any]] = {  # suffix -> Pillow's options
    ".gif": {"format": "GIF"},
    ".webp": {"format": "WEBP", "lossless": True},
    ".apng": {"format": "PNG"},
}


def check_animation(shape: Sequence[int], frames: int, images: int, out: Path) -> None:
    """Raise InputError when an animation with so many images of `shape` (H, W, C) in each frame would be too large."""
    pixels = frames * images * math.prod(_factor(shape, images) * side for side in shape[:2])
    if pixels > MOST_PIXELS:
        raise InputError(f"--out {out}: {frames:,} frames would be {pixels:,} pixels, and {MOST_PIXELS:,} are the most")


def save_animation(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    """An endless animation; a frame is the images uint8 [M, H, W, C] that are seen at once, side by side.

    `fps`: frames a second. GIF counts in hundredths of a second; equal frames in succession may become one long one.
    """
    pictures = [_picture(images) for images in frames]
    duration = round(1000 / fps)  # milliseconds
    with atomic(path) as temporary:
        pictures[0].save(
            temporary, save_all=True, append_images=pictures[1:], duration=duration, loop=0, **FORMATS[path.suffix]
        )


def _picture(images: np.ndarray) -> Image.Image:
    """One image as it is, several in a grid as square as possible; enlarged."""
    picture = to_pil(images[0] if len(images) == 1 else tile(images))
    factor = _factor(images.shape[1:], len(images))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _factor(shape: Sequence[int], images: int) -> int:
    return max(1, (SIDE if images == 1 else TILE) // max(shape[:2]))
