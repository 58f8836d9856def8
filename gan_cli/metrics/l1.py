"""Mean absolute difference of results from what they should be."""

import jax.numpy as jnp

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import levels, of_pairs
from gan_cli.types import Array


def l1() -> Metric:
    """Mean absolute difference between each result and the truth, of pixels in [0, 1]; 0 is best.

    Of vectors it is in their own units.
    """
    return of_pairs(
        "l1",
        distance,
        better="lower",
        one_line="sees every difference of values from the truth; prefers what is blurred to what is sharp and a pixel "
        "aside",
        paper="https://arxiv.org/abs/1611.07004",
    )


def distance(results: Array, truths: Array) -> Array:
    """Mean absolute difference of each pair as stored, [B, ...] both: [B]."""
    return jnp.abs(levels(results) - levels(truths)).reshape(len(results), -1).mean(axis=1)
