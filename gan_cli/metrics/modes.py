"""Modes captured, for data whose mixture of Gaussians is known."""

import numpy as np

from gan_cli.data.source import Mixture
from gan_cli.errors import InputError
from gan_cli.metrics.classes import mahalanobis
from gan_cli.metrics.metric import Metric, Sample

NEAR = 3.0  # Mahalanobis distance to the nearest centre below which a sample is of high quality
BIN = 0.1  # width of the histogram's bins, on the line, in units of the narrowest mode's standard deviation
MOST_BINS = 1_000_000
REACH = 10  # standard deviations beyond the outer modes that the histogram covers; farther samples count as that far
FLOOR = 1e-10  # probability that no bin of the truth goes below


def modes() -> Metric:
    """Modes captured, share of samples of high quality and reverse KL, by the protocol of PacGAN.

    https://arxiv.org/abs/1712.04086, section 4.1, with 2,500 samples. A sample is of high quality when its Mahalanobis
    distance to the nearest centre is below 3; a mode is captured when a sample of high quality is there. Reverse KL is
    KL(shares of the modes among these samples || equal shares) in nats; log K, its largest value, when there are none.
    For a perfect model of points in the plane, 98.89% are of high quality.
    """
    return Metric(
        name="modes",
        lower_is_better=False,
        one_line="sees missing and uneven modes and samples between them, of toys; one good sample captures a mode",
        paper="https://arxiv.org/abs/1712.04086",
        compute=compute_modes,
        needs_real=True,
        needs_mixture=True,
        keeps=("features",),
    )


def compute_modes(real: Sample | None, fake: Sample) -> dict[str, float]:
    """Number of modes, share of high quality, reverse KL; on the line also `histogram`'s numbers.

    Raises InputError where the distribution of the real examples is not known.
    """
    if real is None or real.mixture is None:
        raise InputError("modes counts the modes of a known mixture of Gaussians, and these data are no such toy")
    mixture, points = real.mixture, fake.outputs["features"].astype(np.float64)  # [N, D]
    distances = mahalanobis(mixture, points)  # [N, K]
    good = distances.min(axis=1) < NEAR  # [N]
    counts = np.bincount(distances.argmin(axis=1)[good], minlength=len(mixture.means))  # [K]
    values = {
        "modes": float((counts > 0).sum()),
        "modes-high-quality": float(good.mean()),
        "modes-reverse-kl": reverse_kl(counts),
    }
    return values | (histogram(mixture, points[:, 0]) if points.shape[1] == 1 else {})


def reverse_kl(counts: np.ndarray) -> float:
    """KL(shares of `counts` [K] || 1 / K) in nats; log K when all are 0."""
    if not counts.sum():
        return float(np.log(len(counts)))
    from scipy.special import rel_entr

    return float(rel_entr(counts / counts.sum(), 1 / len(counts)).sum())


def histogram(mixture: Mixture, x: np.ndarray) -> dict[str, float]:
    """Compare histograms of samples x [N] and of the truth, in bins of a tenth of the narrowest mode's sd.

    In MAD-GAN, https://arxiv.org/abs/1704.02906, whose narrowest mode has standard deviation 1, a bin is 0.1 wide.

    `modes-kl` is KL(samples || truth) in nats, `modes-chi-square` the sum of (p - q)² / (p + q). The paper does not say
    which way round its KL is; this one is finite when modes are missing, and 1e-10 is the truth's least probability.
    Raises InputError for a mixture that would need more than a million bins.
    """
    from scipy.special import ndtr, rel_entr

    means, sds = mixture.means[:, 0], mixture.sds
    low, high = (means - REACH * sds).min(), (means + REACH * sds).max()
    width = BIN * sds.min()
    if (high - low) / width > MOST_BINS:
        raise InputError(f"modes: a histogram of this mixture has over {MOST_BINS:,} bins: its sds differ too far")
    edges = np.arange(low, high + width, width)
    truth = np.diff(ndtr((edges[:, None] - means) / sds).mean(axis=1)).clip(FLOOR)  # [bins]
    counts, _ = np.histogram(x.clip(edges[0], edges[-1]), edges)
    shares = counts / len(x)
    chi_square = np.square(shares - truth) / (shares + truth)
    return {"modes-kl": float(rel_entr(shares, truth).sum()), "modes-chi-square": float(chi_square.sum())}
