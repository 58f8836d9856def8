"""How images lie in memory inside a network, and the convolutions in that layout: one meaning, two forms.

The platform decides, not the network. Images are NHWC at a network's edges; inside, on a CPU, they are CHWN (the batch
is contiguous, see cpu_conv.py), elsewhere they stay NHWC. A network calls `enter` on its way in and `leave` on its way
out, and is written once.

A transposed convolution is the adjoint of a convolution, and its kernel [k, k, O, I] is that convolution's kernel.
Strides and paddings are those of the convolution, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gan_cli.layers import cpu_conv, lax_conv
from gan_cli.layers.adjoints import Pads
from gan_cli.types import Array

Formulation = Literal["auto", "cpu", "lax"]
Padding = int | Literal["SAME"]  # pixels on every side, or what makes the small map 1 / stride of the large one

_formulation: ContextVar[Formulation] = ContextVar("formulation", default="auto")


@contextmanager
def formulation(form: Formulation) -> Iterator[None]:
    """Trace convolutions in this context as GEMMs on CHWN ("cpu"), plainly on NHWC ("lax") or by platform ("auto").

    It acts while a function is traced: one that is already compiled keeps the form that it was traced with.
    Weights have the same shapes in both forms, so that they can be trained in one and used in the other.
    """
    token = _formulation.set(form)
    try:
        yield
    finally:
        _formulation.reset(token)


def batch_last() -> bool:
    """Whether the current layout is CHWN, with convolutions as GEMMs; otherwise it is NHWC with plain `lax`."""
    form = _formulation.get()
    return jax.default_backend() == "cpu" if form == "auto" else form == "cpu"


class Axes(NamedTuple):
    """Which axis of an array is what."""

    batch: int
    space: tuple[int, ...]  # height and width; empty for vectors
    channel: int


def axes(x: Array | jax.ShapeDtypeStruct) -> Axes:
    """The axes of `x` inside a network: vectors are always [B, F], images [C, H, W, B] or [B, H, W, C]."""
    if x.ndim == 2:
        return Axes(0, (), 1)
    return Axes(3, (1, 2), 0) if batch_last() else Axes(0, (1, 2), 3)


def enter(x: Array) -> Array:
    """Images [B, H, W, C] at a network's edge -> the layout inside.

    On a CPU they become float32, because XLA has no arithmetic for bfloat16 there but matrix products: those of
    convolutions have operands of the kernel's dtype.
    """
    return x.transpose(3, 1, 2, 0).astype(jnp.promote_types(x.dtype, jnp.float32)) if batch_last() else x


def leave(x: Array) -> Array:
    """Images in the layout inside -> [B, H, W, C]."""
    return x.transpose(3, 1, 2, 0) if batch_last() else x


def per_channel(v: Array, x: Array | jax.ShapeDtypeStruct) -> Array:
    """Broadcast one value a channel [C], or one a channel of each example [B, C], to the shape of `x`.

    Not a reshape: XLA simplifies reshapes with one user and with several differently, and then no longer sees that two
    turns of a step compute the same.
    """
    where = axes(x)
    if v.ndim == 1:
        return lax.broadcast_in_dim(v, x.shape, (where.channel,))
    if where.batch < where.channel:
        return lax.broadcast_in_dim(v, x.shape, (where.batch, where.channel))
    return lax.broadcast_in_dim(v.T, x.shape, (where.channel, where.batch))


def planes(v: Array, x: Array) -> Array:
    """Broadcast numbers [B, E] to a map of E constant channels, as high and wide as the map `x`."""
    shape = list(x.shape)
    shape[axes(x).channel] = v.shape[1]
    return per_channel(v, jax.ShapeDtypeStruct(shape, v.dtype))


def conv(x: Array, kernel: Array, stride: int = 1, padding: Padding = "SAME") -> Array:
    """Convolution (correlation, as in every library) of images in the inner layout with kernel [k, k, I, O].

    The side n becomes (n + paddings - k) // stride + 1; with "SAME", ceil(n / stride).
    """
    height, width = axes(x).space
    pads = pads_of(padding, (x.shape[height], x.shape[width]), kernel, stride)
    return (cpu_conv if batch_last() else lax_conv).conv(x, kernel, stride, pads)


def conv_transpose(x: Array, kernel: Array, stride: int = 1, padding: Padding = "SAME") -> Array:
    """Transposed convolution with kernel [k, k, O, I]; the side becomes stride * (n - 1) + k - padding on both sides.

    "SAME" makes it stride * n and wants k >= stride.
    """
    height, width = axes(x).space
    pads = pads_of(padding, (stride * x.shape[height], stride * x.shape[width]), kernel, stride)
    return (cpu_conv if batch_last() else lax_conv).conv_transpose(x, kernel, stride, pads)


def up_conv(x: Array, kernel: Array) -> Array:
    """Enlarge images twofold by repeating pixels, then convolve with kernel [3, 3, I, O], stride 1, padding 1."""
    if batch_last():
        return cpu_conv.up_conv(x, kernel)
    return conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, 1, 1)


def pads_of(padding: Padding, large: tuple[int, int], kernel: Array, stride: int) -> Pads:
    """The padding before and after the height and the width of a `large` map, for kernel [k, k, ...]."""
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    height, width = lax.padtype_to_pads(large, kernel.shape[:2], (stride, stride), padding)
    return height, width


def shuffle(x: Array) -> Array:
    """Pixel shuffle: 4 C channels -> C, twice the side. Channel 4 c + 2 i + j holds pixel (i, j) of each square of c.

    https://arxiv.org/abs/1609.05158; the order is PyTorch's.
    """
    if batch_last():
        features, height, width, _ = x.shape
        parts = x.reshape(features // 4, 2, 2, height, width, -1).transpose(0, 3, 1, 4, 2, 5)  # [C, H, 2, W, 2, B]
        return parts.reshape(features // 4, 2 * height, 2 * width, -1)
    _, height, width, features = x.shape
    parts = x.reshape(-1, height, width, features // 4, 2, 2).transpose(0, 1, 4, 2, 5, 3)  # [B, H, 2, W, 2, C]
    return parts.reshape(-1, 2 * height, 2 * width, features // 4)
