"""Peak signal-to-noise ratio of results beside what they should be."""

from functools import partial

import jax.numpy as jnp

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import levels, of_pairs, require_sides
from gan_cli.types import Array

MOST = 100.0  # dB: that of equal images, which would have infinitely many


def psnr() -> Metric:
    """Mean over pairs of 10 log10(1 / mean squared difference), of pixels in [0, 1], in dB; 100 for equal images.

    https://arxiv.org/abs/1609.04802, section 3, for one. The mean is of decibels, not of squared differences, and over
    all channels: papers on super-resolution often take luma alone, and leave out a border.
    """
    return of_pairs(
        "psnr",
        decibels,
        better="higher",
        one_line="sees every difference of pixels from the truth, large ones most; prefers what is blurred to what is "
        "sharp and a pixel aside",
        paper="https://arxiv.org/abs/1609.04802",
    )._replace(check=partial(require_sides, "psnr"))


def decibels(results: Array, truths: Array) -> Array:
    """PSNR of each pair of images uint8 [B, H, W, C]: [B]."""
    error = jnp.square(levels(results) - levels(truths)).mean(axis=(1, 2, 3))
    return -10 * jnp.log10(jnp.maximum(error, 10 ** (-MOST / 10)))
