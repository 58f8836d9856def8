"""The bilinear forms of 1-D convolution that cpu_conv.py applies along both axes of an image, and their choice.

A form computes neighbouring outputs y of a convolution of stride s from a window d of its input and its k taps g:

    y = A [(W g) * (V d)]

with `*` the product of equal positions. Every s-th value of d and of g belongs to one of s phases; phases are added up
like channels, so that a form speaks of one phase, where the stride is 1. With one output, W and V are identities and
the products of all taps are added up: the textbook sum, "im2col" in two dimensions. With two outputs they are
Winograd's F(2, r), https://arxiv.org/abs/1509.09308, r = ceil(k / s) taps a phase: r + 1 products instead of 2 r. All
coefficients of F(2, 2) are 0 or ±1, those of F(2, 3) also ±1/2: nothing is lost to rounding.
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
    """One bilinear form along one axis. Window, step and taps are counted within a phase."""

    phases: int  # values d[i], d[i + phases], ... belong together
    outputs: int  # outputs of a window: 1 or 2
    products: int  # products that are not summed over taps: 1, or r + 1
    step: int  # values from one window to the next
    data: Matrix  # V, [window, window]
    taps: Matrix  # W, [window, taps]
    result: Matrix  # A, [outputs, products]

    @property
    def window(self) -> int:
        """Number of values that a window spans: its places."""
        return len(self.data)


@cache
def direct(k: int, stride: int) -> Form:
    """One output at a time: the sum over all taps, phase by phase where each has as many."""
    phases = 1 if k % stride else stride
    identity = _matrix(np.eye(k // phases))
    return Form(phases, 1, 1, stride // phases, identity, identity, ((1.0,),))


@cache
def winograd(k: int, stride: int) -> Form:
    """F(2, r) on each of the phases, r = ceil(k / stride) in {2, 3}; a phase that lacks a tap has a zero there."""
    r = math.ceil(k / stride)
    data, taps, result = (_matrix(np.array(matrix, float)) for matrix in F2[r])
    return Form(stride, 2, r + 1, 2, data, taps, result)


def choose(k: int, stride: int, channels: int, small: tuple[int, int]) -> Form:
    """The form for a convolution whose input has so many channels and whose output is `small` = (height, width)."""
    r = math.ceil(k / stride)
    if r not in F2 or channels < FEW_CHANNELS:
        return direct(k, 1 if small == (1, 1) else stride)
    tiles = math.prod(math.ceil(side / 2) for side in small)
    left = tiles * (stride * (r + 1)) ** 2 / (math.prod(small) * k**2)
    return winograd(k, stride) if left <= WORTHWHILE else direct(k, stride)


def transpose(matrix: Matrix) -> Matrix:
    """The transpose of a matrix."""
    return tuple(zip(*matrix, strict=True))


def spread_over(matrix: Matrix, phases: int) -> Matrix:
    """The matrix of one phase -> that of all, interleaved."""
    return _matrix(np.kron(np.array(matrix), np.eye(phases)))


def _matrix(array: np.ndarray) -> Matrix:
    return tuple(tuple(float(x) for x in row) for row in array)
