"""EfficientNet-Lite0's forward pass: float32, images [B, H, W, 3], its normalisations folded into the kernels.

https://arxiv.org/abs/1905.11946 without squeeze-and-excitation and with ReLU6 for swish, so that it also runs in
integers: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. Padding is TensorFlow's.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_cli.features.merged import Merged, merge
from gan_cli.layers.depthwise import depthwise
from gan_cli.types import Array, Shape

SIDE = 224  # pixels of the images that it was trained on
DIM = 1280  # length of its feature vector
CLASSES = 1000
STEM = 32  # channels
EXACT = lax.Precision.HIGHEST  # as Inception's


class Stage(NamedTuple):
    """Blocks that make maps of one size."""

    kernel: int  # of the depthwise convolutions
    stride: int  # of the first one
    expansion: int  # channels within a block, in units of those that enter it
    channels: int  # of the maps that leave it
    blocks: int


STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
SHOWN = (0, 1, 2, 4, 6)  # stages whose maps are 1/2, 1/4, 1/8, 1/16 and 1/32 as high as the image


class Block(NamedTuple):
    """1x1 to more channels, depthwise, 1x1 to fewer; what enters is added where the shape is the same."""

    expand: Merged | None  # None: no more channels are wanted
    depthwise: Merged
    project: Merged


class Weights(NamedTuple):
    """The network's weights in the form that the forward pass wants, made by `fold`."""

    stem: Merged
    stages: tuple[tuple[Block, ...], ...]
    head: Merged
    logits: Merged


def shapes() -> dict[str, Shape]:
    """The names and shapes of all weights, as PyTorch has them."""
    found: dict[str, Shape] = {"_fc.weight": (CLASSES, DIM), "_fc.bias": (CLASSES,)}

    def add(conv: str, norm: str, outputs: int, inputs: int, kernel: int) -> None:
        found[f"{conv}.weight"] = (outputs, inputs, kernel, kernel)
        found.update({f"{norm}.{part}": (outputs,) for part in ("weight", "bias", "running_mean", "running_var")})

    add("_conv_stem", "_bn0", STEM, 3, 3)
    number = 0
    for before, stage in pairwise((Stage(0, 0, 0, STEM, 0), *STAGES)):
        for block in range(stage.blocks):
            inputs = stage.channels if block else before.channels
            inner, path = stage.expansion * inputs, f"_blocks.{number}"
            if stage.expansion > 1:
                add(f"{path}._expand_conv", f"{path}._bn0", inner, inputs, 1)
            add(f"{path}._depthwise_conv", f"{path}._bn1", inner, 1, stage.kernel)
            add(f"{path}._project_conv", f"{path}._bn2", stage.channels, inner, 1)
            number += 1
    add("_conv_head", "_bn1", DIM, STAGES[-1].channels, 1)
    return found


def fold(raw: Mapping[str, np.ndarray]) -> Weights:
    """Weights by PyTorch's names, float32 -> normalisations folded into kernels."""
    numbers = iter(range(sum(stage.blocks for stage in STAGES)))

    def block(path: str) -> Block:
        expands = f"{path}._expand_conv.weight" in raw
        return Block(
            merge(raw, f"{path}._expand_conv", f"{path}._bn0") if expands else None,
            merge(raw, f"{path}._depthwise_conv", f"{path}._bn1"),
            merge(raw, f"{path}._project_conv", f"{path}._bn2"),
        )

    stages = tuple(tuple(block(f"_blocks.{next(numbers)}") for _ in range(stage.blocks)) for stage in STAGES)
    logits = Merged(jnp.asarray(raw["_fc.weight"].T), jnp.asarray(raw["_fc.bias"]))
    return Weights(merge(raw, "_conv_stem", "_bn0"), stages, merge(raw, "_conv_head", "_bn1"), logits)


def forward(weights: Weights, x: Array) -> dict[str, Array]:
    """Images [B, H, W, 3] in about -1..1 -> features [B, 1280], means over the last map, and logits [B, 1000]."""
    features = relu6(_pointwise(weights.head, maps(weights, x)[-1])).mean((1, 2))
    return {"features": features, "logits": _pointwise(weights.logits, features)}


def maps(weights: Weights, x: Array) -> tuple[Array, ...]:
    """Images [B, H, W, 3] in about -1..1 -> the maps of the stages SHOWN, [B, H / 2, W / 2, 16] first."""
    stem = lax.conv_general_dilated(
        x, weights.stem.kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=EXACT
    )
    h = relu6(stem + weights.stem.bias)
    found = []
    for stage, blocks in zip(STAGES, weights.stages, strict=True):
        for number, block in enumerate(blocks):
            h = _block(block, h, 1 if number else stage.stride)
        found.append(h)
    return tuple(found[number] for number in SHOWN)


def relu6(x: Array) -> Array:
    """Between 0 and 6."""
    return jnp.clip(x, 0, 6)


def _block(block: Block, x: Array, stride: int) -> Array:
    """A block's map of x [B, H, W, C]."""
    h = relu6(_pointwise(block.expand, x)) if block.expand else x
    h = relu6(depthwise(h, block.depthwise.kernel[:, :, 0], stride) + block.depthwise.bias)
    h = _pointwise(block.project, h)
    return x + h if x.shape == h.shape else h


def _pointwise(merged: Merged, x: Array) -> Array:
    """A 1x1 convolution, which is a matrix product."""
    kernel = merged.kernel.reshape(merged.kernel.shape[-2:])
    return jnp.matmul(x, kernel, precision=EXACT) + merged.bias
