"""The classifier of digits on each colour of an image, which tells the thousand modes of stacked MNIST apart."""

import functools

import jax.numpy as jnp

from gan_cli.errors import InputError
from gan_cli.features.digits import DIM, digits
from gan_cli.features.network import Features
from gan_cli.types import Array

COLOURS = 3


@functools.cache
def stacked_digits() -> Features:
    """The features of `digits` for red, green and blue, one after the other, and "digit_logits" [B, 3 x 10].

    They are not called "logits", because they belong to three classifiers: a metric that took them for one classifier's
    would be wrong. Raises InputError for images that are not RGB.
    """
    one = digits()

    def apply(images: Array) -> dict[str, Array]:
        if images.shape[-1] != COLOURS:
            raise InputError(f"stacked digits are RGB images, one digit a colour, not of {images.shape[-1]} channels")
        each = [one.apply(images[..., colour : colour + 1]) for colour in range(COLOURS)]
        joined = {name: jnp.concatenate([outputs[name] for outputs in each], axis=1) for name in each[0]}
        return {"features": joined["features"], "digit_logits": joined["logits"]}

    return Features(
        name="stacked_digits",
        hash=one.hash,
        dim=COLOURS * DIM,
        classes=(),
        others=("digit_logits",),
        protocol=f"each colour by itself: {one.protocol}",
        apply=apply,
        made_for="RGB images with a handwritten digit in each colour",
        suits=lambda spec: spec.shape[2] == COLOURS and len(spec.classes) in (0, len(one.classes) ** COLOURS),
    )
