"""The log-likelihood of real images under a Parzen window of fakes: the first GAN's metric."""

from collections.abc import Sequence

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, require_images

VALIDATION = 1000  # real images that choose the window's width
LEAST = VALIDATION + 2  # real images: the error is told from two or more in the test
CHUNK = 500  # test images whose distances to all fakes are held at once


def parzen(
    *,
    narrowest: PositiveFloat = 0.1,  # the least of the candidate widths, in units of the pixels' range
    widest: PositiveFloat = 1.0,  # the greatest
    widths: PositiveInt = 10,  # how many, at equal ratios
) -> Metric:
    """Mean log-likelihood, in nats, of real images under Gaussian windows around the fakes, pixels in [0, 1].

    https://arxiv.org/abs/1406.2661, section 5. The first 1,000 real images choose the width `parzen-width` among ten
    from 0.1 to 1, as in the authors' code; the mean and its standard error over images, `parzen-error`, come from the
    rest. Where the width chosen is at an end of the candidates, and one beyond could be better, there is a value
    `parzen-edge`: -1 at the narrowest, 1 at the widest. Needs `features = "pixels"`. Known to rank models wrongly:
    https://arxiv.org/abs/1511.01844. Raises InputError when the narrowest is not below the widest.
    """
    if narrowest >= widest and widths > 1:
        raise InputError(f"parzen: narrowest = {narrowest} is not below widest = {widest}")
    candidates = np.geomspace(narrowest, widest, widths)

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        x, centres = real.outputs["features"], fake.outputs["features"]
        chosen = int(np.argmax(log_likelihoods(x[:VALIDATION], centres, candidates).mean(axis=1)))
        values = log_likelihoods(x[VALIDATION:], centres, candidates[chosen : chosen + 1])[0]
        error = values.std(ddof=1) / np.sqrt(len(values))
        found = {
            "parzen": float(values.mean()),
            "parzen-error": float(error),
            "parzen-width": float(candidates[chosen]),
        }
        if len(candidates) > 1 and chosen in (0, len(candidates) - 1):
            found["parzen-edge"] = 1.0 if chosen else -1.0
        return found

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
        check=lambda plan: require_images(
            plan.n_real, LEAST, f"parzen needs {LEAST} real images or more", ": set n_real"
        ),
    )


def log_likelihoods(x: np.ndarray, centres: np.ndarray, widths: Sequence[float] | np.ndarray) -> np.ndarray:
    """Log of the mean of N(x; c, width² I) over centres c [M, D], for widths [W] and x [N, D]: [W, N] float64."""
    from scipy.special import logsumexp

    log_norm = np.log(len(centres)) + x.shape[1] * np.log(np.asarray(widths) * np.sqrt(2 * np.pi))  # [W]
    centres = centres.astype(np.float64)
    lengths = (centres**2).sum(axis=1)
    parts = []
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK].astype(np.float64)
        squares = ((part**2).sum(axis=1)[:, None] + lengths - 2 * part @ centres.T).clip(0)  # |x - c|² [CHUNK, M]
        parts.append(np.stack([logsumexp(squares / (-2 * width**2), axis=1) for width in widths]))
    return np.concatenate(parts, axis=1) - log_norm[:, None]
