"""Convolutions in the layout inside a network: one meaning, two forms, chosen in layout.py.

A transposed convolution is the adjoint of a convolution, and its kernel [k, k, O, I] is that convolution's kernel.
Strides and paddings are those of the convolution, too.
"""

from typing import Literal

from jax import lax

from gan_cli.layers import cpu_conv, layout
from gan_cli.types import Array

Padding = int | Literal["SAME"]  # pixels on every side, or what makes the small map 1 / stride of the large one
Pads = tuple[tuple[int, int], tuple[int, int]]  # (before, after) of height and of width


def conv(x: Array, kernel: Array, stride: int = 1, padding: Padding = "SAME") -> Array:
    """Convolution (correlation, as in every library) of images in the inner layout with kernel [k, k, I, O]."""
    height, width = layout.axes(x).space
    pads = _pads(padding, (x.shape[height], x.shape[width]), kernel, stride)
    if layout.batch_last():
        return cpu_conv.conv(x, kernel, stride, pads)
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def conv_transpose(x: Array, kernel: Array, stride: int = 1, padding: Padding = "SAME") -> Array:
    """Transposed convolution with kernel [k, k, O, I]; the side becomes stride * (n - 1) + k - padding on both sides.

    "SAME" makes it stride * n and wants k >= stride.
    """
    height, width = layout.axes(x).space
    pads = _pads(padding, (stride * x.shape[height], stride * x.shape[width]), kernel, stride)
    if layout.batch_last():
        return cpu_conv.conv_transpose(x, kernel, stride, pads)
    k = kernel.shape[0]
    return lax.conv_general_dilated(
        x,
        lax.rev(kernel, (0, 1)).swapaxes(2, 3),  # one copy with the reversal; ONNX knows no [k, k, O, I]
        (1, 1),
        [(k - 1 - before, k - 1 - after) for before, after in pads],
        lhs_dilation=(stride, stride),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def up_conv(x: Array, kernel: Array) -> Array:
    """Enlarge twofold by repeating pixels, then convolve with kernel [3, 3, I, O], stride 1, padding 1."""
    if layout.batch_last():
        return cpu_conv.up_conv(x, kernel)
    return conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, 1, 1)


def _pads(padding: Padding, large: tuple[int, int], kernel: Array, stride: int) -> Pads:
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    height, width = lax.padtype_to_pads(large, kernel.shape[:2], (stride, stride), padding)
    return height, width
