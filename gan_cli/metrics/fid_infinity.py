"""Fréchet distance of infinitely many fakes, extrapolated along the line in 1/n by which the distance falls."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from gan_cli.data.order import order
from gan_cli.metrics.frechet import Statistics, check_n, statistics
from gan_cli.metrics.metric import Metric, Sample, Scope, require_images

SEED = 1  # of the subsets


def fid_infinity(
    *,
    points: Annotated[int, Field(ge=3)] = 15,  # numbers of fakes at which the distance is taken
) -> Metric:
    """Fréchet distance of real and fake features (FID), extrapolated to infinitely many fakes; 0 is best.

    https://arxiv.org/abs/1911.07023. At `points` numbers n from a tenth of the fakes, but at least twice the features'
    dimension, to all of them, the distance of a fixed random n of them is taken; a straight line in 1/n is fitted, and
    the metric is its intercept, negative by chance where it is about 0. `fid-infinity-slope` is its slope,
    `fid-infinity-error` the intercept's standard error by the scatter of the points about the line, which knows nothing
    of another draw of images: over draws it varied 1.3 to 3 times as much. As in the authors' code only the fakes' side
    is extrapolated: the bias from few real images stays. About a tenth too much is taken off the bias from few fakes,
    because the distance bends away from the line at few images (measured with white Gaussians, the worst of those
    tried). Departures: random latents, not Sobol sequences; a tenth of the fakes where the authors begin at 5,000 of
    50,000.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        y = fake.outputs["features"]
        n = sizes(len(y), y.shape[1], points)
        found = distances(real.statistics, y, [order(SEED, len(y), i)[:few] for i, few in enumerate(n)])
        (slope, intercept), covariance = np.polyfit(1 / n, found, 1, cov=True)
        error = np.sqrt(covariance[1, 1])
        return {
            "fid-infinity": float(intercept),
            "fid-infinity-error": float(error),
            "fid-infinity-slope": float(slope),
        }

    def check(plan: Scope) -> tuple[str, ...]:
        sizes(plan.n_fake, plan.dim, points)
        return check_n(plan.n_real or None, plan.dim, "real")

    return Metric(
        name="fid-infinity",
        lower_is_better=True,
        one_line="sees what fid sees, without its bias by the number of fakes; cannot see memorised training images or "
        "anything beyond second moments",
        paper="https://arxiv.org/abs/1911.07023",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        check=check,
    )


def sizes(n: int, dim: int, points: int) -> np.ndarray:
    """Numbers of fakes, of `n` in all, at which the distance is taken: int [points], ascending, the last is n.

    Raises InputError for fewer fakes than twice the least of these numbers: so short a line tells nothing.
    """
    least = 2 * dim
    needs = f"fid-infinity needs {2 * least} fake images or more for features of dimension {dim}, better {10 * dim}"
    require_images(n, 2 * least, needs, ": give more")
    return np.linspace(max(least, n // 10), n, points).astype(int)


def distances(real: Statistics, fake: np.ndarray, subsets: Sequence[np.ndarray]) -> np.ndarray:
    """`frechet_distance` of the real statistics and those of each subset of fake [N, D]: [len(subsets)] float64.

    subsets: indices of the fakes. With the real covariance R Rᵀ the trace of the root needs the eigenvalues of Rᵀ C R,
    which is the covariance of fake R. Directions in which the reals do not vary would add only rounding and time, and
    are left out.
    """
    values, vectors = np.linalg.eigh(real.covariance)
    varies = values > values[-1] * len(values) * np.finfo(np.float64).eps
    turned = fake @ (vectors[:, varies] * np.sqrt(values[varies]))  # [N, D or less] float64
    found = []
    for chosen in subsets:
        part = fake[chosen]
        means = np.square(part.mean(axis=0, dtype=np.float64) - real.mean).sum()
        traces = np.trace(real.covariance) + part.var(axis=0, ddof=1, dtype=np.float64).sum()
        roots = np.sqrt(np.linalg.eigvalsh(statistics(turned[chosen]).covariance).clip(min=0))
        found.append(float(means + traces - 2 * roots.sum()))
    return np.array(found).clip(min=0)
