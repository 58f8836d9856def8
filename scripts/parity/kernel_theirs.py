"""Fréchet distances, kernel and transport metrics as the libraries that people trust have them. Needs PyTorch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import ot
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from record import Record
from scipy import linalg
from sklearn.linear_model import LinearRegression
from sklearn.metrics.pairwise import rbf_kernel
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

MEAN, STD = "kernel_inception_distance_mean", "kernel_inception_distance_std"
SCORE = "inception_score_mean", "inception_score_std"


def frechet(real: np.ndarray, fake: np.ndarray) -> Iterator[Record]:
    """Of features [N, D] float64."""
    one, other = ((x.mean(axis=0), np.cov(x, rowvar=False)) for x in (real, fake))
    yield Record("fid", "pytorch-fid", float(calculate_frechet_distance(*one, *other)))
    sides = (fid_features_to_statistics(torch.from_numpy(x)) for x in (real, fake))
    value = fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]
    yield Record("fid", "torch-fidelity", value)
    root = np.trace(linalg.sqrtm(one[1] @ other[1]).real)
    means = np.square(one[0] - other[0]).sum()
    yield Record("fid", "formula, scipy sqrtm", float(means + np.trace(one[1]) + np.trace(other[1]) - 2 * root))


def fid_infinity(real: np.ndarray, fake: np.ndarray, subsets: Iterable[list[int]]) -> Iterator[Record]:
    """As https://github.com/mchong6/FID_IS_infinity fits it, given the subsets that it would draw."""
    statistics = real.mean(axis=0), np.cov(real, rowvar=False)
    parts = [fake[chosen] for chosen in subsets]
    found = [calculate_frechet_distance(*statistics, part.mean(axis=0), np.cov(part, rowvar=False)) for part in parts]
    line = LinearRegression().fit([[1 / len(part)] for part in parts], found)
    yield Record("fid-infinity", "pytorch-fid, and a line by scikit-learn", float(line.intercept_))


def kernels(real: np.ndarray, fake: np.ndarray, width: float) -> Iterator[Record]:
    """One subset of everything, which their code takes in another order, and the protocol of papers."""
    n = min(len(real), len(fake))
    one: dict[str, Any] = {"kid_subsets": 1, "kid_subset_size": n}
    gaussian = {"kid_kernel": "rbf", "kid_kernel_rbf_sigma": width}
    subsets = _kid(real, fake, {"kid_subsets": 100, "kid_subset_size": min(n, 1000)})
    yield Record("kid", "torch-fidelity, one subset of all", _kid(real, fake, one)[MEAN])
    yield Record("kid", "torch-fidelity, its default: 100 random subsets of 1,000", subsets[MEAN], alike=False)
    yield Record("mmd", "torch-fidelity, rbf kernel, one subset of all", _kid(real, fake, {**one, **gaussian})[MEAN])
    k = [rbf_kernel(x, y, gamma=1 / (2 * width**2)) for x, y in ((real, real), (fake, fake), (real, fake))]
    within = sum((own.sum() - np.trace(own)) / (len(own) * (len(own) - 1)) for own in k[:2])
    yield Record("mmd", "formula, scikit-learn rbf_kernel", float(within - 2 * k[2].mean()))


def _kid(real: np.ndarray, fake: np.ndarray, options: Mapping[str, Any]) -> dict[str, float]:
    return kid_features_to_metric(torch.from_numpy(real), torch.from_numpy(fake), verbose=False, **options)


def transport(
    real: np.ndarray, fake: np.ndarray, directions: np.ndarray, matched: Sequence[list[int]]
) -> Iterator[Record]:
    """Exact, of the reals and the fakes that are matched, and sliced, onto directions [L, D]."""
    x, y = (side[chosen] for side, chosen in zip((real, fake), matched, strict=True))
    uniform = np.full(len(x), 1 / len(x))
    costs = np.sqrt(np.maximum(ot.dist(x, y, metric="sqeuclidean"), 0))
    yield Record("wasserstein", "POT emd2", float(ot.emd2(uniform, uniform, costs, numItermax=10**7)))
    sliced = ot.sliced_wasserstein_distance(real, fake, projections=directions.T)
    yield Record("sliced-wasserstein", "POT, our directions", float(sliced))
    own = ot.sliced_wasserstein_distance(real, fake, n_projections=len(directions), seed=0)
    yield Record("sliced-wasserstein", "POT, as many of its own random directions", float(own), alike=False)


def scores(logits: np.ndarray) -> Iterator[Record]:
    """Inception Score of logits [N, classes], of ten splits in their order, and in another."""
    for shuffle, program in ((False, "torch-fidelity, not shuffled"), (True, "torch-fidelity, its default: shuffled")):
        found = isc_features_to_metric(torch.from_numpy(logits), splits=10, shuffle=shuffle)
        for key, name in zip(("inception-score", "inception-score-std"), SCORE, strict=True):
            yield Record(key, program, found[name], alike=not shuffle)
