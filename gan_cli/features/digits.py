"""A small classifier of digits that this project trained itself, for metrics on digits.

`scripts/train_digit_classifier.py` makes the weights file beside this module; docs/metrics.md has its accuracy.
"""

import functools
import hashlib
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli.data import arrays
from gan_cli.errors import InputError
from gan_cli.features.network import Features
from gan_cli.types import Array

Weights = dict[str, np.ndarray]

SIDE = 32  # pixels of the square that the network looks at
DIM = 64  # length of its feature vector
CLASSES = 10
NAMES = tuple("0123456789")  # of the classes
STAGES = ((16,), (32, 32), (64, 64))  # channels of its 3x3 convolutions; each stage ends in a 2x2 maximum
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: what "grey" means in PNG and PIL
PROTOCOL = "28x28 padded to 32x32 with black, other sizes resized to it (antialiased linear), RGB as BT.601 luma"


@functools.cache
def digits() -> Features:
    """Features of handwritten digits: 64 numbers from a convolutional network trained on MNIST, and its 10 logits."""
    data = (resources.files("gan_cli.features") / "digits.npz").read_bytes()
    weights = load_weights(data)
    return Features(
        name="digits",
        hash=hashlib.sha256(data).hexdigest(),
        dim=DIM,
        classes=NAMES,
        protocol=PROTOCOL,
        apply=lambda images: forward(weights, prepare(images)),
        made_for="grey images of handwritten digits",
        suits=lambda spec: spec.shape[2] == 1 and spec.classes in ((), NAMES),
    )


def load_weights(data: bytes) -> Weights:
    """The weights in an npz file's bytes by name: stored as float16, used as float32."""
    return {name: array.astype(np.float32) for name, array in arrays.load_arrays(data).items()}


def prepare(images: Array) -> Array:
    """Images [B, H, W, 1 or 3] float32 in [-1, 1] -> [B, 32, 32, 1], as `PROTOCOL` says.

    Raises InputError for another number of channels.
    """
    batch, height, width, channels = images.shape
    if channels not in (1, 3):
        raise InputError(f"the digit classifier sees grey or RGB images, not {channels} channels: convert them first")
    if channels == 3:
        images = images @ jnp.array(LUMA)[:, None]  # [B, H, W, 1]
    if (height, width) == (28, 28):  # MNIST, as the network was trained on it
        return jnp.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1)
    if (height, width) == (SIDE, SIDE):
        return images
    return jax.image.resize(images, (batch, SIDE, SIDE, 1), "linear", antialias=True)


def forward(weights: Weights, images: Array) -> dict[str, Array]:
    """Images [B, 32, 32, 1] -> features [B, 64] (the last hidden layer) and logits [B, 10]."""
    x = images
    for stage, widths in enumerate(STAGES):
        for layer in range(len(widths)):
            name = f"conv{stage}{layer}"
            kernel = jnp.asarray(weights[f"{name}.kernel"])  # [3, 3, in, out]
            layout = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)
            x = jax.nn.relu(x + weights[f"{name}.bias"])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")  # [B, H/2, W/2, out]
    hidden = x.reshape(len(x), -1) @ weights["hidden.kernel"] + weights["hidden.bias"]  # [B, 64]
    features = jax.nn.relu(hidden)
    return {"features": features, "logits": features @ weights["logits.kernel"] + weights["logits.bias"]}
