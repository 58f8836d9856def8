"""Wasserstein-1 distance of real and fake features: the exact least mean way from one set to the other."""

import numpy as np
from pydantic import PositiveInt

from gan_cli.data.order import order
from gan_cli.metrics.metric import Metric, Sample, require_images

REAL, FAKE = 1, 2  # seeds of the subsets


def wasserstein(
    *,
    most: PositiveInt = 2000,  # images of each side that are matched; time grows as the cube, memory as the square
) -> Metric:
    """Wasserstein-1 distance (Euclidean cost) of as many real and fake features, in the features' units.

    https://arxiv.org/abs/1701.07875 has the distance; here it is that of the samples themselves, by the one-to-one
    assignment with the least total (https://doi.org/10.1109/TAES.2016.140952), not a critic's estimate. In many
    dimensions the distance of samples is far above that of their laws at any affordable number: read it beside
    `wasserstein-floor`, the same real images against as many others, which perfect fakes would get. So at most half of
    the real images are compared with fakes: `wasserstein-n` is the number a side, a fixed random choice. Compare only
    at equal n.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        x, y = real.outputs["features"], fake.outputs["features"]
        n = min(most, len(x) // 2, len(y))
        x, y = x[order(REAL, len(x), 0)[: 2 * n]], y[order(FAKE, len(y), 0)[:n]]
        return {
            "wasserstein": distance(x[:n], y),
            "wasserstein-floor": distance(x[:n], x[n:]),
            "wasserstein-n": float(n),
        }

    return Metric(
        name="wasserstein",
        lower_is_better=True,
        one_line="sees any difference of the features' distributions that is large beside the distance of neighbouring "
        "images; cannot see finer ones, nor memorised training images",
        paper="https://arxiv.org/abs/1701.07875",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        keeps_real=("features",),
        check=lambda plan: require_images(plan.n_real, 2, "wasserstein needs two real images or more", ": set n_real"),
    )


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """Wasserstein-1 distance, per pair, of equally many features x [N, D] and y [N, D]."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist  # exactly 0 for features that are equal

    costs = cdist(x.astype(np.float64), y.astype(np.float64))  # [N, N]
    return float(costs[linear_sum_assignment(costs)].mean())
