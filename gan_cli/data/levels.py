"""Images of few levels: for models in which a value is one of so many, and for likelihoods of binary images.

Each level is stored as a grey of its own, so that pictures and metrics of such images mean what they always do.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from gan_cli import media
from gan_cli.data.source import Examples, Source, digest
from gan_cli.errors import InputError

WHITE = 255


def quantise(
    source: Source,
    *,
    levels: Annotated[int, Field(ge=2, le=WHITE + 1)] | None = None,  # from black to white; None: as they are
    binarise: Literal["threshold", "sample"] | None = None,  # to black and white; sample: white by chance, see below
) -> Source:
    """The source's images with each value at the nearest of `levels` equally spaced ones.

    `binarise` is `levels = 2`: by "threshold" values from one half on are white. By "sample" a value is white with a
    chance equal to its grey, once and for all: an image's chance is that of its number, so that every epoch and every
    run sees the same set (https://arxiv.org/abs/1601.06759 and others; they take the set that Larochelle drew).
    Raises InputError for examples whose numbers are not 8-bit levels.
    """
    if levels is None and binarise is None:
        return source
    many = media.of(source.spec).many
    if media.of(source.spec).dtype != "uint8":
        raise InputError(f"{source.name}: [data] levels and binarise are for images, and these are {many}")
    if binarise and levels not in (None, 2):
        raise InputError(f"{source.name}: [data] binarise makes 2 levels, and levels = {levels}: set one of them")
    count = levels or 2
    grey = np.arange(WHITE + 1)
    nearest = np.round(np.round(grey * ((count - 1) / WHITE)) * (WHITE / (count - 1))).astype(np.uint8)  # [256]

    def load(indices: np.ndarray) -> Examples:
        examples = source.load(indices)
        x = _sampled(examples["x"], indices) if binarise == "sample" else nearest[examples["x"]]
        return {**examples, "x": x}

    spec = source.spec._replace(levels=count)
    return source._replace(
        spec=spec, load=load, fingerprint=digest(source.fingerprint, f"{count} levels, {binarise or 'threshold'}")
    )


def _sampled(x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Images uint8 [n, ...], each value of which is white with a chance equal to its grey, by the images' numbers."""
    made = np.empty_like(x)
    for image, whole, number in zip(made, x, numbers, strict=True):
        # bits of Philox from the image's number on: what NumPy makes of bits may change (see `order.order`)
        bits = np.random.Philox(key=0, counter=int(number) << 64).random_raw(whole.size).reshape(whole.shape)
        image[:] = WHITE * ((bits >> np.uint64(40)) * np.uint64(WHITE) < whole.astype(np.uint64) << np.uint64(24))
    return made
