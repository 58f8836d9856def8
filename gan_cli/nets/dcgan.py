"""DCGAN, https://arxiv.org/abs/1511.06434: strided convolutions all the way, for images of 8 to 256 pixels.

Departures from the paper: kernels are 4x4 with padding 1, as everyone has had them since the Torch code, not 5x5 (every
output pixel then sees the same number of taps, and a side is halved or doubled exactly); the discriminator ends in one
convolution over the whole map; the norm can be chosen. The paper's 64-pixel generator has 128 channels at 32 pixels and
1024 at 4: `width = 128, max_width = 1024`.
"""

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import NonNegativeInt, PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.norms import Norm
from gan_cli.layers.ports import Projection, beside, require_condition, require_image, require_vector
from gan_cli.types import Array, Ports

SMALLEST, LARGEST = 8, 256  # pixels of a side
SLOPE = 0.2  # the negative slope of the discriminator's leaky ReLU


def normal_kernel(key: Array, shape: tuple[int, ...], dtype: type = jnp.float32) -> Array:
    """The paper's initial weights: N(0, 0.02²)."""
    return 0.02 * jax.random.normal(key, shape, dtype)


def normal_scale(key: Array, shape: tuple[int, ...], dtype: type = jnp.float32) -> Array:
    """Initial scales of norm layers, as in the authors' code: N(1, 0.02²)."""
    return 1.0 + normal_kernel(key, shape, dtype)


class Pyramid(NamedTuple):
    """The pyramid of maps between an image and its smallest map."""

    base: int  # side of the smallest map, 4 to 7 pixels
    widths: tuple[int, ...]  # channels of the inner maps, from the widest resolution (half the image's) down to base
    colours: int  # channels of the image


