"""Masks that fall into another number of pieces than the true ones."""

from functools import partial

import numpy as np

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import of_masks, of_pairs, require_masks


def topology_errors() -> Metric:
    """Share of masks with another number of connected pieces than the true one; 0 is best.

    Masks are as for `dice`, of images or volumes; pixels are connected by their sides.
    """
    return of_pairs(
        "topology-errors",
        of_masks(differs),
        better="lower",
        one_line="sees masks in pieces and stray specks, however small; cannot see where the pieces are",
        paper="https://arxiv.org/abs/1703.08770",
    )._replace(check=partial(require_masks, "topology-errors"))


def differs(a: np.ndarray, b: np.ndarray) -> float:
    """1 where two masks, bool [H, W] or [D, H, W], have different numbers of pieces, else 0."""
    from scipy import ndimage

    return float(ndimage.label(a)[1] != ndimage.label(b)[1])
