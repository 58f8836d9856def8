"""Structural similarity of two images, on one scale and on several, for many pairs at once in JAX.

https://www.cns.nyu.edu/pub/lcv/wang03-preprint.pdf, with the constants of that paper.
"""

import math
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from pydantic import NonNegativeInt

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import levels, looked_at, of_pairs, require_sides
from gan_cli.types import Array

WINDOW = 11  # pixels: the side of the Gaussian window
SD = 1.5  # pixels
K1, K2 = 0.01, 0.03
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from fine to coarse


def ssim(
    *,
    luma: bool = False,  # of RGB the brightness alone, Y of BT.601
    border: NonNegativeInt = 0,  # pixels that are left out on each side
) -> Metric:
    """Mean structural similarity (SSIM) of each result and the truth; 1 is best.

    https://doi.org/10.1109/TIP.2003.819861: windows are Gaussian, sd 1.5 in 11x11 pixels, and lie within the image; the
    similarity is taken channel by channel, then averaged. `luma` and `border` are for super-resolution, as in `psnr`.
    """
    return of_pairs(
        "ssim",
        partial(similarity, luma=luma, border=border),
        better="higher",
        one_line="sees blur, noise and lost structure beside the truth; sees little of shifts of brightness and colour",
        paper="https://doi.org/10.1109/TIP.2003.819861",
    )._replace(check=partial(require_sides, "ssim", least=WINDOW + 2 * border))


def similarity(a: Array, b: Array, luma: bool = False, border: int = 0) -> Array:
    """SSIM of pairs of images uint8 [B, H, W, C]: [B]. `luma`, `border`: see `looked_at`."""
    luminance, rest = compare(looked_at(a, luma, border), looked_at(b, luma, border))
    return (luminance * rest).mean(axis=(1, 2, 3))


def scales(height: int, width: int) -> int:
    """Number of scales, each half as large as the one before, of an image with this size in pixels: 0 to 5.

    The last is still as large as the window, 11 pixels: 1 from 11 pixels, 2 from 22, 3 from 44, 4 from 88, 5 from 176.
    """
    side = min(height, width)
    return min(len(WEIGHTS), int(math.log2(side / WINDOW)) + 1) if side >= WINDOW else 0


def ms_ssim(a: Array, b: Array) -> Array:
    """MS-SSIM of pairs of images uint8 [B, H, W, C]: [B], 1 for equal images, 0 for unlike ones.

    The product over scales of contrast and structure, on the coarsest also luminance, each to the power of its weight.
    An image too small for five scales has fewer (`scales`), and their weights are enlarged to the sum of all five. It
    is taken channel by channel, then averaged. A negative factor, as between an image and its negative, counts as 0.
    """
    n = scales(*a.shape[1:3])
    weights = np.array(WEIGHTS[:n]) * sum(WEIGHTS) / sum(WEIGHTS[:n])
    a, b = levels(a), levels(b)
    product = jnp.ones(())
    for i, weight in enumerate(weights):
        luminance, rest = compare(a, b)  # [B, H, W, C] each
        value = (luminance * rest if i == n - 1 else rest).mean(axis=(1, 2))  # [B, C]
        product *= value.clip(0) ** weight
        a, b = halve(a), halve(b)
    return product.mean(axis=-1)


def compare(a: Array, b: Array) -> tuple[Array, Array]:
    """Luminance, and contrast times structure, of windows of images in [0, 1]: [B, H, W, C] -> [B, H - 10, W - 10, C].

    The windows are Gaussian, and lie within the image. The product of both is SSIM's map.
    """
    c1, c2 = K1**2, K2**2
    moments = jnp.concatenate([a, b, a * a, b * b, a * b], axis=-1)
    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * SD**2))
    for axis in (1, 2):  # a weighted sum of shifted images, which is exact in float32 on every platform
        inner = moments.shape[axis] - WINDOW + 1
        shifted = [lax.slice_in_dim(moments, i, i + inner, axis=axis) for i in range(WINDOW)]
        weighted = (float(w) * part for w, part in zip(window / window.sum(), shifted, strict=True))
        moments = sum(weighted, jnp.zeros(()))
    mean_a, mean_b, aa, bb, ab = jnp.split(moments, 5, axis=-1)
    variances = aa - mean_a**2 + bb - mean_b**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * (ab - mean_a * mean_b) + c2) / (variances + c2)


def halve(x: Array) -> Array:
    """Means of 2x2 pixels: [B, H, W, C] -> [B, H // 2, W // 2, C]; an odd last row or column is left out."""
    batch, height, width, channels = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
