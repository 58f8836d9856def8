"""What networks are made of. Images inside a network are in the inner layout: `enter` and `leave` convert at its edges.

Initialisers always see the shape [..., I, O], so that one that counts inputs and outputs counts them rightly.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from gan_cli import devices
from gan_cli.layers import layout, space
from gan_cli.layers.layout import Padding, axes, batch_last, enter, formulation, leave, per_channel, planes
from gan_cli.layers.norms import BatchNorm, InstanceNorm, LayerNorm, SpectralNorm, norm
from gan_cli.layers.space import enter_frames, leave_frames
from gan_cli.types import Array

__all__ = [
    "BatchNorm",
    "Conv",
    "Conv3D",
    "ConvTranspose",
    "ConvTranspose3D",
    "InstanceNorm",
    "LayerNorm",
    "Linear",
    "MinibatchDiscrimination",
    "ReflectedConv",
    "ShuffleConv",
    "SpectralNorm",
    "UpConv",
    "axes",
    "enter",
    "enter_frames",
    "formulation",
    "leave",
    "leave_frames",
    "norm",
    "per_channel",
    "planes",
]

Init = nnx.initializers.Initializer
LECUN = nnx.initializers.lecun_normal()


class Kernel(nnx.Module):
    """A trained weight [..., I, O], or [..., O, I] when transposed; divided by its spectral norm if asked."""

    def __init__(
        self, shape: tuple[int, ...], rngs: nnx.Rngs, init: Init, *, spectral: bool = False, transposed: bool = False
    ):
        weight = init(rngs.params(), shape)
        self.weight = nnx.Param(weight.swapaxes(-1, -2) if transposed else weight)
        self.transposed = transposed
        self.spectral = SpectralNorm(shape[-1], rngs) if spectral else None

    def __call__(self) -> Array:
        """The weight to use in this call."""
        weight = self.weight[...]
        if self.spectral is None:
            return weight
        outputs_last = weight.swapaxes(-1, -2) if self.transposed else weight
        sigma = self.spectral(outputs_last.reshape(-1, outputs_last.shape[-1]))
        return weight / sigma.astype(weight.dtype)


class Linear(nnx.Module):
    """A linear layer: x [B, I] -> x W + b [B, O], or at each of T times the same: [B, T, I] -> [B, T, O]."""

    def __init__(
        self,
        inputs: int,
        features: int,
        rngs: nnx.Rngs,
        *,
        bias: bool = True,
        spectral: bool = False,  # divide the weight by its largest singular value
        init: Init = LECUN,
    ):
        self.kernel = Kernel((inputs, features), rngs, init, spectral=spectral)
        self.bias = nnx.Param(jnp.zeros(features)) if bias else None

    def __call__(self, x: Array) -> Array:
        """[B, ..., I] -> [B, ..., O]."""
        if x.ndim > 2:
            return self(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)
        kernel = self.kernel()
        x = x.astype(kernel.dtype)
        return _add_bias(_product(x, kernel) if batch_last() else x @ kernel, self.bias)


class Embedding(nnx.Module):
    """Learnt numbers that stand for each of so many words."""

    def __init__(self, words: int, features: int, rngs: nnx.Rngs, init: Init):
        self.table = nnx.Param(init(rngs.params(), (words, features)))

    def __call__(self, words: Array) -> Array:
        """Words int32 [...] -> [..., F]."""
        return self.table[...][words]


@jax.custom_vjp
def _product(x: Array, kernel: Array) -> Array:
    """x [B, I] kernel [I, O] on a CPU, as `x @ kernel`, but for the kernel's gradient xᵀ g [I, O].

    XLA:CPU takes 1.1 to 1.8 times as long for a product with a transposed left operand, 10 times where g is narrow. So
    the narrower of the two is transposed beforehand, out of XLA's sight. Differentiable in reverse mode to any order,
    as convolutions are.
    """
    return x @ kernel


def _backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = saved
    apart = lax.optimization_barrier
    narrow = g.shape[1] < x.shape[1]
    return g @ kernel.T, apart(apart(g.T) @ x).T if narrow else apart(x.T) @ g


_product.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _backward)


class Convolution(nnx.Module):
    """What convolutions of every kind have: a kernel [k, ..., I, O], a bias, a stride and a padding."""

    transposed = False
    sides = 2  # of the kernel

    def __init__(
        self,
        inputs: int,
        features: int,
        kernel: int,  # side, pixels
        rngs: nnx.Rngs,
        *,
        stride: int = 1,
        padding: Padding = "SAME",
        bias: bool = True,
        spectral: bool = False,  # divide the kernel by its largest singular value, as a matrix [k ... I, O]
        init: Init = LECUN,
    ):
        shape = (*(kernel,) * self.sides, inputs, features)
        self.kernel = Kernel(shape, rngs, init, spectral=spectral, transposed=self.transposed)
        self.bias = nnx.Param(jnp.zeros(features)) if bias else None
        self.stride = stride
        self.padding = padding


class Conv(Convolution):
    """Convolution with a square kernel, stored [k, k, I, O]."""

    def __call__(self, x: Array) -> Array:
        """Images in the inner layout, I channels -> O channels."""
        return _add_bias(layout.conv(x, self.kernel(), self.stride, self.padding), self.bias)


class ReflectedConv(Conv):
    """Convolution of images that go on beyond their edges as in a mirror, `padding` pixels on every side."""

    def __call__(self, x: Array) -> Array:
        """Images in the inner layout, I channels -> O channels."""
        space = axes(x).space
        assert isinstance(self.padding, int)
        around = [(self.padding,) * 2 if axis in space else (0, 0) for axis in range(x.ndim)]
        return _add_bias(layout.conv(jnp.pad(x, around, "reflect"), self.kernel(), self.stride, 0), self.bias)


class ConvTranspose(Convolution):
    """Transposed convolution with a square kernel, stored [k, k, O, I]: that of the convolution it transposes.

    `padding` is the convolution's, too: the side n becomes stride (n - 1) + k - 2 padding, or stride n with "SAME".
    """

    transposed = True

    def __call__(self, x: Array) -> Array:
        """Images in the inner layout, I channels -> O channels."""
        return _add_bias(layout.conv_transpose(x, self.kernel(), self.stride, self.padding), self.bias)


class Conv3D(Convolution):
    """Convolution with a cubic kernel, stored [k, k, k, I, O]; `padding` is in frames as well as in pixels."""

    sides = 3

    def __call__(self, x: Array, frames: int) -> tuple[Array, int]:
        """Frames as `enter_frames` makes them, and how many an example has; I channels -> O channels."""
        made, left = space.conv(x, self.kernel(), frames, self.stride, self.padding)
        return _add_bias(made, self.bias), left


class ConvTranspose3D(Convolution):
    """Transposed convolution with a cubic kernel, stored [k, k, k, O, I]: `stride` times as many frames and pixels.

    It wants kernel - 2 padding = stride.
    """

    transposed = True
    sides = 3

    def __call__(self, x: Array, frames: int) -> tuple[Array, int]:
        """Frames as `enter_frames` makes them, and how many an example has; I channels -> O channels."""
        made, more = space.conv_transpose(x, self.kernel(), frames, self.stride, self.padding)
        return _add_bias(made, self.bias), more


class ShuffleConv(nnx.Module):
    """A 3x3 convolution to four times the channels, stored [3, 3, I, 4 O], whose pixels are then shuffled.

    The four pixels of a square start equal, as if they were repeated, so that there are no checkerboards to unlearn:
    https://arxiv.org/abs/1707.02937.
    """

    def __init__(self, inputs: int, features: int, rngs: nnx.Rngs, *, bias: bool = True, init: Init = LECUN):
        def repeated(key: Array, shape: tuple[int, ...], *_: Any, **__: Any) -> Array:
            return jnp.repeat(init(key, (*shape[:-1], features)), 4, axis=-1)

        self.conv = Conv(inputs, 4 * features, 3, rngs, padding=1, bias=bias, init=repeated)

    def __call__(self, x: Array) -> Array:
        """Images in the inner layout, I channels -> twice the side, O channels."""
        return layout.shuffle(self.conv(x))


class UpConv(nnx.Module):
    """Twofold enlargement by repeating pixels, then a 3x3 convolution stored [3, 3, I, O]."""

    def __init__(
        self,
        inputs: int,
        features: int,
        rngs: nnx.Rngs,
        *,
        bias: bool = True,
        spectral: bool = False,  # divide the kernel by its largest singular value, as a matrix [9 I, O]
        init: Init = LECUN,
    ):
        self.kernel = Kernel((3, 3, inputs, features), rngs, init, spectral=spectral)
        self.bias = nnx.Param(jnp.zeros(features)) if bias else None

    def __call__(self, x: Array) -> Array:
        """Images in the inner layout, I channels -> twice the side, O channels."""
        return _add_bias(layout.up_conv(x, self.kernel()), self.bias)


def _add_bias(x: Array, bias: nnx.Param | None) -> Array:
    return x if bias is None else x + per_channel(bias[...].astype(x.dtype), x)


class MinibatchDiscrimination(nnx.Module):
    """Appends to features [B, F] the closeness of each example to the others of the batch, in several learnt views.

    https://arxiv.org/abs/1606.03498, section 3.2: o_b(i) = sum over j != i of exp(-|M_ib - M_jb|_1), M = f(x) T. The
    sum is over the batches of all devices, so that what D sees depends on the batch's size. Departure: the authors'
    code centres o and scales T by its first batch; here T starts at N(0, 0.05²), and o is used as it is.
    """

    mixes = True  # its output for one example depends on the others of the batch

    def __init__(self, features: int, kernels: int, dims: int, rngs: nnx.Rngs):
        self.tensor = nnx.Param(nnx.initializers.normal(0.05)(rngs.params(), (features, kernels, dims)))

    def __call__(self, x: Array) -> Array:
        """[B, F] -> [B, F + kernels]."""
        views = jnp.einsum("bf,fkd->bkd", x, self.tensor[...].astype(x.dtype)).astype(jnp.float32)  # [B, K, D]
        others = devices.gather(views)  # [all B, K, D]
        # one term a dimension: three times as fast on a CPU as a sum over the last axis of [B, all B, K, D]
        terms = [jnp.abs(views[:, None, :, d] - others[:, :, d]) for d in range(views.shape[2])]
        distances = sum(terms[1:], terms[0])  # [B, all B, K]
        closeness = jnp.exp(-distances).sum(axis=1) - 1  # without the example itself, at distance 0: [B, K]
        return jnp.concatenate([x, closeness.astype(x.dtype)], axis=1)
