"""Convolutions as XLA knows them, on images [N, H, W, C], in the forms for which GPUs and TPUs have programs.

For the gradient of a transposed convolution in its kernel JAX itself takes the large map as a kernel, and dilates the
small one. cuDNN has no such convolution, and XLA:CPU takes 15 to 34 times as long for it as for the one here.
"""

from typing import NamedTuple

from jax import lax

from gan_cli.layers.adjoints import Pads, adjoint
from gan_cli.types import Array


class _Geometry(NamedTuple):
    """The numbers of a convolution, which are those of its transpose, too."""

    stride: int
    pads: Pads  # of the large map
    over: tuple[int, int]  # rows and columns of the padded large map that the last stride leaves over

    def pads_used(self) -> list[tuple[int, int]]:
        """The padding without what is left over, which may make it negative."""
        return [(before, after - over) for (before, after), over in zip(self.pads, self.over, strict=True)]


def conv(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Convolution of x [N, H, W, C] with kernel [k, k, C, O]: [N, H', W', O], H' = (H + padding - k) // stride + 1."""
    height, width = ((n + sum(pad) - len(kernel)) % stride for n, pad in zip(x.shape[1:3], pads, strict=True))
    return _conv(_Geometry(stride, pads, (height, width)), kernel, x)


def conv_transpose(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """The adjoint of `conv` with kernel [k, k, O, C], on x [N, H, W, C]: [N, H', W', O].

    H' = stride (H - 1) + k - padding.
    """
    return _conv_transpose(_Geometry(stride, pads, (0, 0)), kernel, x)


def _plain(geometry: _Geometry, kernel: Array, large: Array) -> Array:
    strides = (geometry.stride, geometry.stride)
    return lax.conv_general_dilated(large, kernel, strides, geometry.pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _transposed(geometry: _Geometry, kernel: Array, small: Array) -> Array:
    """A reversed kernel is what XLA looks for before it calls cuDNN's gradient of the input, which reverses none."""
    reach = len(kernel) - 1
    return lax.conv_general_dilated(
        small,
        lax.rev(kernel.swapaxes(2, 3), (0, 1)),  # jax2onnx knows no kernel [k, k, O, I]
        (1, 1),
        [(reach - before, reach - after) for before, after in geometry.pads_used()],
        lhs_dilation=(geometry.stride, geometry.stride),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _of_kernel(geometry: _Geometry, large: Array, small: Array) -> Array:
    """The large map's channels are the batch, and the batch its channels."""
    return lax.conv_general_dilated(
        large,
        small,
        (1, 1),
        geometry.pads_used(),
        rhs_dilation=(geometry.stride, geometry.stride),
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )


_conv, _conv_transpose, _kernel_gradient = adjoint(_plain, _transposed, _of_kernel)
