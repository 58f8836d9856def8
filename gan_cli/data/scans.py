"""Scans made of what is known: an input as an instrument would see it, and the mask of what is there."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt

from gan_cli.data.source import Examples, Source, digest
from gan_cli.data.store import Store
from gan_cli.types import INPUT, Spec, X

Number = Annotated[int, Field(gt=0, le=10**6)]
Side = Annotated[int, Field(ge=16, le=512)]
Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Chance -> a scan in levels [H, W] or [D, H, W], and its masks, bool [..., K]."""

Split = Literal["train", "test"]
TEST = 500  # scans of the test split
BRIGHT = 255  # of a mask, where the thing is


def lesions(
    store: Store,  # noqa: ARG001
    *,
    n: Number = 1000,  # scans
    side: Side = 64,  # pixels
    noise: NonNegativeFloat = 40.0,  # standard deviation, in levels
    distractors: NonNegativeInt = 4,  # bright rings, of another texture than the lesion, which are not in the mask
    seed: NonNegativeInt = 0,
    split: Split = "train",  # test: 500 others, whatever n
) -> Source:
    """One bright ellipse among rings, in noise: `input` uint8 [H, W, 1], and x, its mask of 0 and 255."""

    def draw(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        inside = _reach(random, side, 2, (0.25, 0.75), (0.1, 0.22)) <= 1
        scan = 80.0 + 60 * inside
        for _ in range(distractors):
            scan += 60 * (np.abs(_reach(random, side, 2, (0.1, 0.9), (0.06, 0.14)) - 0.8) < 0.2)
        return scan + noise * random.standard_normal(scan.shape), inside[..., None]

    return _scans(
        f"scans.lesions {n} {side} {noise:g} {distractors} {seed} {split}", draw, n, (seed, split), (side, side)
    )


def chest(
    store: Store,  # noqa: ARG001
    *,
    n: Number = 1000,  # scans
    side: Side = 64,  # pixels
    noise: NonNegativeFloat = 25.0,  # standard deviation, in levels
    seed: NonNegativeInt = 0,
    split: Split = "train",  # test: 500 others, whatever n
) -> Source:
    """Two dark lungs and a heart, each crossed by a bright bar: `input` uint8 [H, W, 1], x the three masks [H, W, 3].

    A mask is what is there, the bar crossing it or not: one piece each, as anatomy has it.
    """

    def draw(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        centres = np.array([[0.5, 0.25], [0.5, 0.75], [0.62, 0.5]]) + random.uniform(-0.04, 0.04, (3, 2))
        radii = np.array([[0.34, 0.14], [0.34, 0.14], [0.15, 0.13]]) * random.uniform(0.85, 1.1, (3, 2))
        places = _places(side, 2)
        masks = np.stack([np.linalg.norm((places - c) / r, axis=-1) <= 1 for c, r in zip(centres, radii, strict=True)])
        scan = 150.0 - 90 * (masks[0] | masks[1]) + 40 * masks[2]
        for centre in centres:
            angle, offset = random.uniform(0, np.pi), random.uniform(-0.05, 0.05)
            across = (places - centre) @ np.array([np.cos(angle), np.sin(angle)]) - offset
            scan[np.abs(across) < 0.03] = 190
        return scan + noise * random.standard_normal(scan.shape), masks.transpose(1, 2, 0)

    return _scans(f"scans.chest {n} {side} {noise:g} {seed} {split}", draw, n, (seed, split), (side, side), masks=3)


def organ(
    store: Store,  # noqa: ARG001
    *,
    n: Annotated[int, Field(gt=0, le=10**5)] = 500,  # scans
    side: Annotated[int, Field(ge=8, le=128)] = 32,  # voxels: depth, height and width
    noise: NonNegativeFloat = 30.0,  # standard deviation, in levels
    seed: NonNegativeInt = 0,
    split: Split = "train",  # test: 500 others, whatever n
) -> Source:
    """An ellipsoid, a part of which stands out by a seventh as much as the rest: volumes [D, H, W, 1], x all of it."""

    def draw(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        middle, radii = random.uniform(0.4, 0.6, 3), random.uniform(0.2, 0.35, 3)
        places = _places(side, 3) - middle
        inside = np.linalg.norm(places / radii, axis=-1) <= 1
        towards = random.standard_normal(3)
        faint = places @ (towards / np.linalg.norm(towards)) > 0.3 * radii.min()
        scan = 80.0 + np.where(faint, 10, 70) * inside
        return scan + noise * random.standard_normal(scan.shape), inside[..., None]

    return _scans(
        f"scans.organ {n} {side} {noise:g} {seed} {split}", draw, n, (seed, split), (side,) * 3, medium="volume"
    )


def _places(side: int, axes: int) -> np.ndarray:
    """The middles of the pixels of a unit square or cube: [side, side, (side,) axes]."""
    axis = (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(*[axis] * axes, indexing="ij"), axis=-1)


def _reach(
    random: np.random.Generator, side: int, axes: int, middles: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    """Of each pixel how far out it is from the middle of a random ellipse, whose edge is at 1."""
    return np.linalg.norm(
        (_places(side, axes) - random.uniform(*middles, axes)) / random.uniform(*radii, axes), axis=-1
    )


def _scans(
    name: str, draw: Draw, n: int, chosen: tuple[int, Split], shape: tuple[int, ...], masks: int = 1, medium: str = ""
) -> Source:
    """The source of n scans, or of the test split's, each a function of the seed, the split and its number."""
    seed, split = chosen

    def load(indices: np.ndarray) -> Examples:
        drawn = [draw(np.random.default_rng((seed, split == "test", int(i)))) for i in indices]
        scans = np.stack([np.rint(scan).clip(0, BRIGHT).astype(np.uint8)[..., None] for scan, _ in drawn])
        return {X: np.stack([mask.astype(np.uint8) * BRIGHT for _, mask in drawn]), INPUT: scans}

    spec = Spec((*shape, masks), medium=medium, parts={INPUT: Spec((*shape, 1), medium=medium)})
    return Source(name.split()[0], spec, TEST if split == "test" else n, load, digest(name))
