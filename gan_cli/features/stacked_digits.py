"""The classifier of digits on each colour of an image: the thousand classes of stacked MNIST."""

import functools

import jax.numpy as jnp

from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.features.digits import CLASSES, DIM, digits
from gan_cli.types import Array

COLOURS = 3


@functools.cache
def stacked_digits() -> Features:
    """The features of `digits` for red, green and blue, one after the other, and so its logits: 3 x 10."""
    one = digits()

    def apply(images: Array) -> dict[str, Array]:
        if images.shape[-1] != COLOURS:
            raise InputError(f"stacked digits are RGB images, one digit a colour, not of {images.shape[-1]} channels")
        each = [one.apply(images[..., colour : colour + 1]) for colour in range(COLOURS)]
        return {name: jnp.concatenate([outputs[name] for outputs in each], axis=1) for name in each[0]}

    return Features(
        name="stacked_digits",
        hash=one.hash,
        dim=COLOURS * DIM,
        classes=COLOURS * CLASSES,
        protocol=f"each colour by itself: {one.protocol}",
        apply=apply,
    )
