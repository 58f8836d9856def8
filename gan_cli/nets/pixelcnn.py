"""PixelCNN: logits of each value of an image, given those before it."""

from itertools import pairwise

import jax
from flax import nnx
from pydantic import NonNegativeInt, PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.masked import MaskedConv
from gan_cli.layers.ports import require_image
from gan_cli.types import Array, Ports, Shape

FIRST, INNER = 7, 3  # sides of the kernels of the first layer and of those in the blocks, pixels


class Block(nnx.Module):
    """h + what bottleneck of half as many channels makes of it."""

    def __init__(self, width: int, colours: int, rngs: nnx.Rngs):
        sizes = (2 * width, width, width, 2 * width)
        self.convs = nnx.List(
            [
                MaskedConv(i, o, side, rngs, colours=colours, itself=True)
                for (i, o), side in zip(pairwise(sizes), (1, INNER, 1), strict=True)
            ]
        )

    def __call__(self, h: Array) -> Array:
        """A map in the inner layout -> one of as many channels."""
        made = h
        for conv in self.convs:
            made = conv(jax.nn.relu(made))
        return h + made


class PixelCNN(nnx.Module):
    """A large masked convolution that sees no value itself, residual blocks that do, and two layers of 1x1."""

    def __init__(self, colours: int, outputs: Shape, rngs: nnx.Rngs, width: int, blocks: int):
        self.first = MaskedConv(colours, 2 * width, FIRST, rngs, colours=colours, itself=False)
        self.blocks = nnx.List([Block(width, colours, rngs) for _ in range(blocks)])
        self.inner = MaskedConv(2 * width, 2 * width, 1, rngs, colours=colours, itself=True)
        self.logits = MaskedConv(2 * width, colours * outputs[-1], 1, rngs, colours=colours, itself=True)
        self.outputs = outputs

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """x [B, H, W, C] -> (logits of each of its values, given those before it [B, H, W, C, levels], {})."""
        h = self.first(layers.enter(x))
        for block in self.blocks:
            h = block(h)
        for conv in (self.inner, self.logits):
            h = conv(jax.nn.relu(h))
        return layers.leave(h).reshape(len(x), *self.outputs), {}


def pixelcnn(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 16,  # channels in the blocks, and twice as many between them; at least those of the image
    blocks: NonNegativeInt = 5,  # residual blocks of a 3x3 convolution each
) -> nnx.Module:
    """PixelCNN for images of any size: 7x7 with mask A, blocks with mask B, then logits of the levels.

    https://arxiv.org/abs/1601.06759, table 1, which has width 64 and 15 blocks on CIFAR-10, 16 and 7 on MNIST. A pixel
    that is to its right in the rows above is out of a value's sight where kernels do not reach it (the blind spot of
    https://arxiv.org/abs/1606.05328). Raises InputError unless the game wants logits of images.
    """
    _, _, colours = require_image(ports.inputs, "pixelcnn", "input")
    if ports.classes or ports.outputs[:-1] != ports.inputs:
        raise InputError(
            'net = "pixelcnn" gives logits of the values of images without labels: play = "autoregressive"'
        )
    if width < colours:
        raise InputError(f'net = "pixelcnn": width = {width} is less than the {colours} channels of the images')
    return PixelCNN(colours, ports.outputs, rngs, width, blocks)
