"""The log-likelihood of real images under a Parzen window of fakes: the first GAN's metric."""

import numpy as np
from scipy.special import logsumexp

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Plan, Sample

VALIDATION = 1000  # real images that choose the window's width
WIDTHS = np.logspace(-1, 0, 10)  # candidates, in units of the pixels' range
CHUNK = 500  # test images whose distances to all fakes are held at once


def parzen() -> Metric:
    """Mean log-likelihood, in nats, of real images under Gaussian windows around the fakes, pixels in [0, 1].

    https://arxiv.org/abs/1406.2661, section 5. The first 1,000 real images choose the width among ten from 0.1 to 1, as
    in the authors' code; the mean and its standard error over images are of the rest. Needs `features = "pixels"`.
    Known to rank models wrongly: https://arxiv.org/abs/1511.01844.
    """
    return Metric(
        name="parzen",
        lower_is_better=False,
        one_line="sees images far from the data and missing kinds; hardly sees sharpness. Ranks models unreliably in "
        "many dimensions; for comparison with the papers that report it",
        paper="https://arxiv.org/abs/1406.2661",
        compute=compute,
        needs_real=True,
        features=("pixels", "points"),
        keeps=("features",),
        keeps_real=("features",),
        check=check,
    )


def check(plan: Plan) -> tuple[str, ...]:
    """InputError when fewer than two real images, of which an error can be told, are left for the test."""
    if plan.n_real < VALIDATION + 2:
        raise InputError(f"parzen needs {VALIDATION + 2} real images or more, and there are {plan.n_real}: set n_real")
    return ()


def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
    """The mean, its standard error over images, and the width chosen."""
    assert real is not None
    x, centres = real.outputs["features"], fake.outputs["features"]
    width = WIDTHS[np.argmax([log_likelihoods(x[:VALIDATION], centres, w).mean() for w in WIDTHS])]
    values = log_likelihoods(x[VALIDATION:], centres, width)
    error = values.std(ddof=1) / np.sqrt(len(values))
    return {"parzen": float(values.mean()), "parzen-error": float(error), "parzen-width": float(width)}


def log_likelihoods(x: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    """log of the mean of N(x; c, width² I) over centres c [M, D], of each x [N, D]: [N] float64."""
    d = x.shape[1]
    log_norm = np.log(len(centres)) + d * np.log(width * np.sqrt(2 * np.pi))
    parts = (x[start : start + CHUNK] for start in range(0, len(x), CHUNK))
    return np.concatenate([logsumexp(-_squared(part, centres) / (2 * width**2), axis=1) for part in parts]) - log_norm


def _squared(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """|x - c|² [N, M] float64, by one matrix product."""
    x, centres = x.astype(np.float64), centres.astype(np.float64)
    squares = (x**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * x @ centres.T
    return squares.clip(0)
