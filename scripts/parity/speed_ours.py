"""Ours, for speed.py: python speed_ours.py TASK [FOLDER]. Answers as scripts/bench/worker.py says."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import inception_torch
import numpy as np
from worker import serve, serve_prepared

from gan_cli import features, metrics
from gan_cli.engine import platform
from gan_cli.metrics.collect import collect
from gan_cli.metrics.frechet import Statistics, frechet_distance, statistics
from gan_cli.metrics.metric import Sample

BATCH = 250  # images judged at once; the default of gan eval
NOT_ASKED = Statistics(np.zeros(1), np.zeros((1, 1)), 0)
METRICS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "kid-subsets": ("kid", {"subsets": 100, "subset_size": 1000}),
    "kid": ("kid", {}),
    "precision-recall": ("precision-recall", {}),
    "density-coverage": ("density-coverage", {}),
}


def inception() -> None:
    """Features of n images, their mean and covariance."""
    platform.start()
    network = features.find_network("inception")

    def prepare(n: int) -> Callable[[], object]:
        images = inception_torch.images((32, 32, 3), n)
        return lambda: collect(network, np.split(images, range(BATCH, n, BATCH)))

    prepare(BATCH)()
    serve_prepared(prepare)


def metric(task: str, folder: Path) -> None:
    """A metric, or several, of the first n features a side."""
    real, fake = (np.load(folder / f"{name}.npy") for name in ("real", "fake"))
    compute(task, real[:1000, :64].copy(), fake[:1000, :64].copy())  # warm up
    serve(lambda n: compute(task, real[:n], fake[:n]))


def compute(task: str, real: np.ndarray, fake: np.ndarray) -> None:
    """What the task says, of features [N, D]."""
    if task == "fid":
        frechet_distance(statistics(real), statistics(fake))
        return
    one, other = (Sample(NOT_ASKED, {"features": x}) for x in (real, fake))
    for name in task.split("+"):
        called, options = METRICS[name]
        metrics.find_metric(called, **options).compute(one, other)


if __name__ == "__main__":
    inception() if sys.argv[1] == "inception" else metric(sys.argv[1], Path(sys.argv[2]))
