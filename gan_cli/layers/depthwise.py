"""Depthwise convolutions: each channel is convolved by itself.

XLA:CPU has a generic loop for them. There they are sums of shifted images times one weight a channel, which compile to
a single loop over contiguous channels (docs/cpu-convolutions.md#depthwise says what that gains); elsewhere they are
`lax`'s. Images are [B, H, W, C] in either case, not in the layout inside of networks.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from gan_cli.layers.adjoints import Pads, adjoint
from gan_cli.layers.layout import Padding, batch_last, pads_of
from gan_cli.types import Array


def depthwise(x: Array, kernel: Array, stride: int = 1, padding: Padding = "SAME") -> Array:
    """Convolution of x [B, H, W, C] with kernel [k, k, C], channel by channel: [B, H', W', C].

    H' = (H + padding - k) // stride + 1; with "SAME", ceil(H / stride).
    """
    _, height, width, channels = x.shape
    pads = pads_of(padding, (height, width), kernel, stride)
    if batch_last():
        return _conv(_Geometry(len(kernel), stride, pads, (height, width)), kernel, x)
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
    )


class _Geometry(NamedTuple):
    """The numbers of a convolution, which are those of its transpose, too."""

    kernel: int  # taps along one axis
    stride: int
    pads: Pads  # of the large map
    large: tuple[int, ...]  # height and width


def _plain(geometry: _Geometry, kernel: Array, large: Array) -> Array:
    """Large map [B, H, W, C] -> small map [B, H', W', C]."""
    pairs = zip(_shifted(geometry, large), kernel, strict=True)
    terms = [part * weight for parts, weights in pairs for part, weight in zip(parts, weights, strict=True)]
    return sum(terms[1:], terms[0])


def _transposed(geometry: _Geometry, kernel: Array, small: Array) -> Array:
    """Small map -> large map: zeros between the pixels, then a convolution with the reversed kernel."""
    reach, apart = geometry.kernel - 1, geometry.stride - 1
    spread = lax.pad(small, jnp.zeros((), small.dtype), [(0, 0, 0), (0, 0, apart), (0, 0, apart), (0, 0, 0)])
    sides = zip(geometry.large, spread.shape[1:3], geometry.pads, strict=True)
    pads = tuple((reach - before, large + before - side) for large, side, (before, _) in sides)
    return _plain(_Geometry(geometry.kernel, 1, pads, spread.shape[1:3]), kernel[::-1, ::-1], spread)


def _of_kernel(geometry: _Geometry, large: Array, small: Array) -> Array:
    """Large map and small map -> kernel [k, k, C]."""
    shifted = _shifted(geometry, large)
    return jnp.stack([jnp.stack([(part * small).sum((0, 1, 2)) for part in row]) for row in shifted])


def _shifted(geometry: _Geometry, large: Array) -> list[list[Array]]:
    """What each tap of a kernel sees of a large map: [B, H', W', C], by row and column of the kernel.

    The padded map is computed once: in the loop itself, padding would be a question at each tap.
    """
    k, stride = geometry.kernel, geometry.stride
    x = lax.optimization_barrier(jnp.pad(large, ((0, 0), *geometry.pads, (0, 0))))
    rows, columns = (n - k - (n - k) % stride + 1 for n in x.shape[1:3])  # from a tap's first pixel to its last
    return [[x[:, u : u + rows : stride, v : v + columns : stride] for v in range(k)] for u in range(k)]


_conv, _conv_transpose, _kernel_gradient = adjoint(_plain, _transposed, _of_kernel)
