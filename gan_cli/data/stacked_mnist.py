"""Stacked MNIST: three digits in the colours of one image, a thousand modes."""

from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt

from gan_cli.data import idx, mnist
from gan_cli.data.source import Examples, Source, digest, shares
from gan_cli.data.store import Store
from gan_cli.types import Spec

ORIGIN = mnist.ORIGIN
COLOURS = 3
PLACES = np.array([100, 10, 1])  # place values of the digits in red, green and blue


def stacked_mnist(
    store: Store,
    *,
    split: idx.Split = "train",
    n: Annotated[
        int, Field(gt=0, le=10**7)
    ] = 128_000,  # images; each is three digits drawn with equal chances from the split
    seed: NonNegativeInt = 0,  # decides which digits are drawn
) -> Source:
    """Stacked MNIST of Unrolled GAN and VEEGAN: 28x28 RGB, a random digit in each colour; the class is their number.

    https://arxiv.org/abs/1611.02163, https://arxiv.org/abs/1705.07761. x is uint8 [n, 28, 28, 3], y int32 in 0 .. 999:
    the digit in red counts hundreds, that in green tens. Raises InputError where MNIST is not to be had.
    """
    digits = mnist.mnist(store, split=split)
    chosen = np.random.default_rng(seed).integers(digits.size, size=(n, COLOURS))  # [n, 3]

    def load(indices: np.ndarray) -> Examples:
        flat = digits.load(chosen[indices].reshape(-1))
        x = flat["x"][..., 0].reshape(len(indices), COLOURS, *digits.spec.shape[:2])  # [n, 3, H, W]
        y = flat["y"].reshape(len(indices), COLOURS) @ PLACES
        return {"x": np.moveaxis(x, 1, -1), "y": y.astype(np.int32)}

    triples = digits.load(np.arange(digits.size))["y"][chosen] @ PLACES
    classes = tuple(f"{i:03d}" for i in range(10**COLOURS))
    spec = Spec((*digits.spec.shape[:2], COLOURS), classes, shares(triples, len(classes)))
    fingerprint = digest(digits.fingerprint, chosen)
    return Source("stacked_mnist", spec, n, load, fingerprint, labels=triples.astype(np.int32))
