"""Volumes made of what is known: bright ellipsoids in the dark."""

from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt

from gan_cli.data.source import Examples, Source, digest, shares
from gan_cli.data.store import Store
from gan_cli.types import Spec

MOST = 3  # ellipsoids in a volume
RADII = (0.1, 0.25)  # of their half axes, in sides of the volume
LEVELS = (100, 255)  # of the inside


def phantoms(
    store: Store,  # noqa: ARG001
    *,
    n: Annotated[int, Field(gt=0, le=10**6)] = 2000,  # volumes
    side: Annotated[int, Field(ge=8, le=128)] = 16,  # voxels: depth, height and width
    seed: NonNegativeInt = 0,
) -> Source:
    """One to three ellipsoids along the axes, each of one level and with edges a voxel wide: uint8 [D, H, W, 1].

    The class is their number. Where they overlap the brighter one is seen.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(MOST, size=n).astype(np.int32)  # and one more of them
    middles = random.uniform(0.35, 0.65, (n, MOST, 3))
    radii = random.uniform(*RADII, (n, MOST, 3))
    levels = random.uniform(*LEVELS, (n, MOST))
    axis = (np.arange(side) + 0.5) / side
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)  # [D, H, W, 3]

    def draw(i: int) -> np.ndarray:
        volume = np.zeros((side, side, side))
        for middle, radius, level in list(zip(middles[i], radii[i], levels[i], strict=True))[: labels[i] + 1]:
            reach = np.linalg.norm((places - middle) / radius, axis=-1)  # 1 on the surface
            inside = ((1 - reach) * radius.min() * side + 0.5).clip(0, 1)  # share of a voxel, nearly
            volume = np.maximum(volume, level * inside)
        return np.rint(volume).astype(np.uint8)[..., None]

    def load(indices: np.ndarray) -> Examples:
        return {"x": np.stack([draw(int(i)) for i in indices]), "y": labels[indices]}

    classes = ("1 ellipsoid", *(f"{count} ellipsoids" for count in range(2, MOST + 1)))
    spec = Spec((side, side, side, 1), classes, shares(labels, MOST), "volume")
    return Source("phantoms", spec, n, load, digest(f"phantoms {n} {side} {seed}"), labels=labels)
