"""Fronts of houses made here: label maps of rectangles, and pictures of them that labels can be read off again."""

from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt

from gan_cli.data.source import Examples, Source, digest
from gan_cli.data.store import Store
from gan_cli.types import INPUT, Spec, X

Colour = tuple[int, int, int]  # red, green, blue


class Part(NamedTuple):
    """What a pixel can be of."""

    label: Colour  # in the label map
    tints: tuple[Colour, ...]  # in pictures, one of these; that of all pixels between them is the grey of a roof


PARTS = {
    "sky": Part((0, 128, 255), ((90, 150, 240), (240, 150, 90))),
    "wall": Part((255, 0, 0), ((190, 60, 50), (60, 210, 150))),
    "window": Part((255, 255, 0), ((20, 25, 50), (255, 235, 120))),
    "roof": Part((0, 255, 0), ((128, 128, 128),)),
    "door": Part((255, 0, 255), ((30, 120, 30), (140, 20, 180))),
}
SKY, WALL, WINDOW, ROOF, DOOR = range(len(PARTS))
LABELS = np.array([part.label for part in PARTS.values()], np.uint8)
TINTS = np.array([tint for part in PARTS.values() for tint in part.tints], np.float32)
PART_OF_TINT = np.repeat(np.arange(len(PARTS)), [len(part.tints) for part in PARTS.values()])
CHOICES = np.bincount(PART_OF_TINT)  # tints of each part
FIRST_TINT = np.searchsorted(PART_OF_TINT, np.arange(len(PARTS)))
JOINT, GRAIN = 0.08, 6  # how much darker the lines of a texture are, and levels by which any pixel may differ
SPLITS = ("train", "test")


def facades(
    store: Store,  # noqa: ARG001
    *,
    split: Literal["train", "test"] = "train",  # other houses each
    n: Annotated[int, Field(gt=0, le=10**6)] = 2000,  # houses in a split
    side: Annotated[int, Field(ge=8, le=256)] = 32,  # pixels
    seed: NonNegativeInt = 0,
) -> Source:
    """Houses: `input` is the label map, x the picture, both RGB uint8 [side, side, 3].

    A house has windows, a roof and a door before the sky. Sky, wall, door and each window have one of two tints,
    which no label map tells; they are such that the mean of both looks like something else. Textures stay so near the
    tints that the part of each pixel is that of the nearest one (`Source.reads`).
    """

    def draw(i: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng([seed, SPLITS.index(split), i])
        parts, tints = _house(random, side)
        light = 1 - JOINT * _texture(parts)[..., None]
        grain = random.integers(-GRAIN, GRAIN, (side, side, 1), endpoint=True)
        picture = np.rint(TINTS[FIRST_TINT[parts] + tints] * light + grain)
        return LABELS[parts], picture.clip(0, 255).astype(np.uint8)

    def load(indices: np.ndarray) -> Examples:
        drawn = [draw(int(i)) for i in indices]
        return {X: np.stack([picture for _, picture in drawn]), INPUT: np.stack([labels for labels, _ in drawn])}

    shape = (side, side, 3)
    spec = Spec(shape, parts={INPUT: Spec(shape)})
    return Source(f"facades {split}", spec, n, load, digest(f"facades {split} {n} {side} {seed}"), reads=read)


def read(images: Any) -> Any:
    """Pictures uint8 [n, H, W, 3] of NumPy or JAX -> the part of each pixel, an int below 5: [n, H, W]."""
    distance = ((images[..., None, :].astype(np.float32) - TINTS) ** 2).sum(-1)  # [n, H, W, tints]
    nearest = distance.argmin(-1)
    return (nearest[..., None] >= FIRST_TINT[1:]).sum(-1)


def _house(random: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of each pixel and which of its tints it has: int [side, side] both."""
    parts, tints = np.full((side, side), SKY), np.full((side, side), random.integers(CHOICES[SKY]))
    unit = side // 8

    def put(part: int, top: int, bottom: int, left: int, right: int) -> None:
        parts[top:bottom, left:right] = part
        tints[top:bottom, left:right] = random.integers(CHOICES[part])

    top = int(random.integers(unit + 1, 3 * unit))
    left, right = int(random.integers(unit)), side - int(random.integers(unit))
    put(ROOF, top - unit // 2 - 1, top, max(left - 1, 0), right + 1)
    put(WALL, top, side, left, right)
    rows, columns = int(random.integers(2, 4)), int(random.integers(2, 5))
    ys = np.linspace(top, side, rows + 1).astype(int)
    xs = np.linspace(left, right, columns + 1).astype(int)
    entrance = int(random.integers(columns))
    for row in range(rows):
        for column in range(columns):
            height, width = ys[row + 1] - ys[row], xs[column + 1] - xs[column]
            across = xs[column] + width // 4, xs[column + 1] - width // 4
            if row == rows - 1 and column == entrance:
                put(DOOR, ys[row] + height // 4, side, *across)
            else:
                put(WINDOW, ys[row] + height // 4, ys[row + 1] - height // 4, *across)
    return parts, tints


def _texture(parts: np.ndarray) -> np.ndarray:
    """1 in the joints of bricks, between tiles and planks, and 0 elsewhere: float [side, side]."""
    y, x = np.indices(parts.shape)
    bricks = (y % 4 == 3) | ((x + 3 * (y // 4 % 2)) % 6 == 0)
    lines = {WALL: bricks, ROOF: y % 2 == 0, DOOR: x % 2 == 0}
    return np.select([(parts == part) & line for part, line in lines.items()], [1.0] * len(lines), 0.0)
