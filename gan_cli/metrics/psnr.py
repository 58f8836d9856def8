"""Peak signal-to-noise ratio of results beside what they should be."""

from functools import partial
from typing import Literal

import jax.numpy as jnp
from pydantic import NonNegativeInt

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import looked_at, of_pairs, require_sides
from gan_cli.types import Array

MOST = 100.0  # dB: that of equal images, which would have infinitely many


def psnr(
    *,
    luma: bool = False,  # of RGB the brightness alone, Y of BT.601
    border: NonNegativeInt = 0,  # pixels that are left out on each side
    where: Literal["everywhere", "changed"] = "everywhere",  # changed: pixels in which the input differs
) -> Metric:
    """Mean over pairs of 10 log10(1 / mean squared difference), of pixels in [0, 1], in dB; 100 for equal images.

    https://arxiv.org/abs/1609.04802, section 3, for one. The mean is of decibels, not of squared differences, and over
    all channels: papers on super-resolution take `luma` alone, and leave out a `border` as wide as the factor.
    `where = "changed"` is of a hole that was filled or of streaks that were removed, and 100 where nothing had to be.
    """
    of_changes = where == "changed"
    return of_pairs(
        "psnr",
        partial(decibels_of_changes if of_changes else decibels, luma=luma, border=border),
        better="higher",
        one_line="sees every difference of pixels from the truth, large ones most; prefers what is blurred to what is "
        "sharp and a pixel aside",
        paper="https://arxiv.org/abs/1609.04802",
    )._replace(check=partial(require_sides, "psnr", least=1 + 2 * border), wants=("given",) if of_changes else ())


def decibels(results: Array, truths: Array, luma: bool = False, border: int = 0) -> Array:
    """PSNR of each pair of images uint8 [B, H, W, C]: [B]. `luma`, `border`: see `looked_at`."""
    difference = looked_at(results, luma, border) - looked_at(truths, luma, border)
    return _decibels(jnp.square(difference).mean(axis=(1, 2, 3)))


def decibels_of_changes(results: Array, truths: Array, given: Array, luma: bool = False, border: int = 0) -> Array:
    """PSNR of each pair over the pixels in which what was given is not the truth: [B]. `luma`, `border`: `looked_at`.

    Raises InputError where what was given has not the size of the results.
    """
    if given.shape[:3] != truths.shape[:3]:
        sizes = " and ".join("x".join(map(str, x.shape[1:])) for x in (given, truths))
        raise InputError(f"psnr where = 'changed' compares inputs with truths, and these are {sizes}")
    changed = (given != truths).any(axis=-1, keepdims=True)
    changed = changed[:, border : changed.shape[1] - border, border : changed.shape[2] - border]
    difference = looked_at(results, luma, border) - looked_at(truths, luma, border)
    error = jnp.square(difference).mean(axis=-1, keepdims=True) * changed
    return _decibels(error.sum(axis=(1, 2, 3)) / jnp.maximum(changed.sum(axis=(1, 2, 3)), 1))


def _decibels(error: Array) -> Array:
    return -10 * jnp.log10(jnp.maximum(error, 10 ** (-MOST / 10)))
