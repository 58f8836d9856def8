"""Auto-encoders, the discriminators of energy-based GANs: input -> code -> reconstruction."""

import math
from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.nets.dcgan import SLOPE, Pyramid, normal_kernel, normal_scale, plan
from gan_cli.nets.mlp import ACTIVATIONS, Activation
from gan_cli.types import Array, Ports


def _require_same_ends(ports: Ports, net: str) -> None:
    """Raise InputError unless input and output are of one shape, and there is no label."""
    if ports.classes:
        raise InputError(
            f'net = "{net}" takes no label, but the game gives it one of {ports.classes} classes; '
            "choose a network that does, or a game without labels"
        )
    if ports.inputs != ports.outputs:
        raise InputError(
            f'net = "{net}" gives back what it is given, of shape {ports.inputs}, but the game wants {ports.outputs}; '
            "it is for energy-based games"
        )


class Dense(nnx.Module):
    """Linear layers down to the code and up again."""

    def __init__(self, ports: Ports, rngs: nnx.Rngs, hidden: tuple[int, ...], code: int, activation: str):
        size = math.prod(ports.inputs)
        down, up = (size, *hidden, code), (code, *reversed(hidden), size)
        init = nnx.initializers.glorot_uniform()
        self.encoder = nnx.List([layers.Linear(i, o, rngs, init=init) for i, o in pairwise(down)])
        self.decoder = nnx.List([layers.Linear(i, o, rngs, init=init) for i, o in pairwise(up)])
        self.activation = activation

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """x [B, ...] -> (its reconstruction [B, ...], {"features": the code [B, F]})."""
        act = ACTIVATIONS[self.activation]
        h = x.reshape(len(x), -1)
        for linear in self.encoder:
            h = act(linear(h))
        code = h  # [B, F]
        for linear in list(self.decoder)[:-1]:
            h = act(linear(h))
        return self.decoder[-1](h).reshape(x.shape), {"features": code}


def mlp(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    hidden: tuple[PositiveInt, ...] = (128,),  # units from the input to the code; the decoder has the reverse
    code: PositiveInt = 16,  # units of the code
    activation: Activation = "relu",  # of every layer but the last; leaky_relu has slope 0.2
) -> nnx.Module:
    """Auto-encoder of vectors or flattened images, linear at its output."""
    _require_same_ends(ports, "autoencoder.mlp")
    return Dense(ports, rngs, hidden, code, activation)


class Convolutional(nnx.Module):
    """Image -> halved by convolutions down to the smallest map, the code -> doubled up to the image again."""

    def __init__(self, plan: Pyramid, rngs: nnx.Rngs, norm: str):
        bias = norm == "none"
        downs, ups = (plan.colours, *plan.widths), plan.widths[::-1]
        self.downs = nnx.List(
            [
                layers.Conv(i, o, 4, rngs, stride=2, padding=1, bias=bias or level == 0, init=normal_kernel)
                for level, (i, o) in enumerate(pairwise(downs))
            ]
        )
        self.down_norms = nnx.List([None, *(layers.norm(norm, width, rngs, normal_scale) for width in plan.widths[1:])])
        self.ups = nnx.List(
            [
                layers.ConvTranspose(i, o, 4, rngs, stride=2, padding=1, bias=bias, init=normal_kernel)
                for i, o in pairwise(ups)
            ]
        )
        self.up_norms = nnx.List([layers.norm(norm, width, rngs, normal_scale) for width in ups[1:]])
        self.to_image = layers.ConvTranspose(
            ups[-1], plan.colours, 4, rngs, stride=2, padding=1, bias=True, init=normal_kernel
        )

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """x [B, H, W, C] -> (its reconstruction in (-1, 1), {"features": the code, flattened [B, F]})."""
        h = layers.enter(x)
        for layer, norm in zip(self.downs, self.down_norms, strict=True):
            h = layer(h)
            h = jax.nn.leaky_relu(h if norm is None else norm(h), SLOPE)
        code = layers.leave(h).reshape(len(x), -1)
        for up, norm in zip(self.ups, self.up_norms, strict=True):
            h = up(h)
            h = jax.nn.relu(h if norm is None else norm(h))
        return jnp.tanh(layers.leave(self.to_image(h))), {"features": code}


def conv(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the image's side; doubles with each halving of the side
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "layer", "instance", "none"] = "batch",  # but for the first and the last layer
) -> nnx.Module:
    """Convolutional auto-encoder: DCGAN's discriminator without its score, then its generator without its projection.

    https://arxiv.org/abs/1609.03126, figure 1 and appendix. Images as for `dcgan.discriminator`; values in [-1, 1].
    """
    _require_same_ends(ports, "autoencoder.conv")
    return Convolutional(plan(ports.inputs, "autoencoder.conv", "output", width, max_width), rngs, norm)
