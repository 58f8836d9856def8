"""Whether fakes lie closer to training images than images held out of training do."""

from typing import Annotated

import numpy as np
from pydantic import Field

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope
from gan_cli.metrics.neighbours import distinct, nearest

MOST_KNOWN = 0.5  # largest share of held-out images that may be training images: some data sets repeat themselves


def memorisation(
    *,
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.01,  # of the held-out images' distances: what counts as close
) -> Metric:
    """Share of fakes as close to a training image as only the closest held-out images are: 0 to 1.

    The distance of an image is that to the nearest of *all* training images; it is close when it is not further away
    than the `quantile` of held-out images, `memorisation-threshold`. `memorisation-expected` is the share of held-out
    images that are so close: the quantile, or more where many are at the same distance (duplicates, at 0).

    - `memorisation-p`: chance that fakes which do not copy have so large a share or a larger one, by Fisher's exact
      test of the two shares. It is also the exact test of how many fakes come before the j-th held-out image in the
      order of their distances, so that it accounts for the threshold's being estimated.
    - `memorisation-ct`: by how many standard deviations fakes are further away than held-out images as a whole, by
      ranks (Mann and Whitney): far below 0 they copy, far above they are underfitted. C_T of
      https://arxiv.org/abs/2004.05675 without its cells; ties, but not continuity, are corrected for.
    - `memorisation-copies`: share of fakes at distance 0.

    0 is no praise: noise is far from everything. Features decide what a near-copy is. Through `pixels` a copy with
    faint noise or another contrast is one, a copy moved by a pixel is not, and simple images are close to everything:
    the half of MNIST's test images with the least ink has a share of 2% instead of 1% and a C_T of -18. Through
    `digits` a copy moved by one pixel counts (C_T -8), by two it does not; the classifier draws images of a class
    together, so that typical ones seem copied: the half that it is surest of has 2% and -10. So take as copying only a
    share that is far above the expected one through both, and look at the pairs (`gan sample --neighbours`).

    Raises InputError when more than half of the held-out images are training images.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        assert real.training is not None
        known = distinct(real.training.outputs["features"])
        held_out, fakes = (
            nearest(vectors, known, 1).squares[vectors.which, 0]
            for vectors in (distinct(sample.outputs["features"]) for sample in (real, fake))
        )
        known_already = float(np.mean(held_out == 0))
        if known_already > MOST_KNOWN:
            raise InputError(
                f"memorisation: {known_already:.0%} of the held-out images are among the training images: give images "
                "that were not trained on"
            )
        return compare(held_out, fakes, quantile)

    def check(plan: Scope) -> tuple[str, ...]:
        if plan.n_real * quantile < 1:
            raise InputError(
                f"memorisation: the closest {quantile:.2%} of {plan.n_real} held-out images are less than one image: "
                "set n_real or quantile higher"
            )
        return ()

    return Metric(
        name="memorisation",
        lower_is_better=True,
        one_line="sees training images that are copied, against held-out images; cannot see whether fakes are any good",
        paper="https://arxiv.org/abs/2004.05675",
        compute=compute,
        needs_real=True,
        needs_training=True,
        chooses=False,
        keeps=("features",),
        keeps_real=("features",),
        check=check,
    )


def compare(held_out: np.ndarray, fakes: np.ndarray, quantile: float) -> dict[str, float]:
    """All values from squared distances to the nearest training image, of held-out images [N] and of fakes [M]."""
    from scipy.stats import hypergeom  # takes a second to import

    n, m = len(held_out), len(fakes)
    threshold = np.sort(held_out)[max(round(quantile * n), 1) - 1]
    as_close, close = int((held_out <= threshold).sum()), int((fakes <= threshold).sum())
    # chance that among all that are close so few are held-out images
    p = hypergeom.cdf(as_close, n + m, n, as_close + close)
    return {
        "memorisation": close / m,
        "memorisation-expected": as_close / n,
        "memorisation-p": float(p),
        "memorisation-ct": rank_z(fakes, held_out),
        "memorisation-copies": float(np.mean(fakes == 0)),
        "memorisation-threshold": float(np.sqrt(threshold)),
    }


def rank_z(a: np.ndarray, b: np.ndarray) -> float:
    """Mann and Whitney's U of a [M] above b [N] in standard deviations, corrected for ties; 0 if all are equal."""
    from scipy.stats import rankdata, tiecorrect

    m, n = len(a), len(b)
    ranks = rankdata(np.concatenate([a, b]))
    u = ranks[:m].sum() - m * (m + 1) / 2
    deviation = np.sqrt(m * n * (m + n + 1) / 12 * tiecorrect(ranks))
    return float((u - m * n / 2) / deviation) if deviation else 0.0
