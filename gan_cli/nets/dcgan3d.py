"""DCGAN in three dimensions, for videos and volumes: 4x4x4 convolutions of stride 2 all the way.

VGAN's one-stream generator and its discriminator (https://arxiv.org/abs/1609.02612), and 3D-GAN's for volumes
(https://arxiv.org/abs/1610.07584). Height and width are those of a DCGAN; frames are halved with them as long as they
are even, so that videos may be shorter than they are wide: a layer that does not halve them looks at each frame alone.
"""

from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.ports import require_vector
from gan_cli.nets.dcgan import SLOPE, Pyramid, normal_kernel, normal_scale, plan
from gan_cli.types import Array, Ports, Shape

Step = layers.Conv3D | layers.ConvTranspose3D | layers.Conv | layers.ConvTranspose


def times(frames: int, levels: int) -> tuple[int, ...]:
    """Frames after each of so many halvings of a map's sides, from none on: 8, 3 -> (8, 4, 2, 1)."""
    found = [frames]
    for _ in range(levels):
        found.append(found[-1] // 2 if found[-1] % 2 == 0 else found[-1])
    return tuple(found)


def _planned(shape: Shape, net: str, end: str, width: int, max_width: int) -> Pyramid:
    """The pyramid of frames [H, W, C]; raises InputError for data that have none."""
    if len(shape) != 4:
        raise InputError(
            f'net = "{net}" has videos (frames, height, width, channels) or volumes at its {end}, not data of shape '
            f"{shape}"
        )
    return plan(shape[1:], net, end, width, max_width)


def _refuse_label(ports: Ports, net: str) -> None:
    if ports.classes:
        raise InputError(f'net = "{net}" takes no label; set [game] conditional = false')


class Generator(nnx.Module):
    """Latent -> smallest map of few frames -> doubled by transposed convolutions up to the video."""

    def __init__(self, latent: int, frames: int, plan: Pyramid, rngs: nnx.Rngs, norm: str):
        widths = plan.widths[::-1]  # from the smallest map up
        bias = norm == "none"
        counts = times(frames, len(widths))[::-1]  # frames before each doubling, and after the last
        self.smallest = (counts[0], plan.base, plan.base, widths[0])
        self.project = layers.Linear(latent, counts[0] * plan.base**2 * widths[0], rngs, bias=bias, init=normal_kernel)
        self.ups = nnx.List(
            [
                (layers.ConvTranspose3D if after > before else layers.ConvTranspose)(
                    i, o, 4, rngs, stride=2, padding=1, bias=bias or level == len(widths) - 1, init=normal_kernel
                )
                for level, ((i, o), (before, after)) in enumerate(
                    zip(pairwise((*widths, plan.colours)), pairwise(counts), strict=True)
                )
            ]
        )
        self.norms = nnx.List([layers.norm(norm, width, rngs, normal_scale) for width in widths])

    def __call__(self, z: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """z [B, L] -> (videos [B, T, H, W, C] in (-1, 1), {})."""
        frames = self.smallest[0]
        h = layers.enter_frames(self.project(z).reshape(-1, *self.smallest))
        for up, norm in zip(self.ups, self.norms, strict=True):
            h = jax.nn.relu(h if norm is None else norm(h))
            h, frames = _stepped(up, h, frames)
        return jnp.tanh(layers.leave_frames(h, frames)), {}


class Discriminator(nnx.Module):
    """Video -> halved by convolutions down to the smallest map -> score."""

    def __init__(self, frames: int, plan: Pyramid, outputs: Shape, rngs: nnx.Rngs, norm: str):
        spectral = norm == "spectral"
        own_bias = norm in ("none", "spectral")
        counts = times(frames, len(plan.widths))
        self.downs = nnx.List(
            [
                (layers.Conv3D if after < before else layers.Conv)(
                    i,
                    o,
                    4,
                    rngs,
                    stride=2,
                    padding=1,
                    bias=own_bias or level == 0,
                    spectral=spectral,
                    init=normal_kernel,
                )
                for level, ((i, o), (before, after)) in enumerate(
                    zip(pairwise((plan.colours, *plan.widths)), pairwise(counts), strict=True)
                )
            ]
        )
        inner = [layers.norm(norm, width, rngs, normal_scale) for width in plan.widths[1:]]
        self.norms = nnx.List([None, *inner])
        flat, ends = counts[-1] * plan.base**2 * plan.widths[-1], outputs[0] if outputs else 1
        self.score = layers.Linear(flat, ends, rngs, spectral=spectral, init=normal_kernel)
        self.outputs = outputs

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """x [B, T, H, W, C] -> (scores [B] or [B, F], {"features": the smallest map, flattened})."""
        frames, h = x.shape[1], layers.enter_frames(x)
        for down, norm in zip(self.downs, self.norms, strict=True):
            h, frames = _stepped(down, h, frames)
            h = jax.nn.leaky_relu(h if norm is None else norm(h), SLOPE)
        features = layers.leave_frames(h, frames).reshape(len(x), -1)
        return self.score(features).reshape(len(x), *self.outputs), {"features": features}


def _stepped(layer: Step, h: Array, frames: int) -> tuple[Array, int]:
    """A convolution of all frames together, or of each."""
    if isinstance(layer, layers.Conv3D | layers.ConvTranspose3D):
        return layer(h, frames)
    return layer(h), frames


def generator(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the video's sides; doubles with each halving of them
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "none"] = "batch",  # of every layer but the last, over all frames
) -> nnx.Module:
    """DCGAN's generator in three dimensions: a latent -> videos or volumes in (-1, 1).

    https://arxiv.org/abs/1609.02612, https://arxiv.org/abs/1610.07584. Raises InputError unless frames are square, of 4
    to 7 times a power of two between 8 and 256 pixels, with 1 to 4 channels.
    """
    _refuse_label(ports, "dcgan3d.generator")
    latent = require_vector(ports.inputs, "dcgan3d.generator", "input")
    pyramid = _planned(ports.outputs, "dcgan3d.generator", "output", width, max_width)
    return Generator(latent, ports.outputs[0], pyramid, rngs, norm)


def discriminator(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    width: PositiveInt = 64,  # channels of the map at half the video's sides; doubles with each halving of them
    max_width: PositiveInt = 512,  # channels that no map exceeds
    norm: Literal["batch", "none", "spectral"] = "batch",  # but for the first and the last layer
) -> nnx.Module:
    """DCGAN's discriminator in three dimensions: videos or volumes -> one raw score each, or a vector.

    https://arxiv.org/abs/1609.02612; "spectral" normalises the weights of every layer instead of activations. Raises
    InputError as `generator` does.
    """
    _refuse_label(ports, "dcgan3d.discriminator")
    if ports.outputs:
        require_vector(ports.outputs, "dcgan3d.discriminator", "output")
    pyramid = _planned(ports.inputs, "dcgan3d.discriminator", "input", width, max_width)
    return Discriminator(ports.inputs[0], pyramid, ports.outputs, rngs, norm)
