"""Inception-v3's forward pass: float32, images [B, H, W, C], its normalisations folded into the kernels.

Made to be fast on CPUs, where each of these was measured: 1x1 convolutions are matrix products, with a single one for
those at the head of a block's branches; averages are taken after the 1x1 convolution that follows them; pools are
maxima and sums of slices.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_cli.features.inception_blocks import BLOCKS, STEM, Block, Conv, convolutions
from gan_cli.features.merged import Merged, merge
from gan_cli.types import Array

AT_ONCE = 10  # images in one pass on a CPU: what lies between two layers of them takes 80 MB
EXACT = lax.Precision.HIGHEST  # no TF32 or bfloat16 on accelerators: their three digits are not enough
FRAME = ((0, 0), (1, 1), (1, 1), (0, 0))  # pads [B, H, W, C] by a row or column on each side


class Weights(NamedTuple):
    """The network's weights in the form that `forward` wants, made by `fold`."""

    merged: Mapping[str, Merged]  # a convolution by its path, and a block's leading 1x1 ones by the block's name
    logits: Array  # [2048, 1008]


def fold(raw: Mapping[str, np.ndarray]) -> Weights:
    """Weights by PyTorch's names, float32 -> normalisations folded into kernels, leading 1x1 kernels joined."""
    folded = {path: merge(raw, f"{path}.conv", f"{path}.bn") for path, _, _ in convolutions()}
    for name, block in BLOCKS.items():
        leading = [folded.pop(f"{name}.{path.steps[0][0].name}") for path in block if path.leads]
        if leading:
            kernels, biases = zip(*leading, strict=True)
            folded[name] = Merged(jnp.concatenate(kernels, axis=-1), jnp.concatenate(biases))
    return Weights(folded, jnp.asarray(raw["fc.weight"].T))


def forward(weights: Weights, x: Array) -> dict[str, Array]:
    """Images [B, 299, 299, 3] in about -1..1 -> features [B, 2048] and logits [B, 1008] without bias, float32."""
    for row in STEM:
        for conv in row:
            x = _convolve(weights.merged[conv.name], conv, x)
        x = shrink(x)
    for name, block in BLOCKS.items():
        x = _block(weights.merged, name, block, x)
    features = x.mean((1, 2))
    return {"features": features, "logits": jnp.matmul(features, weights.logits, precision=EXACT)}


def _block(weights: Mapping[str, Merged], name: str, block: Block, x: Array) -> Array:
    """All branches on x [B, H, W, C], beside each other: [B, H', W', C']."""
    if name in weights:  # the leading 1x1 convolutions: one matrix product for all of them
        product = jnp.matmul(x, weights[name].kernel[0, 0], precision=EXACT)
    start = 0
    outputs = []
    for path in block:
        if path.leads:
            part = slice(start, start := start + path.steps[0][0].channels)
            y = jax.nn.relu(POOLS[path.pool](product[..., part]) + weights[name].bias[part])
        else:
            y = POOLS[path.pool](x)
        for step in path.steps[path.leads :]:
            y = jnp.concatenate([_convolve(weights[f"{name}.{conv.name}"], conv, y) for conv in step], axis=-1)
        outputs.append(y)
    return jnp.concatenate(outputs, axis=-1)


def _convolve(merged: Merged, conv: Conv, x: Array) -> Array:
    """Convolution, normalisation and ReLU on x [B, H, W, C].

    XLA's convolution on CPUs is up to seven times slower when there is no padding at all, so there is a row more at the
    bottom, and what is computed of it is cut off.
    """
    if conv.size == (1, 1):
        return jax.nn.relu(jnp.matmul(x, merged.kernel[0, 0], precision=EXACT) + merged.bias)
    pads = [(k // 2, k // 2) for k in conv.size] if conv.padded else [(0, 1), (0, 0)]
    y = lax.conv_general_dilated(
        x, merged.kernel, (conv.stride,) * 2, pads, dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=EXACT
    )
    if not conv.padded:
        y = y[:, : (x.shape[1] - conv.size[0]) // conv.stride + 1]
    return jax.nn.relu(y + merged.bias)


def shrink(x: Array) -> Array:
    """Maxima of 3x3 with stride 2, without padding: [B, H, W, C] -> [B, (H - 1) // 2, (W - 1) // 2, C]."""
    return _pool(x, jnp.maximum, stride=2)


def maximum(x: Array) -> Array:
    """Maxima of 3x3 around each pixel: [B, H, W, C] -> the same shape."""
    return _pool(jnp.pad(x, FRAME, constant_values=-jnp.inf), jnp.maximum)


def average(x: Array) -> Array:
    """Means of 3x3 around each pixel, at the edges of the pixels that there are: [B, H, W, C] -> the same shape."""
    rows, columns = (3.0 - np.isin(np.arange(n), (0, n - 1)) for n in x.shape[1:3])
    return _pool(jnp.pad(x, FRAME, constant_values=0), jnp.add) / jnp.asarray(
        np.outer(rows, columns)[:, :, None], x.dtype
    )


def _pool(x: Array, join: Callable[[Array, Array], Array], stride: int = 1) -> Array:
    """3x3 neighbours joined. XLA's `reduce_window` does the same several times more slowly on CPUs."""
    for axis in (1, 2):
        span = x.shape[axis] - 2
        one, two, three = (lax.slice_in_dim(x, i, i + span, stride, axis) for i in range(3))
        x = join(join(one, two), three)
    return x


POOLS: dict[str, Callable[[Array], Array]] = {"": lambda x: x, "average": average, "max": maximum, "shrink": shrink}


def in_parts(function: Callable[[Array], dict[str, Array]], images: Array) -> dict[str, Array]:
    """`function` of images [B, ...], on a CPU a few at a time, so that memory does not grow with the batch.

    function: images -> outputs [B, ...] by name, which are returned as [B, D].
    """
    n = len(images)
    parts = -(-n // AT_ONCE) if jax.default_backend() == "cpu" else 1
    if parts <= 1:
        return function(images)
    each = -(-n // parts)
    padded = jnp.pad(images, [(0, parts * each - n)] + [(0, 0)] * (images.ndim - 1))
    outputs = lax.map(function, padded.reshape(parts, each, *images.shape[1:]))
    return {name: value.reshape(parts * each, -1)[:n] for name, value in outputs.items()}
