"""Images of any size to the square that a network looks at, by the rules that FID's programs follow.

All three are linear along each axis, so each is two matrices of weights [side, pixels] float32, made once for a size.
The rules differ by more than models do (https://arxiv.org/abs/2104.11222): a number without the name of its rule means
nothing.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_cli.errors import InputError
from gan_cli.types import Array

Rule = Callable[[int, int], np.ndarray]  # (pixels, side) -> weights [side, pixels] float32, the sum of each row 1


@functools.cache
def tensorflow(pixels: int, side: int) -> np.ndarray:
    """Bilinear as TensorFlow 1 does it: output i looks at i * pixels / side, so that images shift; no antialiasing."""
    return _between(np.arange(side, dtype=np.float32) * np.float32(pixels / side), pixels)


@functools.cache
def bilinear(pixels: int, side: int) -> np.ndarray:
    """Bilinear as PyTorch's `interpolate(align_corners=False)` does it: from pixel centres, without antialiasing."""
    at = (np.arange(side, dtype=np.float64) + 0.5) * (pixels / side) - 0.5
    return _between(at.clip(0), pixels)


@functools.cache
def bicubic(pixels: int, side: int) -> np.ndarray:
    """Bicubic (a = -1/2) as PIL does it: antialiased, the kernel as wide as an output pixel when images shrink."""
    scale = pixels / side
    wide = max(scale, 1)
    centres = (np.arange(side)[:, None] + 0.5) * scale
    first, last = (np.trunc(centres + edge * 2 * wide + 0.5).clip(0, pixels) for edge in (-1, 1))
    index = np.arange(pixels)
    # Keys's cubic convolution kernel, 0 beyond a distance of 2
    x, a = np.abs((index + 0.5 - centres) / wide), -0.5
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    kernel = np.where(x < 1, near, np.where(x < 2, far, 0))
    weights = kernel * ((index >= first) & (index < last))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _between(at: np.ndarray, pixels: int) -> np.ndarray:
    """Weights of the two pixels around each position; positions beyond the last pixel take the last one."""
    low = np.floor(at).astype(int)
    share, row = (at - low).astype(np.float32), np.arange(len(at))
    weights = np.zeros((len(at), pixels), np.float32)
    np.add.at(weights, (row, low), 1 - share)
    np.add.at(weights, (row, np.minimum(low + 1, pixels - 1)), share)
    return weights


def levels(images: Array, network: str) -> Array:
    """Images [B, H, W, 1 or 3] float32 in [-1, 1] of 8-bit values -> those values, [B, H, W, 3] float32.

    Raises InputError, which says that `network` is what they are for, for another number of channels.
    """
    channels = images.shape[-1]
    if channels not in (1, 3):
        raise InputError(f"{network} sees grey or RGB images, not {channels} channels: convert them to RGB first")
    exact = jnp.round((images + 1) * 127.5)
    return jnp.broadcast_to(exact, (*images.shape[:-1], 3))


def resize(images: Array, rule: Rule, side: int) -> Array:
    """Images [B, H, W, C] -> [B, side, side, C] float32 by a rule; images that have this size stay as they are."""
    _, height, width, _ = images.shape
    if (height, width) == (side, side):
        return images
    rows, columns = jnp.asarray(rule(height, side)), jnp.asarray(rule(width, side))
    wide = jnp.einsum("xw,bhwc->bhxc", columns, images, precision=lax.Precision.HIGHEST)
    return jnp.einsum("yh,bhxc->byxc", rows, wide, precision=lax.Precision.HIGHEST)
