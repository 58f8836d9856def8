"""Pixel agreement: the share of pixels that are bright in a result where they should be, and dark where they should."""

import jax.numpy as jnp
import numpy as np

from gan_cli.data.views import View
from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Scope
from gan_cli.metrics.pairs import of_pairs, require_sides
from gan_cli.types import Array

MIDDLE = 128  # of the levels


def pixel_agreement(
    *,
    views: tuple[View, ...] = (),  # of what results should be, one after the other: results are compared with these
) -> Metric:
    """Share of the levels of a result that lie on the same side of middle grey as those of the truth; 1 is best.

    https://arxiv.org/abs/1606.07536, section 3: with `[eval] beside` the truth is what another ask makes of the same
    draws, and `views` are what makes one domain of the other.
    """

    def seen(truths: np.ndarray) -> np.ndarray:
        for view in views:
            try:
                truths = view.make(truths, np.arange(len(truths)))
            except ValueError as error:
                raise InputError(f"pixel-agreement: {view.name}: {error}") from None
        return truths

    metric = of_pairs(
        "pixel-agreement",
        agreement,
        better="higher",
        one_line="sees pairs that do not belong together, of images in black and white; is high by chance where most "
        "pixels of all images are alike",
        paper="https://arxiv.org/abs/1606.07536",
    )
    return metric._replace(seen=seen, check=check)


def check(plan: Scope) -> tuple[str, ...]:
    """Raise InputError unless results are images. Returns no notices."""
    return require_sides("pixel-agreement", plan)


def agreement(results: Array, truths: Array) -> Array:
    """The share for each pair of images uint8 [B, H, W, C]: [B]."""
    return ((results >= MIDDLE) == (truths >= MIDDLE)).reshape(len(results), -1).mean(axis=1, dtype=jnp.float32)
