"""The bilinear forms of 1-D convolution that cpu_conv.py applies along both axes of an image, and their choice.

A form computes neighbouring outputs y of a convolution of stride s from a window d of its input and its k taps g:

    y = A [(W g) * (V d)]

with `*` the product of equal positions, summed over the s phases of d (every s-th value belongs to a phase). With one
output, W and V are identities and the sum runs over all taps: the textbook sum, "im2col" in two dimensions. With two
outputs they are Winograd's F(2, r), https://arxiv.org/abs/1509.09308, r = ceil(k / s) taps a phase: r + 1 products
instead of 2 r. All coefficients of F(2, 2) are 0 or ±1, those of F(2, 3) also ±1/2: nothing is lost to rounding.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

Matrix = tuple[tuple[float, ...], ...]  # hashable, because forms are static arguments

# r -> V, W, A of F(2, r) for one phase: Bᵀ, G and Aᵀ in the paper
F2 = {
    2: (
        [[1, -1, 0], [0, 1, 0], [0, -1, 1]],
        [[1, 0], [1, 1], [0, 1]],
        [[1, 1, 0], [0, 1, 1]],
    ),
    3: (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]],
    ),
}
FEW_CHANNELS = 16  # with fewer, transforming the input costs more than the products that it saves
WORTHWHILE = 0.7  # with a larger share of the multiplications left, Winograd's transforms do not pay (measured)


class Form(NamedTuple):
    """One bilinear form along one axis, for a kernel of k taps and stride s."""

    outputs: int  # outputs of a window: 1 or 2
    products: int  # products that are not summed over taps: 1, or r + 1
    window: int  # input values that a window spans
    step: int  # input values from one window to the next: outputs * s
    data: Matrix  # V, [window, window]
    taps: Matrix  # W, [window, k]
    result: Matrix  # A, [outputs, products]

    @property
    def summed(self) -> int:
        """Consecutive rows of V and W that share a product: they are summed over, like channels."""
        return self.window // self.products


@cache
def direct(k: int, stride: int) -> Form:
    """One output at a time: the sum over all taps."""
    identity = _matrix(np.eye(k))
    return Form(1, 1, k, stride, identity, identity, ((1.0,),))


@cache
def winograd(k: int, stride: int) -> Form:
    """F(2, r) on each of the phases, r = ceil(k / stride) in {2, 3}; a phase that lacks a tap has a zero there."""
    r = math.ceil(k / stride)
    data, taps, result = (np.array(matrix) for matrix in F2[r])
    phases = np.eye(stride)
    return Form(
        outputs=2,
        products=r + 1,
        window=stride * (r + 1),
        step=stride * 2,
        data=_matrix(np.kron(data, phases)),
        taps=_matrix(np.kron(taps, phases)[:, :k]),
        result=_matrix(result),
    )


def choose(k: int, stride: int, channels: int, small: tuple[int, int]) -> Form:
    """The form for a convolution whose input has so many channels and whose output is `small` = (height, width)."""
    r = math.ceil(k / stride)
    if r not in F2 or channels < FEW_CHANNELS:
        return direct(k, stride)
    tiles = math.prod(math.ceil(side / 2) for side in small)
    left = tiles * (stride * (r + 1)) ** 2 / (math.prod(small) * k**2)
    return winograd(k, stride) if left <= WORTHWHILE else direct(k, stride)


def transpose(matrix: Matrix) -> Matrix:
    """The transpose of a matrix."""
    return tuple(zip(*matrix, strict=True))


def _matrix(array: np.ndarray) -> Matrix:
    return tuple(tuple(float(x) for x in row) for row in array)
