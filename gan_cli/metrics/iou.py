"""Intersection over union of masks."""

from functools import partial

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import of_pairs, overlap, require_masks
from gan_cli.types import Array


def iou() -> Metric:
    """|A ∩ B| / |A ∪ B| of each mask and the true one, a mean over masks; 1 is best. Masks are as for `dice`."""
    return of_pairs(
        "iou",
        ratio,
        better="higher",
        one_line="sees what dice sees, and is harder on small overlaps",
        paper="https://doi.org/10.1111/j.1469-8137.1912.tb05611.x",
    )._replace(check=partial(require_masks, "iou"))


def ratio(results: Array, truths: Array) -> Array:
    """The mean intersection over union of the masks of each pair as stored, [B, ..., K] both: [B]."""
    both, a, b = overlap(results, truths)
    union = a + b - both
    return ((both + (union == 0)) / union.clip(1)).mean(axis=-1)
