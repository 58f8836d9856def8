"""PatchGAN: a discriminator that scores overlapping patches of an image, each by itself."""

from itertools import pairwise
from typing import Any, Literal

import jax
from flax import nnx
from pydantic import NonNegativeInt, PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.ports import beside, require_condition, require_image
from gan_cli.nets.dcgan import SLOPE, normal_kernel, normal_scale
from gan_cli.types import Array, Ports

WIDEST = 8  # times the first layer's channels, at most


class PatchGAN(nnx.Module):
    """Convolutions of stride 2 while halving, then two of stride 1; the last gives a score at every place."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        rngs: nnx.Rngs,
        kernel: int,
        norm: str,
        classes: int,
        condition: str,
    ):
        spectral = norm == "spectral"
        own_bias = norm in ("none", "spectral")
        height, width, colours = shape
        self.label = beside(condition, classes, rngs, side=(height, width))
        colours += self.label.size if self.label else 0
        self.convs = nnx.List(
            [
                _conv(inputs, width, kernel, stride, rngs, own_bias or level == 0, spectral)
                for level, (stride, (inputs, width)) in enumerate(
                    zip(strides, pairwise((colours, *widths)), strict=True)
                )
            ]
        )
        self.norms = nnx.List([None, *(layers.norm(norm, width, rngs, normal_scale) for width in widths[1:])])
        self.score = _conv(widths[-1], 1, kernel, 1, rngs, bias=True, spectral=spectral)

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Any]]:
        """x [B, H, W, C], y int32 [B] if there is a label -> (scores of patches [B, h, w], {"maps": ...}).

        The maps are those of all layers but the last, from the finest on, [B, h', w', F] each; "features" are the last
        of them.
        """
        h = layers.enter(x)
        h = h if self.label is None else self.label(h, y)
        maps = []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            h = conv(h)
            h = jax.nn.leaky_relu(h if norm is None else norm(h), SLOPE)
            maps.append(layers.leave(h))
        return layers.leave(self.score(h))[..., 0], {"features": maps[-1], "maps": maps}


def _conv(
    inputs: int, features: int, kernel: int, stride: int, rngs: nnx.Rngs, bias: bool, spectral: bool
) -> layers.Conv:
    padding = 1 if kernel > 1 else 0
    return layers.Conv(
        inputs, features, kernel, rngs, stride=stride, padding=padding, bias=bias, spectral=spectral, init=normal_kernel
    )


def patchgan(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the first layer; doubles with each further one, up to 8 times as many
    halvings: NonNegativeInt = 3,  # layers of stride 2: patches of 16 (1), 34 (2), 70 (3), 142 (4), 286 (5) pixels
    kernel: Literal[1, 4] = 4,  # side; 1: each pixel is judged by itself, by so many layers, and nothing is halved
    norm: Literal["batch", "layer", "instance", "none", "spectral"] = "batch",  # but for the first and the last layer
    condition: Literal["none", "concatenate", "embedding"] = "none",  # how a label enters: as for dcgan.discriminator
) -> nnx.Module:
    """PatchGAN discriminator: images -> a raw score for each patch; losses are their mean.

    https://arxiv.org/abs/1611.07004, section 3.2.2 and appendix 6.1.2: `halvings = 3` is C64-C128-C256-C512, whose
    patches are 70 x 70 pixels; its others are 1, with `kernel = 1, halvings = 1`, 16 with 1 and 286 with 5. It takes
    images of any size that leaves at least one patch place.
    """
    require_condition(ports, "patchgan", condition, ("concatenate", "embedding"))
    height, width_pixels, colours = require_image(ports.inputs, "patchgan", "input")
    if ports.outputs:
        raise InputError('net = "patchgan" gives a score for each patch; the game wants one vector for each image')
    strides = (*(2 if kernel > 1 else 1 for _ in range(halvings)), 1)
    smallest = min(height, width_pixels) // 2**halvings - 2 if kernel > 1 else 1  # stride 1 takes a place, twice
    if smallest < 1:
        raise InputError(
            f'net = "patchgan" with halvings = {halvings} leaves no patch of {height} x {width_pixels} pixels; '
            "fewer halvings would do"
        )
    widths = tuple(width * min(2**level, WIDEST) for level in range(halvings + 1))
    shape = (height, width_pixels, colours)
    return PatchGAN(shape, widths, strides, rngs, kernel, norm, ports.classes, condition)
