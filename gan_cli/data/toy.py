"""The toys of the papers: mixtures of Gaussians whose modes can be counted.

Examples are x float32 [n, D]; the label of each is the mode that it was drawn from, int32 in 0 .. K - 1.
"""

import math
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat

from gan_cli.data.source import Mixture, Source, in_memory
from gan_cli.data.store import Store
from gan_cli.errors import InputError

MODES = 10_000  # at most
Points = Annotated[int, Field(gt=0, le=10**7)]  # ten million take half a gigabyte in the making


def ring(
    store: Store,  # noqa: ARG001
    *,
    n: Points = 100_000,  # points
    seed: NonNegativeInt = 0,
    modes: Annotated[int, Field(gt=0, le=MODES)] = 8,
    radius: PositiveFloat = 1.0,  # radius of the circle on which the modes lie
    sd: PositiveFloat = 0.01,  # standard deviation of each mode
    scale: PositiveFloat = 1.0,  # everything is multiplied by it
) -> Source:
    """Ring of 8 Gaussians in the plane, as in VEEGAN and PacGAN.

    https://arxiv.org/abs/1705.07761, https://arxiv.org/abs/1712.04086. Unrolled GAN's has radius 2 and sd 0.02. Raises
    InputError where `scale` takes points beyond float32.
    """
    angles = 2 * np.pi * np.arange(modes) / modes
    means = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)  # [K, 2]
    return _sample_mixture("toy.ring", Mixture(means, np.full(modes, sd)), n, seed, scale)


def grid(
    store: Store,  # noqa: ARG001
    *,
    n: Points = 100_000,  # points
    seed: NonNegativeInt = 0,
    side: Annotated[int, Field(gt=0, le=math.isqrt(MODES))] = 5,  # modes in a row
    spacing: PositiveFloat = 2.0,  # distance between neighbouring modes
    sd: PositiveFloat = 0.05,  # standard deviation of each mode
    scale: PositiveFloat = 1.0,  # everything is multiplied by it
) -> Source:
    """Grid of 25 Gaussians in the plane, at {-4, -2, 0, 2, 4} squared, as in VEEGAN and PacGAN.

    https://arxiv.org/abs/1705.07761, https://arxiv.org/abs/1712.04086. WGAN-GP's has scale 1 / 2.828. Raises InputError
    where `scale` takes points beyond float32.
    """
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    means = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)  # [K, 2]
    return _sample_mixture("toy.grid", Mixture(means, np.full(len(means), sd)), n, seed, scale)


def mixture(
    store: Store,  # noqa: ARG001
    *,
    n: Points = 100_000,  # points
    seed: NonNegativeInt = 0,
    means: Annotated[tuple[float, ...], Field(min_length=1)] = (10, 20, 60, 80, 110),
    sds: tuple[PositiveFloat, ...] = (3, 3, 2, 2, 1),  # standard deviation of each mode
    scale: PositiveFloat = 1.0,  # everything is multiplied by it
) -> Source:
    """Mixture of Gaussians on the line; the default is the five of MAD-GAN, https://arxiv.org/abs/1704.02906.

    Raises InputError when there are not as many `sds` as `means`, or `scale` takes points beyond float32.
    """
    if len(means) != len(sds):
        raise InputError(f"[data] sds has {len(sds)} numbers for {len(means)} means; one each is wanted")
    return _sample_mixture(
        "toy.mixture", Mixture(np.array(means, float)[:, None], np.array(sds, float)), n, seed, scale
    )


def blobs(
    store: Store,  # noqa: ARG001
    *,
    n: Points = 3000,  # points
    seed: NonNegativeInt = 0,
    means: Annotated[tuple[tuple[float, float], ...], Field(min_length=1)] = ((0, 0), (0, 10)),  # of each class
    sd: PositiveFloat = 1.0,  # standard deviation of each
) -> Source:
    """A Gaussian in the plane for each class; the default is the source domain of WDGRL's toy.

    Its target has means = [[50, -20], [50, -10]]: https://arxiv.org/abs/1707.01217, section 4.1.
    """
    return _sample_mixture("toy.blobs", Mixture(np.array(means, float), np.full(len(means), sd)), n, seed, scale=1.0)


def _sample_mixture(name: str, mixture: Mixture, n: int, seed: int, scale: float) -> Source:
    """n points of the mixture, scaled: x float32 [n, D], y the component each was drawn from."""
    mixture = Mixture(scale * mixture.means, scale * mixture.sds)
    random = np.random.default_rng(seed)
    y = random.integers(len(mixture.means), size=n)
    noise = random.standard_normal((n, mixture.means.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        x = (mixture.means[y] + mixture.sds[y, None] * noise).astype(np.float32)  # [n, D]
    if not np.isfinite(x).all():
        raise InputError("[data] scale: the points lie beyond what float32 holds; it multiplies means and sds")
    classes = tuple(f"mode {i}" for i in range(len(mixture.means)))
    return in_memory(name, x, y, classes, mixture)
