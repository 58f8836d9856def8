"""MNIST's training images in a folder for --data-dir: what is cached or in $GAN_DATA_DIR, else downloaded once.

A start with nothing cached would download them, too.
"""

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np

from gan_cli.data.mnist import mnist
from gan_cli.data.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    a = parser.parse_args()

    source = mnist(Store.from_environment())
    found = source.load(np.arange(source.size))
    folder = a.folder / "mnist"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, values in (("images-idx3", found["x"][..., 0]), ("labels-idx1", found["y"].astype(np.uint8))):
        head = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
        (folder / f"train-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes(), 6))


if __name__ == "__main__":
    main()
