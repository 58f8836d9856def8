"""Distance between the outlines of masks."""

from functools import partial

import numpy as np

from gan_cli.metrics.metric import Metric
from gan_cli.metrics.pairs import of_masks, of_pairs, require_masks


def surface_distance() -> Metric:
    """Mean distance in pixels from each outline to the other, both ways, a mean over masks; 0 is best.

    Masks are as for `dice`, of images or volumes; their outline are the pixels that touch another one by a side. Where
    one of two masks is empty it is the diagonal, where both are it is 0.
    """
    return of_pairs(
        "surface-distance",
        of_masks(distance),
        better="lower",
        one_line="sees outlines that are off, far pieces above all; cannot see which of two masks is the larger",
        paper="https://doi.org/10.1109/TMI.2009.2013851",
    )._replace(check=partial(require_masks, "surface-distance"))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The mean distance between the outlines of two masks, bool [H, W] or [D, H, W]."""
    from scipy import ndimage

    if not a.any() or not b.any():
        return float(np.linalg.norm(a.shape)) if a.any() or b.any() else 0.0
    outlines = [mask & ~ndimage.binary_erosion(mask, border_value=0) for mask in (a, b)]
    away = [ndimage.distance_transform_edt(~outline) for outline in outlines]
    return float(np.concatenate([away[1][outlines[0]], away[0][outlines[1]]]).mean())
