"""Dice coefficient of masks."""

from functools import partial

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import of_pairs, overlap, require_masks
from gan_cli.types import Array


def dice() -> Metric:
    """2 |A ∩ B| / (|A| + |B|) of each mask and the true one, a mean over masks; 1 is best.

    A pixel is in a mask from half of the highest level on. Each channel of an image or volume is a mask; one that is
    empty where the truth is empty counts as 1.
    """
    return of_pairs(
        "dice",
        coefficient,
        better="higher",
        one_line="sees pixels that are wrongly in a mask or missing; sees little of its outline and of small pieces",
        paper="https://doi.org/10.2307/1932409",
    )._replace(check=partial(require_masks, "dice"))


def coefficient(results: Array, truths: Array) -> Array:
    """The mean Dice coefficient of the masks of each pair as stored, [B, ..., K] both: [B]."""
    both, a, b = overlap(results, truths)
    return ((2 * both + (a + b == 0)) / (a + b).clip(1)).mean(axis=-1)
