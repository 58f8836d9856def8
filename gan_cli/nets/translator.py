"""Networks from images to images: a U-Net, and residual blocks between halvings and doublings."""

from itertools import pairwise, zip_longest
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import Field, NonNegativeInt, PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.chance import Dropout
from gan_cli.layers.ports import require_image
from gan_cli.nets.dcgan import SLOPE, normal_kernel, normal_scale
from gan_cli.types import Array, Ports

Share = Annotated[float, Field(ge=0, lt=1)]
Norm = Literal["batch", "layer", "instance", "none"]
Padding = Literal["zeros", "reflect"]
Upsample = Literal["repeat", "shuffle", "transposed"]
Layer = layers.Conv | layers.ConvTranspose | layers.ShuffleConv | layers.UpConv
CONVS: dict[Padding, type[layers.Conv]] = {"zeros": layers.Conv, "reflect": layers.ReflectedConv}
DROPPING = 3  # doublings of a U-Net that are followed by dropout


class UNet(nnx.Module):
    """Halved by convolutions, doubled by transposed ones, which see the map of their size from the way down, too."""

    def __init__(self, colours: tuple[int, int], widths: tuple[int, ...], norm: Norm, dropout: float, rngs: nnx.Rngs):
        """`widths`: channels of the maps on the way down, from half the image's side to the smallest."""
        bias = norm == "none"  # a norm layer has its own
        last = len(widths) - 1
        self.downs = nnx.List(
            [
                layers.Conv(i, o, 4, rngs, stride=2, padding=1, bias=bias or level in (0, last), init=normal_kernel)
                for level, (i, o) in enumerate(pairwise((colours[0], *widths)))
            ]
        )
        # No norm at either end, as in the paper: a smallest map may be of one pixel, which is its own mean.
        inner = [layers.norm(norm, width, rngs, normal_scale) for width in widths[1:-1]]
        self.down_norms = nnx.List([None, *inner, *([None] if last else [])])
        back = widths[-2::-1]
        inputs = (widths[-1], *(2 * width for width in back))  # two maps beside each other
        self.ups = nnx.List([_doubled(i, o, rngs, bias) for i, o in zip(inputs, back, strict=False)])
        self.up_norms = nnx.List([layers.norm(norm, width, rngs, normal_scale) for width in back])
        self.drops = nnx.List([Dropout(dropout, level) for level in range(min(DROPPING, last)) if dropout])
        self.to_image = _doubled(inputs[-1], colours[1], rngs, bias=True)

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """x [B, H, W, C] -> ([B, H, W, C'] in (-1, 1), {})."""
        h = layers.enter(x)
        maps = []
        for down, norm in zip(self.downs, self.down_norms, strict=True):
            h = down(h)
            h = jax.nn.leaky_relu(h if norm is None else norm(h), SLOPE)
            maps.append(h)
        for up, norm, drop, beside in zip_longest(self.ups, self.up_norms, self.drops, maps[-2::-1]):
            h = up(jax.nn.relu(h))
            h = h if norm is None else norm(h)
            h = h if drop is None else drop(h)
            h = jnp.concatenate([h, beside], axis=layers.axes(h).channel)
        return jnp.tanh(layers.leave(self.to_image(jax.nn.relu(h)))), {}


def _doubled(inputs: int, features: int, rngs: nnx.Rngs, bias: bool) -> layers.ConvTranspose:
    return layers.ConvTranspose(inputs, features, 4, rngs, stride=2, padding=1, bias=bias, init=normal_kernel)


class Normed(nnx.Module):
    """A layer, then a norm."""

    def __init__(self, layer: Layer, features: int, norm: Norm, rngs: nnx.Rngs):
        self.layer = layer
        self.norm = layers.norm(norm, features, rngs, normal_scale)

    def __call__(self, h: Array) -> Array:
        """A map in the inner layout -> another."""
        h = self.layer(h)
        return h if self.norm is None else self.norm(h)


