"""Ours: FID of N images as `gan eval` computes it, against statistics at hand, or against N others of a file."""

import argparse
from pathlib import Path

import jax
import numpy as np
from worker import serve_prepared

from gan_cli import features
from gan_cli.engine import platform
from gan_cli.metrics.collect import collect
from gan_cli.metrics.frechet import frechet_distance


def pictures(n: int, seed: int) -> np.ndarray:
    """The images of torch_scoring.py: uint8 [n, 32, 32, 1]."""
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=250, help="images judged at once; the default of gan eval")
    parser.add_argument("--images", type=Path, help=".npy, uint8 [M, 32, 32, 1]: half of them real, half fake")
    a = parser.parse_args()

    platform.start()
    network = features.find_network("digits")

    def statistics(images: np.ndarray):
        return collect(network, (images[i : i + a.batch] for i in range(0, len(images), a.batch))).statistics

    if a.images:
        reals, fakes = np.split(np.load(a.images), 2)
    else:
        known = statistics(pictures(2000, 1) // 2)

    def prepare(n: int):
        if a.images:
            return lambda: frechet_distance(statistics(reals[:n]), statistics(fakes[:n]))
        fake = pictures(n, 0)
        return lambda: frechet_distance(known, statistics(fake))

    serve_prepared(prepare, backend=jax.default_backend(), fid=prepare(2000)())


if __name__ == "__main__":
    main()
