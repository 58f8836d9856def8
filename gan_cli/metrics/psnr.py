"""Peak signal-to-noise ratio of results beside what they should be."""

from functools import partial
from typing import Literal

import jax.numpy as jnp

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import levels, of_pairs, require_sides
from gan_cli.types import Array

MOST = 100.0  # dB: that of equal images, which would have infinitely many


def psnr(
    *,
    where: Literal["everywhere", "changed"] = "everywhere",  # changed: pixels in which the input differs
) -> Metric:
    """Mean over pairs of 10 log10(1 / mean squared difference), of pixels in [0, 1], in dB; 100 for equal images.

    https://arxiv.org/abs/1609.04802, section 3, for one. The mean is of decibels, not of squared differences, and over
    all channels: papers on super-resolution often take luma alone, and leave out a border. `where = "changed"` is of a
    hole that was filled, or of streaks that were removed; it is 100 where nothing had to be.
    """
    return of_pairs(
        "psnr",
        decibels if where == "everywhere" else decibels_of_changes,
        better="higher",
        one_line="sees every difference of pixels from the truth, large ones most; prefers what is blurred to what is "
        "sharp and a pixel aside",
        paper="https://arxiv.org/abs/1609.04802",
    )._replace(check=partial(require_sides, "psnr"), wants=("given",) if where == "changed" else ())


def decibels(results: Array, truths: Array) -> Array:
    """PSNR of each pair of images uint8 [B, H, W, C]: [B]."""
    return _decibels(jnp.square(levels(results) - levels(truths)).mean(axis=(1, 2, 3)))


def decibels_of_changes(results: Array, truths: Array, given: Array) -> Array:
    """PSNR of each pair over the pixels in which what was given is not the truth: [B].

    Raises InputError where what was given has not the size of the results.
    """
    if given.shape[:3] != truths.shape[:3]:
        sizes = " and ".join("x".join(map(str, x.shape[1:])) for x in (given, truths))
        raise InputError(f"psnr where = 'changed' compares inputs with truths, and these are {sizes}")
    changed = (given != truths).any(axis=-1, keepdims=True)
    error = jnp.square(levels(results) - levels(truths)).mean(axis=-1, keepdims=True) * changed
    return _decibels(error.sum(axis=(1, 2, 3)) / jnp.maximum(changed.sum(axis=(1, 2, 3)), 1))


def _decibels(error: Array) -> Array:
    return -10 * jnp.log10(jnp.maximum(error, 10 ** (-MOST / 10)))