class Block(nnx.Module):
    """A map and what two convolutions add to it, https://arxiv.org/abs/1512.03385; no ReLU after the sum."""

    def __init__(self, width: int, norm: Norm, padding: Padding, rngs: nnx.Rngs):
        self.first, self.second = (_convolved(width, width, 3, norm, padding, rngs) for _ in range(2))

    def __call__(self, h: Array) -> Array:
        """A map in the inner layout -> one of the same shape."""
        return h + self.second(jax.nn.relu(self.first(h)))


class ResNet(nnx.Module):
    """Convolution, halvings, residual blocks, doublings, convolution."""

    def __init__(
        self,
        colours: tuple[int, int],
        widths: tuple[int, ...],  # channels from the image's side down
        blocks: int,
        larger: int,  # doublings beyond the image's side, of the first one's width
        norm: Norm,
        padding: Padding,
        upsample: Upsample,
        skip: bool,
        ends: int,
        rngs: nnx.Rngs,
    ):
        self.first = _convolved(colours[0], widths[0], ends, norm, padding, rngs)
        self.downs = nnx.List([_convolved(i, o, 3, norm, "zeros", rngs, stride=2) for i, o in pairwise(widths)])
        self.blocks = nnx.List([Block(widths[-1], norm, padding, rngs) for _ in range(blocks)])
        self.last = _convolved(widths[-1], widths[-1], 3, norm, padding, rngs) if skip else None
        back = (*widths[::-1], *(widths[0] for _ in range(larger)))
        ups = [_enlarged(i, o, upsample, rngs, bias=norm == "none") for i, o in pairwise(back)]
        self.ups = nnx.List([Normed(up, width, norm, rngs) for up, width in zip(ups, back[1:], strict=True)])
        self.to_image = CONVS[padding](widths[0], colours[1], ends, rngs, padding=ends // 2, init=normal_kernel)

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """x [B, H, W, C] -> ([B, H', W', C'] in (-1, 1), {})."""
        h = layers.enter(x)
        for layer in (self.first, *self.downs):
            h = jax.nn.relu(layer(h))
        before = h
        for block in self.blocks:
            h = block(h)
        h = h if self.last is None else before + self.last(h)
        for layer in self.ups:
            h = jax.nn.relu(layer(h))
        return jnp.tanh(layers.leave(self.to_image(h))), {}


def _convolved(
    inputs: int, features: int, kernel: int, norm: Norm, padding: Padding, rngs: nnx.Rngs, stride: int = 1
) -> Normed:
    around, bias = kernel // 2, norm == "none"
    conv = CONVS[padding](inputs, features, kernel, rngs, stride=stride, padding=around, bias=bias, init=normal_kernel)
    return Normed(conv, features, norm, rngs)


def _enlarged(inputs: int, features: int, upsample: Upsample, rngs: nnx.Rngs, bias: bool) -> Layer:
    """Twice the side, with a kernel of 3 x 3 in every way."""
    if upsample == "transposed":
        return layers.ConvTranspose(inputs, features, 3, rngs, stride=2, bias=bias, init=normal_kernel)
    doubled = layers.ShuffleConv if upsample == "shuffle" else layers.UpConv
    return doubled(inputs, features, rngs, bias=bias, init=normal_kernel)


def unet(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the image's side; doubles with each halving of the side
    max_width: PositiveInt = 512,  # channels that no map exceeds
    halvings: PositiveInt | None = None,  # None: as many as there can be, of 256 pixels 8, down to 1 x 1
    norm: Norm = "instance",  # but for the outermost and the innermost maps
    dropout: Share = 0.0,  # of values, in the first three doublings; the paper's: 0.5
) -> nnx.Module:
    """U-Net: images -> images of the same size in (-1, 1), for what is given and what is made are aligned.

    https://arxiv.org/abs/1505.04597, as in https://arxiv.org/abs/1611.07004, appendix 6.1.1: with `norm = "batch"`, at
    256 pixels and `dropout = 0.5`, the paper's. Dropout is its noise, for games that give it seeds, and drops in
    sampling, too. Raises InputError unless both sides can be halved so often.
    """
    (height, width_pixels, colours), made = _images(ports, "translator.unet")
    if (height, width_pixels) != made[:2]:
        raise InputError(
            f'net = "translator.unet" makes images as large as those it is given, {height} x {width_pixels} pixels, '
            f'and not {made[0]} x {made[1]}; net = "translator.resnet" enlarges'
        )
    most = _halvings(height, width_pixels)
    if not most or (halvings or 1) > most:
        raise InputError(
            f'net = "translator.unet" halves both sides, and {height} x {width_pixels} pixels can be halved {most} '
            f"times{f', not {halvings}' if halvings else ''}: [data] size = 64 or another multiple of a power of two"
        )
    if dropout and (halvings or most) == 1:
        raise InputError('net = "translator.unet" with dropout wants two halvings, and has one: it is in between')
    widths = tuple(min(width << level, max_width) for level in range(halvings or most))
    return UNet((colours, made[2]), widths, norm, dropout, rngs)


def resnet(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels at the image's side; doubles with each halving
    halvings: NonNegativeInt = 2,  # before the blocks, each doubled again after them
    blocks: PositiveInt = 6,  # residual blocks, of two convolutions each; the paper's for 256 pixels: 9
    norm: Norm = "instance",  # of every layer but the last
    padding: Padding = "zeros",  # what is beyond the edges; CycleGAN has reflections, but for its halvings
    upsample: Upsample = "repeat",  # doublings: pixels repeated or shuffled by a convolution, or a transposed one
    ends: Literal[3, 5, 7, 9] = 7,  # pixels: side of the first and the last kernel
    skip: bool = False,  # what enters the blocks is added to what a convolution makes of what leaves them
) -> nnx.Module:
    """Residual network: images -> images in (-1, 1) of the same size, or of twice, four times ... the size.

    https://arxiv.org/abs/1603.08155, as in https://arxiv.org/abs/1703.10593, appendix 7.2, whose doublings are
    "transposed". With `halvings = 0`, `upsample = "shuffle"`, `ends = 9`, `skip = true` and a larger image to make it
    is SRResNet, https://arxiv.org/abs/1609.04802, with ReLU instead of PReLU and a tanh. Departures where `padding` and
    `upsample` do not say otherwise: zeros beyond the edges instead of reflections, which are slower; repeated pixels
    instead of transposed convolutions, which leave checkerboards; shuffled ones begin as if they were repeated. Raises
    InputError unless sides can be halved so often and multiplied by powers of two.
    """
    given, made = _images(ports, "translator.resnet")
    larger = (made[0] // given[0]).bit_length() - 1
    if larger < 0 or (given[0] << larger, given[1] << larger) != made[:2]:
        raise InputError(
            f'net = "translator.resnet" makes images 1, 2, 4 or 8 times as large as those it is given, {given[0]} x '
            f"{given[1]} pixels, and not {made[0]} x {made[1]}"
        )
    if halvings > (most := _halvings(given[0], given[1])):
        raise InputError(
            f'net = "translator.resnet" with halvings = {halvings}: {given[0]} x {given[1]} pixels can be halved '
            f"{most} times"
        )
    widths = tuple(width << level for level in range(halvings + 1))
    return ResNet((given[2], made[2]), widths, blocks, larger, norm, padding, upsample, skip, ends, rngs)


def _images(ports: Ports, net: str) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The shapes of what is given and of what is made; raises InputError where they are no images."""
    if ports.classes:
        raise InputError(f'net = "{net}" makes images of images alone, and the game gives it a label, too')
    return require_image(ports.inputs, net, "input"), require_image(ports.outputs, net, "output")


def _halvings(height: int, width: int) -> int:
    """How often both sides can be halved."""
    both = height | width
    return (both & -both).bit_length() - 1
