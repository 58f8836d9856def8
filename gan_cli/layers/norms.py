"""Normalisation of activations, and of weights by their largest singular value. Statistics are always float32.

Normalised activations are scaled and shifted, channel by channel. With `classes` each label has its own scales and
shifts: conditional normalisation, https://arxiv.org/abs/1610.07629, as in the generator of a cGAN with projection.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from gan_cli import devices
from gan_cli.layers.layout import axes, per_channel
from gan_cli.types import Array

Init = nnx.initializers.Initializer


class Affine(nnx.Module):
    """The scales and shifts that follow a normalisation: one of each a channel, or a channel and label."""

    def __init__(
        self,
        features: int,
        rngs: nnx.Rngs,
        *,
        scale_init: Init = nnx.initializers.ones,
        classes: int = 0,  # number of labels with their own scales and shifts; 0: there is no label
        epsilon: float = 1e-5,  # added to variances
    ):
        shape = (classes, features) if classes else (features,)
        self.scale = nnx.Param(scale_init(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(shape))
        self.classes = classes
        self.epsilon = epsilon

    def affine(self, y: Array | None) -> tuple[Array, Array]:
        """Scales and shifts, float32: [C], or [B, C] for the labels y int32 [B]."""
        scale, bias = self.scale[...].astype(jnp.float32), self.bias[...].astype(jnp.float32)
        if not self.classes:
            return scale, bias
        assert y is not None
        own = jax.nn.one_hot(y, self.classes)  # [B, K]: on a CPU faster than looking up, whose gradient scatters
        return own @ scale, own @ bias

    def normalise(self, x: Array, over: tuple[int, ...], y: Array | None) -> Array:
        """`x` normalised over these axes, then scaled and shifted: of the same shape and dtype."""
        x32 = x.astype(jnp.float32)
        mean = x32.mean(over, keepdims=True)
        var = jnp.square(x32 - mean).mean(over, keepdims=True)
        scale, bias = self.affine(y)
        gain = lax.rsqrt(var + self.epsilon) * per_channel(scale, x)
        offset = per_channel(bias, x) - mean * gain
        return (x.astype(jnp.float32) * gain + offset).astype(x.dtype)  # one multiplication and one addition a value


class BatchNorm(Affine):
    """Batch normalisation, https://arxiv.org/abs/1502.03167, of images in the inner layout or of vectors [B, F].

    In training mode each channel is normalised over the batches of all devices together (the call must run under an
    axis named DEVICES) and the running averages move by 1 - momentum; in evaluation mode they are used instead.
    The running variance is that of the batch, without Bessel's correction.
    """

    mixes = True  # its output for one example depends on the others of the batch

    def __init__(
        self,
        features: int,
        rngs: nnx.Rngs,
        *,
        momentum: float = 0.9,  # in [0, 1): the share of the running averages that each call keeps
        **options: Any,  # as for Affine
    ):
        super().__init__(features, rngs, **options)
        self.mean = nnx.BatchStat(jnp.zeros(features))
        self.var = nnx.BatchStat(jnp.ones(features))
        self.momentum = momentum
        self.use_running_average = False  # what nnx.Module.eval() and .train() set

    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Normalised `x`, of the same shape and dtype; y int32 [B] where there are labels."""
        if self.use_running_average:
            mean, var = self.mean[...], self.var[...]  # [C]
        else:
            where, x32 = axes(x), x.astype(jnp.float32)
            over = (where.batch, *where.space)
            mean, square = devices.mean((x32.mean(over), (x32 * x32).mean(over)))
            var = jnp.maximum(square - mean * mean, 0.0)  # rounding can make it slightly negative
            self.mean[...] = self.momentum * self.mean[...] + (1 - self.momentum) * mean
            self.var[...] = self.momentum * self.var[...] + (1 - self.momentum) * var
        scale, bias = self.affine(y)
        gain = lax.rsqrt(var + self.epsilon) * scale
        offset = bias - mean * gain
        gain, offset = per_channel(gain, x), per_channel(offset, x)
        return (x.astype(jnp.float32) * gain + offset).astype(x.dtype)


class LayerNorm(Affine):
    """Layer normalisation, https://arxiv.org/abs/1607.06450: each example over all its pixels and channels.

    Scale and bias are per channel, as WGAN-GP's critic has them (https://arxiv.org/abs/1704.00028).
    """

    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Normalised `x`, of the same shape and dtype; y int32 [B] where there are labels."""
        where = axes(x)
        return self.normalise(x, (*where.space, where.channel), y)


class InstanceNorm(Affine):
    """Instance normalisation, https://arxiv.org/abs/1607.08022: each channel of each image over its pixels."""

    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Normalised `x`, images in the inner layout, of the same shape and dtype; y as for BatchNorm."""
        return self.normalise(x, axes(x).space, y)


Norm = BatchNorm | LayerNorm | InstanceNorm
NORMS: dict[str, type[Norm]] = {"batch": BatchNorm, "layer": LayerNorm, "instance": InstanceNorm}


def norm(
    name: str, features: int, rngs: nnx.Rngs, scale_init: Init = nnx.initializers.ones, classes: int = 0
) -> Norm | None:
    """The layer called `name` ("batch", "layer", "instance"); None for any other name, such as "none" or "spectral"."""
    return NORMS[name](features, rngs, scale_init=scale_init, classes=classes) if name in NORMS else None


class PowerIteration(nnx.Variable):
    """The running estimate of a weight's first left singular vector."""


class SpectralNorm(nnx.Module):
    """Divides a matrix [K, O] by its largest singular value σ, https://arxiv.org/abs/1802.05957.

    One step of power iteration a call; in training mode the vector is kept for the next call. The gradient is exact for
    the σ in use: it flows through σ = vᵀWu with u and v as constants.
    """

    def __init__(self, features: int, rngs: nnx.Rngs):
        self.u = PowerIteration(_unit(nnx.initializers.normal(1.0)(rngs.params(), (features,))))
        self.use_running_average = False  # what nnx.Module.eval() and .train() set

    def __call__(self, matrix: Array) -> Array:
        """σ, a float32 scalar."""
        matrix = matrix.astype(jnp.float32)
        constant = lax.stop_gradient(matrix)
        v = _unit(constant @ self.u[...])  # [K]
        u = _unit(v @ constant)  # [O]
        if not self.use_running_average:
            self.u[...] = u
        return v @ (matrix @ u)


def _unit(v: Array) -> Array:
    return v / (jnp.linalg.norm(v) + 1e-12)
