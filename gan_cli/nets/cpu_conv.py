"""Convolutions that are fast on CPUs: matrix products between cheap linear maps, on images [C, H, W, N].

XLA:CPU runs transposed convolutions and the gradients of convolutions in generic loops, several times slower than its
matrix products. Here every convolution is

    y = finish(taps_by_data(gather_taps(kernel), gather(x)))

where `gather` cuts x into windows and combines their pixels, `gather_taps` does the same with the kernel, and `finish`
combines products into outputs; the coefficients are those of a `Form` (winograd.py) along both axes. A transposed
convolution is the adjoint of the same maps. The maps are in cpu_maps.py, the products in cpu_products.py;
docs/cpu-convolutions.md derives it all and says what it gains.

Differentiable in reverse mode to any order, as gradient penalties and unrolled games need; not in forward mode (jvp).
"""

import jax.numpy as jnp
from jax import lax

from gan_cli.nets.cpu_maps import (
    Geometry,
    combine_both,
    finish,
    gather,
    gather_taps,
    scatter,
    spread,
)
from gan_cli.nets.cpu_products import taps_by_data, taps_by_results, wide
from gan_cli.nets.winograd import choose
from gan_cli.types import Array

Pads = tuple[tuple[int, int], tuple[int, int]]  # (before, after) of height and of width

NO_PADS: Pads = ((0, 0), (0, 0))


def conv(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Convolution of x [C, H, W, N] with kernel [k, k, C, O]: [O, H', W', N].

    H' = (H + padding - k) // stride + 1.
    """
    (top, bottom), (left, right) = pads
    k, _, channels, features = kernel.shape
    _, height, width, n = x.shape
    small = ((height + top + bottom - k) // stride + 1, (width + left + right - k) // stride + 1)
    if (height, width, pads) == (k, k, NO_PADS):
        # one product: nothing to cut or combine. The kernel is rearranged, not the larger map
        taps = kernel.transpose(2, 0, 1, 3).reshape(1, channels * k * k, features)
        scores = taps_by_data(x.dtype, _wide(taps), _wide(x).reshape(1, channels * k * k, n))
        return scores.astype(x.dtype).reshape(features, 1, 1, n)
    geometry = Geometry(choose(k, stride, channels, small), x.dtype, (top, left), (height, width), small)
    return finish(geometry, taps_by_data(x.dtype, gather_taps(geometry, kernel), gather(geometry, x)))


def conv_transpose(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """The adjoint of `conv` with kernel [k, k, O, C], on x [C, H, W, N]: [O, H', W', N].

    H' = stride (H - 1) + k - padding.
    """
    (top, bottom), (left, right) = pads
    k, _, features, channels = kernel.shape
    _, height, width, n = x.shape
    large = (stride * (height - 1) + k - top - bottom, stride * (width - 1) + k - left - right)
    if (height, width, pads) == (1, 1, NO_PADS):
        # the adjoint of one product; here the map is rearranged, not the larger kernel
        taps = kernel.reshape(1, k * k * features, channels)
        maps = taps_by_results(x.dtype, _wide(taps), _wide(x).reshape(1, channels, n))
        maps = maps.astype(x.dtype).reshape(k, k, features, n).transpose(2, 0, 1, 3)
        return lax.optimization_barrier(maps)  # else XLA moves the transposition past what follows, not always alike
    geometry = Geometry(choose(k, stride, features, (height, width)), x.dtype, (top, left), large, (height, width))
    return scatter(geometry, taps_by_results(x.dtype, gather_taps(geometry, kernel), spread(geometry, x)))


def _wide(x: Array) -> Array:
    """An operand of the products as they want it, so that its derivative has its type."""
    return x.astype(wide(x.dtype))


def up_conv(x: Array, kernel: Array) -> Array:
    """Nearest-neighbour enlargement by 2, then convolution with kernel [3, 3, C, O], stride 1, padding 1.

    An output pixel sees an input pixel through one or two taps: together, a transposed 4x4 convolution of stride 2.
    """
    folded = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))  # which of the three taps meet in each of the four
    taps = combine_both(folded, [list(row) for row in kernel])
    kernel = jnp.stack([jnp.stack(row) for row in taps]).swapaxes(2, 3)  # [4, 4, O, C]
    return conv_transpose(x, kernel, 2, ((1, 1), (1, 1)))
