"""Convolutions that are fast on CPUs: matrix products between cheap linear maps, on images [C, H, W, N].

XLA:CPU runs transposed convolutions and the gradients of convolutions in generic loops, several times slower than its
matrix products. Here every convolution is

    y = finish(gather_taps(kernel)ᵀ gather(x))

where `gather` cuts x into windows and combines their pixels, `gather_taps` does the same with the kernel, and `finish`
combines products into outputs; the coefficients are those of a `Form` (winograd.py) along both axes. A transposed
convolution is its adjoint in x, and the gradient of the kernel its adjoint in the kernel (adjoints.py). The maps are in
cpu_maps.py; docs/cpu-convolutions.md derives it all and says what it gains.

The products are of taps U [G, K, O], data V [G, K, M] and results Y [G, O, M]. XLA:CPU multiplies a transposed left
operand slowly (in bfloat16, by making it float32), so Uᵀ is an operand, too. Operands may be bfloat16; sums and results
are at least float32, which is both faster (2x, measured) and more exact than results of bfloat16.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jax import lax

from gan_cli.layers.adjoints import Pads, adjoint
from gan_cli.layers.cpu_maps import (
    Geometry,
    combine_both,
    finish,
    gather,
    gather_taps,
    gather_taps_transposed,
    scatter,
    scatter_taps,
    spread,
)
from gan_cli.layers.winograd import choose
from gan_cli.types import Array


def conv(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Convolution of x [C, H, W, N] with kernel [k, k, C, O]: [O, H', W', N].

    H' = (H + padding - k) // stride + 1.
    """
    (top, bottom), (left, right) = pads
    k, _, channels, _ = kernel.shape
    _, height, width, _ = x.shape
    small = ((height + top + bottom - k) // stride + 1, (width + left + right - k) // stride + 1)
    form = choose(k, stride, channels, small)
    geometry = Geometry(form, k, jnp.result_type(kernel), (top, left), (height, width), small)
    return _widely(partial(_conv, geometry), kernel, x)


def conv_transpose(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """The adjoint of `conv` with kernel [k, k, O, C], on x [C, H, W, N]: [O, H', W', N].

    H' = stride (H - 1) + k - padding.
    """
    (top, bottom), (left, right) = pads
    k, _, features, _ = kernel.shape
    _, height, width, _ = x.shape
    large = (stride * (height - 1) + k - top - bottom, stride * (width - 1) + k - left - right)
    form = choose(k, stride, features, (height, width))
    geometry = Geometry(form, k, jnp.result_type(kernel), (top, left), large, (height, width))
    return _widely(partial(_conv_transpose, geometry), kernel, x)


def _widely(bilinear: Callable[[Array, Array], Array], kernel: Array, x: Array) -> Array:
    """`bilinear` and its derivatives computed in float32 or wider; the result has the dtype of `x`."""
    wide = (value.astype(jnp.promote_types(jnp.result_type(value), jnp.float32)) for value in (kernel, x))
    return bilinear(*wide).astype(x.dtype)


def up_conv(x: Array, kernel: Array) -> Array:
    """Nearest-neighbour enlargement by 2, then convolution with kernel [3, 3, C, O], stride 1, padding 1.

    An output pixel sees an input pixel through one or two taps: together, a transposed 4x4 convolution of stride 2.
    """
    folded = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))  # which of the three taps meet in each of the four
    taps = combine_both(folded, [list(row) for row in kernel])
    kernel = jnp.stack([jnp.stack(row) for row in taps]).swapaxes(2, 3)  # [4, 4, O, C]
    return conv_transpose(x, kernel, 2, ((1, 1), (1, 1)))


def _plain(geometry: Geometry, kernel: Array, large: Array) -> Array:
    """Kernel [k, k, A, B] and large map [A, H, W, N] -> small map [B, H', W', N]."""
    results = _product(gather_taps_transposed(geometry, kernel), gather(geometry, large), (2, 1))  # Y = Uᵀ V
    return finish(geometry, results)


def _transposed(geometry: Geometry, kernel: Array, small: Array) -> Array:
    """Kernel and small map -> large map."""
    return scatter(geometry, _product(gather_taps(geometry, kernel), spread(geometry, small), (2, 1)))  # V = U Y


def _of_kernel(geometry: Geometry, large: Array, small: Array) -> Array:
    """Large map and small map -> kernel."""
    return scatter_taps(geometry, _product(gather(geometry, large), spread(geometry, small), (2, 2)))  # U = V Yᵀ


def _product(a: Array, b: Array, summed: tuple[int, int]) -> Array:
    """The product of each of G pairs of matrices, summed over one axis of each."""
    axes = (((summed[0],), (summed[1],)), ((0,), (0,)))
    return lax.dot_general(a, b, axes, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))


_conv, _conv_transpose, _kernel_gradient = adjoint(_plain, _transposed, _of_kernel)