def plan(shape: tuple[int, ...], net: str, end: str, width: int, max_width: int) -> Pyramid:
    """The pyramid for images of this shape; raises InputError for a shape that has none."""
    height, width_pixels, colours = require_image(shape, net, end)
    halvings = (height // 4).bit_length() - 1  # the largest k with 4 * 2^k <= side
    if height != width_pixels or not SMALLEST <= height <= LARGEST or height % 2**halvings:
        raise InputError(
            f'net = "{net}" cannot have images of {height} x {width_pixels} pixels at its {end}: it wants square ones '
            f"whose side is 4, 5, 6 or 7 times a power of two, from {SMALLEST} to {LARGEST} pixels (28, 32, 64, ...)"
        )
    if end == "output" and colours > 4:  # at an input they may be several images, packed
        raise InputError(f'net = "{net}" makes images of 1 to 4 channels, not {colours}')
    return Pyramid(height >> halvings, tuple(min(width << i, max_width) for i in range(halvings)), colours)


class Generator(nnx.Module):
    """Latent -> smallest map -> doubled by transposed convolutions up to the image."""

    def __init__(
        self, latent: int, plan: Pyramid, rngs: nnx.Rngs, norm: str, classes: int, condition: str, embedding: int
    ):
        widths = plan.widths[::-1]  # from the smallest map up
        bias = norm == "none"  # a norm layer has its own
        self.label = beside(condition, classes, rngs, embedding=embedding)
        latent += self.label.size if self.label else 0
        self.project = layers.ConvTranspose(
            latent, widths[0], plan.base, rngs, padding=0, bias=bias, init=normal_kernel
        )
        self.ups = nnx.List([_up(i, o, rngs, bias) for i, o in pairwise(widths)])
        own = classes if condition == "norm" else 0
        self.norms = nnx.List([layers.norm(norm, width, rngs, normal_scale, own) for width in widths])
        self.to_image = _up(widths[-1], plan.colours, rngs, bias=True)

    def __call__(self, z: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:
        """z [B, L], y int32 [B] if there is a label -> (images [B, H, W, C] in (-1, 1), {})."""
        z = z if self.label is None else self.label(z, y)
        h = layers.enter(z[:, None, None, :])
        for layer, norm in zip([self.project, *self.ups], self.norms, strict=True):
            h = _active(layer(h), norm, y)
        return jnp.tanh(layers.leave(self.to_image(h))), {}  # [B, H, W, C]


class Branched(nnx.Module):
    """A generator whose last two layers are each label's own."""

    def __init__(self, latent: int, plan: Pyramid, rngs: nnx.Rngs, norm: str, branches: int):
        widths = plan.widths[::-1]  # from the smallest map up
        shared = max(1, len(widths) - 1)  # maps that all branches have in common
        bias = norm == "none"
        self.project = layers.ConvTranspose(
            latent, widths[0], plan.base, rngs, padding=0, bias=bias, init=normal_kernel
        )
        self.ups = nnx.List([_up(i, o, rngs, bias) for i, o in pairwise(widths[:shared])])
        self.norms = nnx.List([layers.norm(norm, width, rngs, normal_scale) for width in widths[:shared]])
        self.ends = nnx.List([End(widths[shared - 1 :], plan.colours, rngs, norm) for _ in range(branches)])

    def __call__(self, z: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """z [B, L], y int32 [B], the branch of each -> (images [B, H, W, C] in (-1, 1), {})."""
        h = layers.enter(z[:, None, None, :])
        for layer, norm in zip([self.project, *self.ups], self.norms, strict=True):
            h = _active(layer(h), norm)
        each = jnp.stack([end(h) for end in self.ends])  # [K, B, H, W, C]
        own = jax.nn.one_hot(y, len(each), dtype=each.dtype)  # [B, K]
        return jnp.einsum("bk,kbhwc->bhwc", own, each), {}


class End(nnx.Module):
    """The last layers of a generator: maps of these widths, then the image."""

    def __init__(self, widths: tuple[int, ...], colours: int, rngs: nnx.Rngs, norm: str):
        self.ups = nnx.List([_up(i, o, rngs, norm == "none") for i, o in pairwise(widths)])
        self.norms = nnx.List([layers.norm(norm, width, rngs, normal_scale) for width in widths[1:]])
        self.to_image = _up(widths[-1], colours, rngs, bias=True)

    def __call__(self, h: Array) -> Array:
        """A map in the inner layout -> images [B, H, W, C] in (-1, 1)."""
        for layer, norm in zip(self.ups, self.norms, strict=True):
            h = _active(layer(h), norm)
        return jnp.tanh(layers.leave(self.to_image(h)))


def _active(h: Array, norm: Norm | None, y: Array | None = None) -> Array:
    return jax.nn.relu(h if norm is None else norm(h, y))


class Discriminator(nnx.Module):
    """Image -> halved by convolutions down to the smallest map -> score."""

    def __init__(
        self,
        plan: Pyramid,
        outputs: tuple[int, ...],
        rngs: nnx.Rngs,
        norm: str,
        kernels: int,
        dims: int,
        classes: int,
        condition: str,
    ):
        spectral = norm == "spectral"
        side = plan.base << len(plan.widths)  # pixels
        self.label = beside(condition, classes, rngs, side=(side, side))
        sizes = (plan.colours + (self.label.size if self.label else 0), *plan.widths)
        own_bias = norm in ("none", "spectral")  # a norm layer has its own
        self.downs = nnx.List(
            [
                layers.Conv(
                    inputs,
                    width,
                    4,
                    rngs,
                    stride=2,
                    padding=1,
                    bias=own_bias or level == 0,
                    spectral=spectral,
                    init=normal_kernel,
                )
                for level, (inputs, width) in enumerate(pairwise(sizes))
            ]
        )
        inner = [layers.norm(norm, width, rngs, normal_scale) for width in plan.widths[1:]]
        self.norms = nnx.List([None, *inner])  # none after the image, as in the paper
        flat = plan.base**2 * sizes[-1]
        ends = math.prod(outputs)
        self.score = layers.Conv(sizes[-1], ends, plan.base, rngs, padding=0, spectral=spectral, init=normal_kernel)
        self.projection = (
            Projection(classes, flat, rngs, normal_kernel, spectral=spectral) if condition == "projection" else None
        )
        self.minibatch = layers.MinibatchDiscrimination(flat, kernels, dims, rngs) if kernels else None
        self.closeness = layers.Linear(kernels, ends, rngs, bias=False, spectral=spectral) if kernels else None
        self.outputs = outputs

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:
        """x [B, H, W, C], y int32 [B] if there is a label -> (scores [B] or [B, F], {"features": the smallest map}).

        The features are flattened: [B, base base width].
        """
        h = layers.enter(x)
        h = h if self.label is None else self.label(h, y)
        for layer, norm in zip(self.downs, self.norms, strict=True):
            h = layer(h)
            h = jax.nn.leaky_relu(h if norm is None else norm(h), SLOPE)
        features = layers.leave(h).reshape(len(x), -1)
        score = layers.leave(self.score(h)).reshape(len(x), -1)  # [B, F]
        if self.projection is not None:
            score = score + self.projection(features, y)
        if self.minibatch is not None and self.closeness is not None:
            closeness = self.minibatch(features)[:, features.shape[1] :]  # a last layer is linear in what is appended
            score = score + self.closeness(closeness)
        return score.reshape(len(x), *self.outputs), {"features": features}


def _up(inputs: int, features: int, rngs: nnx.Rngs, bias: bool) -> layers.ConvTranspose:
    return layers.ConvTranspose(inputs, features, 4, rngs, stride=2, padding=1, bias=bias, init=normal_kernel)


def generator(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the image's side; doubles with each halving of the side
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "layer", "instance", "none"] = "batch",  # of every layer but the last
    condition: Literal["none", "concatenate", "embedding", "norm"] = "none",  # how a label enters; see below
    embedding: PositiveInt = 50,  # numbers that stand for a label with condition = "embedding"
) -> nnx.Module:
    """DCGAN generator: a latent -> images in (-1, 1).

    https://arxiv.org/abs/1511.06434. A label is put beside the latent, one-hot ("concatenate",
    https://arxiv.org/abs/1411.1784) or as learnt numbers ("embedding"), or has scales and shifts of its own in every
    norm layer ("norm", https://arxiv.org/abs/1802.05637). Raises InputError unless the image is square, its side is 4
    to 7 times a power of two between 8 and 256 pixels, and it has 1 to 4 channels.
    """
    require_condition(ports, "dcgan.generator", condition, ("concatenate", "embedding", "norm"))
    if condition == "norm" and norm == "none":
        raise InputError(
            'net = "dcgan.generator": condition = "norm" gives each label a norm layer\'s scales, and norm = "none" '
            'has no such layer; norm = "batch" would do'
        )
    latent = require_vector(ports.inputs, "dcgan.generator", "input")
    pyramid = plan(ports.outputs, "dcgan.generator", "output", width, max_width)
    return Generator(latent, pyramid, rngs, norm, ports.classes, condition, embedding)


def branched(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the image's side; doubles with each halving of the side
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "layer", "instance", "none"] = "batch",  # of every layer but the last
) -> nnx.Module:
    """Several DCGAN generators, chosen by the label, that share all layers but the last two: those of MAD-GAN.

    https://arxiv.org/abs/1704.02906. All branches are computed for every latent and one of them is kept; the batch
    statistics of a branch are over all latents. Raises InputError as `generator` does, and when there is no label.
    """
    if not ports.classes:
        raise InputError(
            'net = "dcgan.branched" has a branch for each label, and this game gives none; "dcgan.generator"'
        )
    latent = require_vector(ports.inputs, "dcgan.branched", "input")
    pyramid = plan(ports.outputs, "dcgan.branched", "output", width, max_width)
    return Branched(latent, pyramid, rngs, norm, ports.classes)


def discriminator(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the image's side; doubles with each halving of the side
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "layer", "instance", "none", "spectral"] = "batch",  # but for the first and the last layer
    minibatch_kernels: NonNegativeInt = 0,  # views of minibatch discrimination beside the last layer; 0: none
    minibatch_dims: PositiveInt = 5,  # numbers in each view
    condition: Literal["none", "concatenate", "embedding", "projection"] = "none",  # how a label enters; see below
) -> nnx.Module:
    """DCGAN discriminator: images -> one raw score each, or a vector.

    https://arxiv.org/abs/1511.06434; "spectral" normalises the weights of every layer instead of activations,
    https://arxiv.org/abs/1802.05957. A label enters as constant channels beside the image's, one for each class
    ("concatenate"), or as a learnt channel of its own ("embedding"), or as an inner product of the features with a
    vector of its own, added to the score ("projection", https://arxiv.org/abs/1802.05637; departure: of the smallest
    map itself, not of its sum over places). Raises InputError as `generator` does.
    """
    require_condition(ports, "dcgan.discriminator", condition, ("concatenate", "embedding", "projection"))
    if ports.outputs:
        require_vector(ports.outputs, "dcgan.discriminator", "output")
        if condition == "projection":
            raise InputError(
                'net = "dcgan.discriminator": condition = "projection" is added to a score, and this network gives none'
            )
    pyramid = plan(ports.inputs, "dcgan.discriminator", "input", width, max_width)
    return Discriminator(
        pyramid, ports.outputs, rngs, norm, minibatch_kernels, minibatch_dims, ports.classes, condition
    )
