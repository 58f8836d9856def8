"""What torch-fidelity, prdc and scikit-learn make of two sets of features; for an environment that has them.

    python scripts/parity/neighbours_theirs.py REAL.npy FAKE.npy [--train TRAIN.npy] [--width 0.2]

Prints JSON, under the names of `gan eval`. For one-nn both sets must be equally large.
"""

import argparse
import contextlib
import json
import sys

import numpy as np
import torch
from prdc import compute_prdc
from scipy.stats import mannwhitneyu
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from torch_fidelity.metric_prc import prc_features_to_metric


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("real")
    parser.add_argument("fake")
    parser.add_argument("--train")
    parser.add_argument("--width", type=float)
    given = parser.parse_args()
    real, fake = np.load(given.real), np.load(given.fake)
    found = {**precision_recall(real, fake), **density_coverage(real, fake)}
    if len(real) == len(fake):
        found |= one_nn(real, fake)
    if given.train:
        found |= memorisation(real, fake, np.load(given.train))
    if given.width:
        found |= parzen(real, fake, given.width)
    json.dump(found, sys.stdout, indent=1)


def precision_recall(real, fake):
    """In float64 and in float32, whose rounding shows where distances are nearly equal."""
    found = {}
    for dtype, name in ((torch.float64, ""), (torch.float32, "-float32")):
        sides = (torch.from_numpy(x).to(dtype) for x in (fake, real))
        theirs = prc_features_to_metric(
            *sides, prc_neighborhood=3, prc_batch_size=10_000, save_cpu_ram=False, verbose=False
        )
        found[f"precision-recall{name}"] = theirs["f_score"]
        found[f"precision-recall-precision{name}"] = theirs["precision"]
        found[f"precision-recall-recall{name}"] = theirs["recall"]
    return found


def density_coverage(real, fake):
    with contextlib.redirect_stdout(sys.stderr):
        theirs = compute_prdc(real.astype(np.float64), fake.astype(np.float64), nearest_k=5)
    return {"density-coverage": float(theirs["coverage"]), "density-coverage-density": float(theirs["density"])}


def one_nn(real, fake):
    """Leave-one-out: scikit-learn leaves out a point itself where no queries are given."""
    x = np.concatenate([real, fake]).astype(np.float64)
    y = np.arange(len(x)) >= len(real)
    nearest = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(x, y).kneighbors(n_neighbors=1)[1][:, 0]
    right = y[nearest] == y
    return {
        "one-nn-accuracy": float(right.mean()),
        "one-nn-real": float(right[~y].mean()),
        "one-nn-fake": float(right[y].mean()),
    }


def memorisation(real, fake, train):
    known = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(train.astype(np.float64), np.zeros(len(train)))
    held_out, fakes = (known.kneighbors(x.astype(np.float64))[0][:, 0] for x in (real, fake))
    n, m = len(held_out), len(fakes)
    u = mannwhitneyu(fakes, held_out).statistic
    return {
        "memorisation-threshold": float(np.sort(held_out)[round(0.01 * n) - 1]),
        "memorisation-ct": float((u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)),  # not corrected for ties
    }


def parzen(real, fake, width):
    """Of the real images after the first 1,000, in float64; no tree, in which scikit-learn rounds."""
    kde = KernelDensity(bandwidth=width, leaf_size=len(fake)).fit(fake.astype(np.float64))
    return {"parzen": float(kde.score_samples(real[1000:].astype(np.float64)).mean())}


if __name__ == "__main__":
    main()
