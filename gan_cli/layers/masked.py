"""Convolutions that see only what comes before, in raster order: rows from the top, in each pixel by pixel, colour by
colour. What a convolution makes of a value then depends on no later one, however many are stacked.

https://arxiv.org/abs/1601.06759, section 3.4. With several colours the channels of every map are divided into as many
groups, in order: each group is of one colour, and sees those before it in the same pixel.
"""

import numpy as np
from flax import nnx

from gan_cli.layers.layers import LECUN, Conv, Init, Kernel
from gan_cli.types import Array


def mask(shape: tuple[int, ...], colours: int, *, itself: bool) -> np.ndarray:
    """1 where a tap of a kernel [k, k, I, O] may be seen, else 0: float32 of its shape.

    `itself`: a value's own group is seen as well (mask B), else only those before it (mask A).
    """
    side, _, inputs, features = shape
    seen = np.zeros(shape, np.float32)
    seen[: side // 2] = 1  # the rows above
    seen[side // 2, : side // 2] = 1  # to the left
    ins, outs = (np.arange(n) * colours // n for n in (inputs, features))  # the colour of each channel
    seen[side // 2, side // 2] = ins[:, None] <= outs if itself else ins[:, None] < outs
    return seen


class MaskedKernel(Kernel):
    """A kernel [k, k, I, O] that is 0 where the mask is."""

    def __init__(self, shape: tuple[int, ...], rngs: nnx.Rngs, init: Init, colours: int, *, itself: bool):
        super().__init__(shape, rngs, init)
        self.shape = shape
        self.colours = colours
        self.itself = itself

    def __call__(self) -> Array:
        """The weight to use in this call."""
        weight = super().__call__()
        return weight * mask(self.shape, self.colours, itself=self.itself).astype(weight.dtype)


class MaskedConv(Conv):
    """A convolution with an odd kernel, masked; maps keep their size."""

    def __init__(
        self, inputs: int, features: int, kernel: int, rngs: nnx.Rngs, *, colours: int, itself: bool, init: Init = LECUN
    ):
        """`kernel`: its side, odd; `colours`: channels of the image; `itself`: see `mask`."""
        super().__init__(inputs, features, kernel, rngs, init=init)
        self.kernel = MaskedKernel((kernel, kernel, inputs, features), rngs, init, colours, itself=itself)
