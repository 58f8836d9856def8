"""The Fréchet distance between two sets of features, in float64 and without `sqrtm`.

`scipy.linalg.sqrtm` of a product of covariances returns complex or wrong roots when one of them is rank-deficient.
The trace that the distance needs is also the sum of the roots of a symmetric positive semi-definite matrix's
eigenvalues, which are real and non-negative by construction.
"""

from typing import NamedTuple

import numpy as np

from gan_cli.errors import InputError

Matrix = np.ndarray

COMFORTABLE = 10  # images per feature dimension, below which the distance's upward bias is worth a notice


class Statistics(NamedTuple):
    """Mean and covariance of N feature vectors of length D."""

    mean: np.ndarray  # [D] float64
    covariance: Matrix  # [D, D] float64, unbiased (divided by N - 1)
    n: int  # 0: not known


class Moments(NamedTuple):
    """Running mean and scatter of feature vectors: memory does not grow with their number.

    Merged by Chan, Golub and LeVeque's update of deviations from the mean, which loses no digits when the mean is
    large beside the spread (sums of squares would): http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf
    """

    n: int
    mean: np.ndarray  # [D] float64
    scatter: Matrix  # [D, D] float64: sum of outer products of deviations from the mean

    def add(self, features: np.ndarray) -> "Moments":
        """The moments of these vectors and a batch of further ones, features [B, D]."""
        batch = features.astype(np.float64)
        if not len(batch):
            return self
        batch_mean = batch.mean(0)
        deviations = batch - batch_mean
        n = self.n + len(batch)
        shift = batch_mean - self.mean
        between = np.outer(shift, shift) * (self.n * len(batch) / n)
        return Moments(n, self.mean + shift * (len(batch) / n), self.scatter + deviations.T @ deviations + between)

    def statistics(self) -> Statistics:
        """Mean and unbiased covariance; the covariance of fewer than two vectors is given as zero."""
        return Statistics(self.mean, self.scatter / max(self.n - 1, 1), self.n)


def no_moments(dim: int) -> Moments:
    """The moments of no feature vectors of length `dim`, to which batches can be added."""
    return Moments(0, np.zeros(dim), np.zeros((dim, dim)))


def statistics(features: np.ndarray) -> Statistics:
    """Mean and covariance, float64, of features [N, D] that are in memory."""
    return no_moments(features.shape[1]).add(features).statistics()


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """|m_a - m_b|² + tr(C_a + C_b - 2 (C_a C_b)^½), the squared 2-Wasserstein distance of two Gaussians.

    Non-negative; exactly what FID computes on Inception features. Paper: https://arxiv.org/abs/1706.08500 (eq. 6).
    Raises InputError when the two have different feature dimensions.
    """
    if a.mean.shape != b.mean.shape:
        raise InputError(
            f"statistics of {a.mean.size} and of {b.mean.size} features cannot be compared: "
            "compute both with the same feature network"
        )
    between_means = np.square(a.mean - b.mean).sum()
    # with C_a = R Rᵀ, tr (C_a C_b)^½ is the sum of the roots of the eigenvalues of the symmetric Rᵀ C_b R
    values, vectors = np.linalg.eigh(a.covariance)
    root = vectors * np.sqrt(values.clip(min=0))  # R [D, D]
    product = root.T @ b.covariance @ root
    trace_of_root = float(np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(min=0)).sum())
    within = np.trace(a.covariance) + np.trace(b.covariance) - 2 * trace_of_root
    return max(float(between_means + within), 0.0)  # rounding can leave -1e-12 for equal statistics


def check_n(n: int | None, dim: int, what: str, of: str = "") -> tuple[str, ...]:
    """Notices about the number of images `n` of one side for features of length `dim`.

    n: None when statistics come from a file that does not say how many images they are of. what: the side, "real" or
    "fake". of: which part of it these images are, in words: " of class 3".

    Raises InputError for n <= dim, when the covariance is singular whatever the images are. The distance is biased
    upwards by an amount that falls as 1/n (https://arxiv.org/abs/1911.07023), which is worth a notice below 10 images
    a dimension.
    """
    if n is None:
        return (f"of how many {what} images the statistics are is not known: few would bias the distance upwards",)
    if n < dim + 1:
        raise InputError(
            f"{n} {what} images{of} are too few for features of dimension {dim}: their covariance is singular. "
            f"Give at least {dim + 1}{of}, better {COMFORTABLE * dim} or more, or take a metric for which few will do: "
            "kid"
        )
    if n < COMFORTABLE * dim:
        return (
            f"{n} {what} images{of} are few for features of dimension {dim}: the distance is biased upwards. "
            f"Compare it only with numbers from the same n, or give {COMFORTABLE * dim} or more",
        )
    return ()
