"""Networks of several domains that have layers in common, https://arxiv.org/abs/1606.07536: DCGANs for images.

What they make and see of an example is an image of each domain, [B, K, H, W, C]; no domain's part depends on another's
but through the statistics of batch norms in common layers.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import NonNegativeInt, PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.ports import require_vector
from gan_cli.nets.dcgan import SLOPE, normal_kernel, normal_scale, plan
from gan_cli.types import Array, Ports

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, SLOPE),
    "tanh": jnp.tanh,
}
Make = Callable[[nnx.Rngs], nnx.Module]  # a layer with weights of its own, each time


class Layer(nnx.Module):
    """A convolution, a norm if there is one, an activation."""

    def __init__(self, conv: layers.Convolution, norm: str, features: int, activation: str, rngs: nnx.Rngs):
        self.conv = conv
        self.norm = layers.norm(norm, features, rngs, normal_scale)
        self.activation = activation

    def __call__(self, h: Array) -> Array:
        """A map in the inner layout -> another."""
        h = self.conv(h)
        return ACTIVATIONS[self.activation](h if self.norm is None else self.norm(h))


def _run(through: nnx.List, h: Array) -> Array:
    for layer in through:
        h = layer(h)
    return h


class Generator(nnx.Module):
    """Latent -> layers in common -> for each domain layers of its own -> its image."""

    def __init__(self, makes: Sequence[Make], shared: int, domains: int, rngs: nnx.Rngs):
        self.trunk = nnx.List([make(rngs) for make in makes[:shared]])
        self.ends = nnx.List([nnx.List([make(rngs) for make in makes[shared:]]) for _ in range(domains)])

    def __call__(self, z: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """z [B, L] -> (images [B, K, H, W, C] in (-1, 1), {})."""
        h = _run(self.trunk, layers.enter(z[:, None, None, :]))
        return jnp.stack([layers.leave(_run(end, h)) for end in self.ends], axis=1), {}


class Discriminator(nnx.Module):
    """For each domain an image -> layers of its own -> layers in common -> what is said of it."""

    def __init__(self, makes: Sequence[Make], shared: int, domains: int, outputs: tuple[int, ...], rngs: nnx.Rngs):
        """`makes`: halvings, then the last layer, which says it."""
        own, last = min(len(makes) - shared, len(makes) - 1), makes[-1]
        self.stems = nnx.List([nnx.List([make(rngs) for make in makes[:own]]) for _ in range(domains)])
        self.trunk = nnx.List([make(rngs) for make in makes[own:-1]])
        self.lasts = nnx.List([last(rngs) for _ in range(1 if shared else domains)])
        self.outputs = outputs

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """x [B, K, H, W, C] -> ([B, K, ...], {"features": the smallest maps, [B, K, F]}).

        Norms of layers in common see the maps of all domains beside each other.
        """
        maps = [_run(stem, layers.enter(x[:, domain])) for domain, stem in enumerate(self.stems)]
        batch = layers.axes(maps[0]).batch
        maps = jnp.split(_run(self.trunk, jnp.concatenate(maps, axis=batch)), len(maps), axis=batch)
        lasts = [*self.lasts] * (len(maps) // len(self.lasts))
        said = [layers.leave(last(h)).reshape(len(x), *self.outputs) for last, h in zip(lasts, maps, strict=True)]
        features = [layers.leave(h).reshape(len(x), -1) for h in maps]
        return jnp.stack(said, axis=1), {"features": jnp.stack(features, axis=1)}


def generator(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the image's side; doubles with each halving of the side
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "layer", "instance", "none"] = "batch",  # of every layer but the last
    shared: NonNegativeInt | None = None,  # layers in common, from the latent on; None: all but the last; 0: none
) -> nnx.Module:
    """DCGAN generators of several domains whose first layers are the same: a latent -> an image of each in (-1, 1).

    Sizes as those of `dcgan.generator`. Raises InputError as it does, and for more layers in common than there are.
    """
    latent = require_vector(ports.inputs, "coupled.generator", "input")
    pyramid = plan(_one(ports.outputs, "coupled.generator"), "coupled.generator", "output", width, max_width)
    widths, bias = pyramid.widths[::-1], norm == "none"  # a norm layer has its own

    def first(rngs: nnx.Rngs) -> nnx.Module:
        conv = layers.ConvTranspose(latent, widths[0], pyramid.base, rngs, padding=0, bias=bias, init=normal_kernel)
        return Layer(conv, norm, widths[0], "relu", rngs)

    def doubled(inputs: int, features: int, norm: str, bias: bool, activation: str, rngs: nnx.Rngs) -> nnx.Module:
        conv = layers.ConvTranspose(inputs, features, 4, rngs, stride=2, padding=1, bias=bias, init=normal_kernel)
        return Layer(conv, norm, features, activation, rngs)

    inner = [partial(doubled, i, o, norm, bias, "relu") for i, o in pairwise(widths)]
    makes: list[Make] = [first, *inner, partial(doubled, widths[-1], pyramid.colours, "none", True, "tanh")]
    return Generator(makes, _shared(shared, makes, "coupled.generator"), ports.outputs[0], rngs)


def discriminator(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the image's side; doubles with each halving of the side
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "layer", "instance", "none", "spectral"] = "batch",  # but for the first and the last layer
    shared: NonNegativeInt | None = None,  # layers in common, the last ones; None: all but the first; 0: none
) -> nnx.Module:
    """DCGAN discriminators of several domains whose last layers are the same: an image of each -> a score, or a vector.

    Sizes as those of `dcgan.discriminator`. Raises InputError as it does, and for more layers in common than there are.
    """
    pyramid = plan(_one(ports.inputs, "coupled.discriminator"), "coupled.discriminator", "input", width, max_width)
    if ports.outputs[:1] != ports.inputs[:1]:
        raise InputError(f'net = "coupled.discriminator" says something of each domain, not {ports.outputs}')
    spectral = norm == "spectral"
    sizes = (pyramid.colours, *pyramid.widths)

    def halved(level: int, rngs: nnx.Rngs) -> nnx.Module:
        bias = norm in ("none", "spectral") or level == 0  # a norm layer has its own
        inputs, features = sizes[level], sizes[level + 1]
        conv = layers.Conv(
            inputs, features, 4, rngs, stride=2, padding=1, bias=bias, spectral=spectral, init=normal_kernel
        )
        return Layer(conv, norm if level else "none", features, "leaky_relu", rngs)

    def last(rngs: nnx.Rngs) -> nnx.Module:
        ends = math.prod(ports.outputs[1:])
        return layers.Conv(sizes[-1], ends, pyramid.base, rngs, padding=0, spectral=spectral, init=normal_kernel)

    makes: list[Make] = [*(partial(halved, level) for level in range(len(pyramid.widths))), last]
    in_common = _shared(shared, makes, "coupled.discriminator")
    return Discriminator(makes, in_common, ports.inputs[0], ports.outputs[1:], rngs)


def _one(shape: tuple[int, ...], net: str) -> tuple[int, ...]:
    """The shape of one domain's image; raises InputError where there are not several."""
    if len(shape) != 4:
        raise InputError(f'net = "{net}" is for an image of each of several domains, as play = "cogan" has them')
    return shape[1:]


def _shared(shared: int | None, makes: Sequence[Make], net: str) -> int:
    """How many layers are in common; raises InputError for more than there are."""
    if shared is not None and shared > len(makes):
        raise InputError(f'net = "{net}": shared = {shared}, and for images of this size it has {len(makes)} layers')
    return len(makes) - 1 if shared is None else shared
