"""Files like MNIST's training images, of its size: noise in their middle. Reading them takes as long."""

import argparse
import struct
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=60_000)
    a = parser.parse_args()

    random = np.random.default_rng(0)
    images = np.zeros((a.n, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = random.integers(0, 256, (a.n, 20, 20), dtype=np.uint8)
    labels = random.integers(0, 10, a.n, dtype=np.uint8)
    a.folder.mkdir(parents=True, exist_ok=True)
    (a.folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, *images.shape) + images.tobytes())
    (a.folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, a.n) + labels.tobytes())


if __name__ == "__main__":
    main()
