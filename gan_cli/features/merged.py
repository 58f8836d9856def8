"""Convolutions of fixed networks, each with the batch normalisation after it, in one."""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from gan_cli.types import Array

EPSILON = 1e-3  # of the batch normalisations, TensorFlow's


class Merged(NamedTuple):
    """A convolution and the batch normalisation after it."""

    kernel: Array  # [height, width, inputs, outputs]; of a depthwise one [height, width, 1, channels]
    bias: Array  # [outputs]


def merge(raw: Mapping[str, np.ndarray], conv: str, norm: str) -> Merged:
    """The layers of these names among weights by PyTorch's names, [outputs, inputs, height, width]: float32."""
    names = (f"{conv}.weight", *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")))
    kernel, gain, shift, mean, variance = (raw[name].astype(np.float64) for name in names)
    scale = gain / np.sqrt(variance + EPSILON)
    kernel = (kernel.transpose(2, 3, 1, 0) * scale).astype(np.float32)
    return Merged(jnp.asarray(kernel), jnp.asarray((shift - mean * scale).astype(np.float32)))
