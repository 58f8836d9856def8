"""Stub, replaced in the next commit: convolutions on CHWN through plain lax."""

from jax import lax

from gan_cli.types import Array

Pads = tuple[tuple[int, int], tuple[int, int]]


def conv(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Convolution of [C, H, W, N]."""
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=("CHWN", "HWIO", "CHWN"))


def conv_transpose(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Its adjoint."""
    k = kernel.shape[0]
    return lax.conv_general_dilated(
        x,
        lax.rev(kernel, (0, 1)),
        (1, 1),
        [(k - 1 - before, k - 1 - after) for before, after in pads],
        lhs_dilation=(stride, stride),
        dimension_numbers=("CHWN", "HWOI", "CHWN"),
    )


def up_conv(x: Array, kernel: Array) -> Array:
    """Enlarge twofold, then convolve 3x3."""
    return conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, 1, ((1, 1), (1, 1)))
