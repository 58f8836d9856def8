"""Pictures of samples: grids of images, animations of them, and for the toys points in the plane or on the line."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_cli.errors import InputError
from gan_cli.files import atomic

SIDE = 96  # a tile is enlarged by a whole factor to at most this many pixels
GAP, PAPER = 1, 96  # between tiles: pixels before enlarging, and their grey
PLOT = 480  # side of a plot of points, pixels
FRAME_SIDE = 192  # a frame of one image is enlarged by a whole factor to at most this many pixels
FRAME_TILE = 96  # and each image of a frame of several to at most this many
STRIP_SIDE = 48  # and each frame of a strip to at most this many
STRIP_GAP = 6  # pixels after a strip
MOST_IN_A_STRIP = 8  # frames
MOST_FRAME_PIXELS = 1 << 28  # of all frames: 0.25 GiB of grey, 0.75 GiB of colour
ANIMATIONS: dict[str, dict[str, Any]] = {  # suffix -> Pillow's options
    ".gif": {"format": "GIF"},
    ".webp": {"format": "WEBP", "lossless": True},
    ".apng": {"format": "PNG"},
}


def to_pil(image: np.ndarray) -> Image.Image:
    """One image uint8 [H, W, C], C = 1 to 4 (grey, grey and alpha, RGB, RGBA)."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def tile(images: np.ndarray) -> np.ndarray:
    """Images uint8 [N, H, W, C] row by row, GAP pixels apart, in one picture [h, w, C] as square as possible."""
    n = len(images)
    columns = columns_of(n, images.shape[1:])
    rows = math.ceil(n / columns)
    images = np.pad(images, ((0, rows * columns - n), (0, GAP), (0, GAP), (0, 0)), constant_values=PAPER)
    images[n:] = PAPER
    height, width, channels = images.shape[1:]
    grid = images.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * height, columns * width, channels)
    return np.pad(grid, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=PAPER)


def columns_of(n: int, shape: Sequence[int]) -> int:
    """The columns of a grid of n images of `shape` (H, W, C) that is as square as possible."""
    return min(n, math.ceil(math.sqrt(n * shape[0] / shape[1])))


def filmstrips(frames: np.ndarray) -> np.ndarray:
    """Frames uint8 [N, T, H, W, C] -> a picture of each N, [N, h, w, C]: frames from left to right, GAP pixels apart.

    After the last one is room, so that strips beside each other are told apart. They are MOST_IN_A_STRIP at most,
    evenly spread, and small ones are enlarged by a whole factor.
    """
    shown = np.linspace(0, frames.shape[1] - 1, min(frames.shape[1], MOST_IN_A_STRIP)).round().astype(int)
    factor = max(1, STRIP_SIDE // max(frames.shape[2:4]))
    large = frames[:, shown].repeat(factor, axis=2).repeat(factor, axis=3)  # [N, T, h, w, C]
    apart = np.pad(large, ((0, 0), (0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=PAPER)
    strips = np.concatenate(list(apart.swapaxes(0, 1)), axis=2)
    return np.pad(strips, ((0, 0), (0, 0), (0, STRIP_GAP - GAP), (0, 0)), constant_values=PAPER)


def sample_picture(samples: np.ndarray) -> Image.Image:
    """A grid of images uint8 [N, H, W, C], or a plot of points float32 [N, 1] or [N, 2].

    Small images are enlarged by a whole factor so that a person can see them.
    """
    if samples.ndim != 4:
        return plot(samples)
    factor = max(1, SIDE // max(samples.shape[1:3]) // 2)
    return enlarged(to_pil(tile(samples)), factor)


def enlarged(picture: Image.Image, factor: int) -> Image.Image:
    """The picture with each pixel as a square of `factor` times `factor`."""
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def save_png(path: Path, picture: Image.Image) -> None:
    """Write a picture as PNG, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG")


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG in memory."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def plot(points: np.ndarray, side: int = PLOT, within: np.ndarray | None = None) -> Image.Image:
    """Points [N, 2] as a scatter in a square that holds them all, or [N, 1] as a histogram; dark on white.

    `side`: of the square, pixels. `within`: the points that it holds instead, so that plots can be compared.
    """
    canvas = np.zeros((side, side))
    reach = points if within is None else within
    low, high = reach.min(), reach.max()
    margin = 0.1 * (high - low) or 1.0
    place = ((points - low + margin) / (high - low + 2 * margin) * side).astype(int).clip(0, side - 1)
    if points.shape[1] == 1:
        counts = np.bincount(place[:, 0], minlength=side)
        for column, height in enumerate(np.rint(counts / counts.max() * (side - 1)).astype(int)):
            canvas[side - height :, column] = 1
    else:
        np.add.at(canvas, (side - 1 - place[:, 1], place[:, 0]), 1)
        canvas = np.minimum(1, canvas + np.roll(canvas, 1, 0) + np.roll(canvas, 1, 1))  # dots of three pixels
    return Image.fromarray((255 * (1 - np.minimum(1, canvas))).astype(np.uint8))


def check_animation(shape: Sequence[int], frames: int, images: int, out: Path) -> None:
    """Raise InputError when an animation with so many images of `shape` (H, W, C) in each frame would be too large."""
    pixels = frames * images * math.prod(_frame_factor(shape, images) * side for side in shape[:2])
    if pixels > MOST_FRAME_PIXELS:
        raise InputError(
            f"--out {out}: {frames:,} frames would be {pixels:,} pixels, and {MOST_FRAME_PIXELS:,} are the most"
        )


def animation(frames: Sequence[np.ndarray], fps: float, suffix: str) -> bytes:
    """An endless animation as a file of the kind that the suffix names, one of ANIMATIONS.

    A frame is the images uint8 [M, H, W, C] that are seen at once: one as it is, several in a grid as square as
    possible. `fps`: frames a second. GIF counts in hundredths of a second; equal frames in succession may become one
    long one.
    """
    pictures = [
        enlarged(to_pil(images[0] if len(images) == 1 else tile(images)), _frame_factor(images.shape[1:], len(images)))
        for images in frames
    ]
    stream, duration = io.BytesIO(), round(1000 / fps)  # milliseconds
    pictures[0].save(stream, save_all=True, append_images=pictures[1:], duration=duration, loop=0, **ANIMATIONS[suffix])
    return stream.getvalue()


def _frame_factor(shape: Sequence[int], images: int) -> int:
    """How many times larger images of `shape` (H, W, C) are in a frame of so many."""
    return max(1, (FRAME_SIDE if images == 1 else FRAME_TILE) // max(shape[:2]))
