"""Label agreement: whether what can be read off the pixels of a result is what it was to show."""

from collections.abc import Callable

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import of_pairs
from gan_cli.types import Array


def label_agreement() -> Metric:
    """Share of pixels in which the label read off a result is the one read off the truth; 1 is best.

    For data whose labels can be read (`Source.reads`), as those of facades by the nearest colour. It is the per-pixel
    accuracy of https://arxiv.org/abs/1611.07004, table 1, with a reading that makes no mistakes for the network there.
    """
    return of_pairs(
        "label-agreement",
        agreement,
        better="higher",
        one_line="sees translations that show something else than what was given; prefers no look to another that can "
        "be read as well",
        paper="https://arxiv.org/abs/1611.07004",
    )._replace(wants=("reads",))


def agreement(results: Array, truths: Array, reads: Callable[[Array], Array]) -> Array:
    """The share of each pair of images uint8 [B, H, W, C]: [B]."""
    return (reads(results) == reads(truths)).mean(axis=(1, 2))
