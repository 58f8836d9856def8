"""What torch-fidelity, prdc and scikit-learn make of neighbours among features. Needs PyTorch."""

import contextlib
import sys
from collections.abc import Iterator

import numpy as np
import torch
from prdc import compute_prdc
from record import Record
from scipy.stats import mannwhitneyu
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from torch_fidelity.metric_prc import prc_features_to_metric

PRC = {"precision-recall": "f_score", "precision-recall-precision": "precision", "precision-recall-recall": "recall"}


def precision_recall(real: np.ndarray, fake: np.ndarray) -> Iterator[Record]:
    """In float64; in float32, which it gets from a network, rounding shows where distances are nearly equal."""
    for dtype in (torch.float64, torch.float32):
        sides = (torch.from_numpy(x).to(dtype) for x in (fake, real))
        theirs = prc_features_to_metric(
            *sides, prc_neighborhood=3, prc_batch_size=10_000, save_cpu_ram=False, verbose=False
        )
        exact = dtype == torch.float64
        for key, of in PRC.items() if exact else list(PRC.items())[:1]:
            yield Record(key, f"torch-fidelity, k = 3, float{64 if exact else 32}", theirs[of], alike=exact)


def density_coverage(real: np.ndarray, fake: np.ndarray) -> Iterator[Record]:
    with contextlib.redirect_stdout(sys.stderr):
        theirs = compute_prdc(real, fake, nearest_k=5)
    yield Record("density-coverage", "prdc, k = 5", float(theirs["coverage"]))
    yield Record("density-coverage-density", "prdc, k = 5", float(theirs["density"]))


def one_nn(real: np.ndarray, fake: np.ndarray) -> Iterator[Record]:
    """Leave-one-out: scikit-learn leaves out a point itself where no queries are given."""
    x = np.concatenate([real, fake])
    y = np.arange(len(x)) >= len(real)
    nearest = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(x, y).kneighbors(n_neighbors=1)[1][:, 0]
    right = y[nearest] == y
    for key, part in (("accuracy", slice(None)), ("real", ~y), ("fake", y)):
        yield Record(f"one-nn-{key}", "scikit-learn KNeighborsClassifier", float(right[part].mean()))


def memorisation(train: np.ndarray, held: np.ndarray, fake: np.ndarray) -> Iterator[Record]:
    """Distances to the nearest training image, of held-out images and of fakes."""
    known = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(train, np.zeros(len(train)))
    held_out, fakes = (known.kneighbors(x)[0][:, 0] for x in (held, fake))
    n, m = len(held_out), len(fakes)
    threshold = float(np.sort(held_out)[round(0.01 * n) - 1])
    yield Record("memorisation-threshold", "scikit-learn KNeighborsClassifier", threshold)
    u = mannwhitneyu(fakes, held_out).statistic
    z = float((u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12))
    yield Record("memorisation-ct", "scipy mannwhitneyu, not corrected for ties", z)


def parzen(real: np.ndarray, fake: np.ndarray, width: float) -> Iterator[Record]:
    """Of the real images after the first 1,000, in float64; no tree, in which scikit-learn rounds."""
    kde = KernelDensity(bandwidth=width, leaf_size=len(fake)).fit(fake)
    yield Record("parzen", "scikit-learn KernelDensity, our width", float(kde.score_samples(real[1000:]).mean()))
