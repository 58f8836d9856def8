"""Squared maximum mean discrepancy of features under a Gaussian kernel."""

from functools import partial
from typing import Literal

import numpy as np
from pydantic import PositiveFloat

from gan_cli.data.order import order
from gan_cli.metrics.kernel import check_sides, gaussian, mmd2
from gan_cli.metrics.metric import Metric, Sample

REAL, FAKE = 1, 2  # seeds of the subsets
FEW = 500  # features of each side whose distances choose the width


def mmd(
    *,
    width: PositiveFloat | Literal["median", "median-real"] = "median",  # of the kernel, in units of the features
) -> Metric:
    """Unbiased MMD² of real and fake features under exp(-|x - y|² / (2 width²)); 0 to 2, by chance it is negative.

    https://jmlr.org/papers/v13/gretton12a.html. `mmd-error` is its standard error over draws of the images, see
    `kernel.mmd2`. The width "median" is the median distance of two features, pooled over both sides, as in the paper;
    it moves with the fakes, so that models have different kernels: to compare them give a number, or "median-real",
    the median distance of two reals. Both use a fixed random 500 of each side. The width used is `mmd-width`.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        x, y = real.outputs["features"], fake.outputs["features"]
        used = width if isinstance(width, float) else median_distance((x,) if width == "median-real" else (x, y))
        found = mmd2(partial(gaussian, width=used), x, y)
        return {"mmd": found.value, "mmd-error": found.error, "mmd-width": used}

    return Metric(
        name="mmd",
        lower_is_better=True,
        one_line="sees any difference of the features' distributions at about the kernel's width, without bias at few "
        "images; hardly sees finer or coarser ones, nor memorised training images. Negative by chance where it is "
        "about 0",
        paper="https://jmlr.org/papers/v13/gretton12a.html",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        keeps_real=("features",),
        check=lambda plan: check_sides(plan, "mmd"),
    )


def median_distance(sides: tuple[np.ndarray, ...]) -> float:
    """Median Euclidean distance between two features out of a fixed random 500 of each side [N, D], pooled.

    Where more than half of the pairs coincide it is their mean distance, and 1 where all do: MMD² is 0 then.
    """
    from scipy.spatial.distance import pdist  # exactly 0 for features that are equal

    seeds = (REAL, FAKE)[: len(sides)]
    chosen = [x[order(seed, len(x), 0)[:FEW]] for x, seed in zip(sides, seeds, strict=True)]
    distances = pdist(np.concatenate(chosen).astype(np.float64))
    return float(np.median(distances) or distances.mean() or 1.0)
