"""Kernel and transport metrics as the libraries that people trust have them, of features in a folder.

Runs in an environment with PyTorch, torch-fidelity, pytorch-fid, POT and scikit-learn, and without this project:

    python scripts/parity/kernel_theirs.py FOLDER

FOLDER holds real.npy [M, D] and fake.npy [N, D], and `settings.json`: `width` of the Gaussian kernel, `wasserstein`:
two lists of as many indices, of reals and of fakes, and `fid_infinity`: lists of indices of fakes. `directions.npy`
[L, D] holds those of the sliced distance. Their values are written to FOLDER/theirs.json, and printed.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import ot
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from sklearn.linear_model import LinearRegression
from torch_fidelity.metric_kid import kid_features_to_metric

Values = dict[str, float]
MEAN, STD = "kernel_inception_distance_mean", "kernel_inception_distance_std"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    real, fake, directions = (np.load(folder / f"{name}.npy").astype(float) for name in ("real", "fake", "directions"))
    settings = json.loads((folder / "settings.json").read_text())
    values = {
        **kernels(real, fake, settings["width"]),
        **transport(real, fake, directions, settings),
        "fid-infinity": fid_infinity(real, fake, settings["fid_infinity"]),
    }
    (folder / "theirs.json").write_text(json.dumps(values, indent=1))
    print("\n".join(f"{name:24} {value:.12g}" for name, value in values.items()))


def kernels(real: np.ndarray, fake: np.ndarray, width: float) -> Values:
    """One subset of everything, which their code takes in another order, and the protocol of papers."""
    n = min(len(real), len(fake))
    one = {"kid_subsets": 1, "kid_subset_size": n}
    gaussian = {"kid_kernel": "rbf", "kid_kernel_rbf_sigma": width}
    subsets = fidelity(real, fake, {"kid_subsets": 100, "kid_subset_size": min(n, 1000)})
    return {
        "kid": fidelity(real[:n], fake[:n], one)[MEAN],
        "kid, subsets": subsets[MEAN],
        "kid-std": subsets[STD],
        "mmd": fidelity(real[:n], fake[:n], {**one, **gaussian})[MEAN],
    }


def fidelity(real: np.ndarray, fake: np.ndarray, options: Mapping[str, Any]) -> Values:
    return kid_features_to_metric(torch.from_numpy(real), torch.from_numpy(fake), verbose=False, **options)


def transport(real: np.ndarray, fake: np.ndarray, directions: np.ndarray, settings: Mapping[str, Any]) -> Values:
    x, y = (side[chosen] for side, chosen in zip((real, fake), settings["wasserstein"], strict=True))
    uniform = np.full(len(x), 1 / len(x))
    costs = np.sqrt(np.maximum(ot.dist(x, y, metric="sqeuclidean"), 0))
    sliced = ot.sliced_wasserstein_distance(real, fake, projections=directions.T)
    return {"wasserstein": ot.emd2(uniform, uniform, costs, numItermax=10**7), "sliced-wasserstein": float(sliced)}


def fid_infinity(real: np.ndarray, fake: np.ndarray, subsets: Iterable[list[int]]) -> float:
    """As https://github.com/mchong6/FID_IS_infinity fits it, given the subsets that it would draw."""
    statistics = real.mean(axis=0), np.cov(real, rowvar=False)
    parts = [fake[chosen] for chosen in subsets]
    found = [calculate_frechet_distance(*statistics, part.mean(axis=0), np.cov(part, rowvar=False)) for part in parts]
    line = LinearRegression().fit([[1 / len(part)] for part in parts], found)
    return float(line.intercept_)


if __name__ == "__main__":
    main()
