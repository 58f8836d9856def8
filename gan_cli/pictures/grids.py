"""Pictures of samples: grids of images, and points in the plane or on the line for the toys."""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli.files import atomic

SIDE = 96  # a tile is enlarged by a whole factor to at most this many pixels
GAP, PAPER = 1, 96  # between tiles: pixels before enlarging, and their grey
PLOT = 480  # side of a plot of points, pixels


def to_pil(image: np.ndarray) -> Image.Image:
    """One image uint8 [H, W, C], C = 1 to 4 (grey, grey and alpha, RGB, RGBA)."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def tile(images: np.ndarray, columns: int = 0) -> np.ndarray:
    """Images uint8 [N, H, W, C] row by row, GAP pixels apart, into one picture; 0 columns: as square as possible."""
    n = len(images)
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    images = np.pad(images, ((0, rows * columns - n), (0, GAP), (0, GAP), (0, 0)), constant_values=PAPER)
    images[n:] = PAPER
    height, width, channels = images.shape[1:]
    grid = images.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * height, columns * width, channels)
    return np.pad(grid, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=PAPER)


def save_samples(path: Path, samples: np.ndarray) -> None:
    """A PNG of samples: a grid of images uint8 [N, H, W, C], or a plot of points float32 [N, 1] or [N, 2]."""
    save_png(path, image_grid(samples) if samples.ndim == 4 else plot(samples))


def save_png(path: Path, picture: Image.Image) -> None:
    """A picture as PNG, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG")


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG in memory."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def image_grid(samples: np.ndarray) -> Image.Image:
    """A grid of images, small ones enlarged by a whole factor so that a person can see them."""
    picture = to_pil(tile(samples))
    factor = max(1, SIDE // max(samples.shape[1:3]) // 2)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def plot(points: np.ndarray, side: int = PLOT, within: np.ndarray | None = None) -> Image.Image:
    """Points [N, 2] as a scatter in a square that holds them all, or [N, 1] as a histogram; dark on white.

    `side`: of the square, pixels. `within`: further points that it holds, so that plots can be compared.
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
