"""Peak signal-to-noise ratio of results beside what they should be."""

from functools import partial

import jax.numpy as jnp
from pydantic import NonNegativeInt

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import looked_at, of_pairs, require_sides
from gan_cli.types import Array

MOST = 100.0  # dB: that of equal images, which would have infinitely many


def psnr(
    *,
    luma: bool = False,  # of RGB the brightness alone, Y of BT.601
    border: NonNegativeInt = 0,  # pixels that are left out on each side
) -> Metric:
    """Mean over pairs of 10 log10(1 / mean squared difference), of pixels in [0, 1], in dB; 100 for equal images.

    https://arxiv.org/abs/1609.04802, section 3, for one. The mean is of decibels, not of squared differences, and over
    all channels: papers on super-resolution take `luma` alone, and leave out a `border` as wide as the factor.
    """
    return of_pairs(
        "psnr",
        partial(decibels, luma=luma, border=border),
        better="higher",
        one_line="sees every difference of pixels from the truth, large ones most; prefers what is blurred to what is "
        "sharp and a pixel aside",
        paper="https://arxiv.org/abs/1609.04802",
    )._replace(check=partial(require_sides, "psnr", least=1 + 2 * border))


def decibels(results: Array, truths: Array, luma: bool = False, border: int = 0) -> Array:
    """PSNR of each pair of images uint8 [B, H, W, C]: [B]. `luma`, `border`: see `looked_at`."""
    difference = looked_at(results, luma, border) - looked_at(truths, luma, border)
    error = jnp.square(difference).mean(axis=(1, 2, 3))
    return -10 * jnp.log10(jnp.maximum(error, 10 ** (-MOST / 10)))
