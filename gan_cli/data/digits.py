"""The digits that come with scikit-learn: no download."""

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Store

SPLITS = {"train": slice(0, 898), "test": slice(898, None), "all": slice(None)}  # halves, as in scikit-learn's example


def digits(store: Store, *, split: Literal["train", "test", "all"] = "train") -> Source:  # noqa: ARG001
    """scikit-learn's handwritten digits: 8x8 grey, 10 classes, embedded; 898 to train, 899 to test.

    x is uint8 [n, 8, 8, 1]: the 17 levels of the original, 0 .. 16, spread over 0 .. 255.
    https://archive.ics.uci.edu/dataset/80 (the test part: its 13 writers are in both halves here).
    """
    x, y = _scikit_learns()
    x = np.round(x * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)  # [1797, 8, 8, 1]
    chosen = SPLITS[split]
    return in_memory(f"digits {split}", x[chosen], y[chosen], tuple("0123456789"))


def _scikit_learns() -> tuple[np.ndarray, np.ndarray]:
    """Read scikit-learn's file: levels 0 .. 16 [1797, 64] and digits [1797]. Importing it takes a second."""
    found = find_spec("sklearn")
    file = Path(found.origin if found and found.origin else "").parent / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        with gzip.open(file, "rt") as lines:
            table = np.loadtxt(lines, dtype=np.uint8, delimiter=",")  # [1797, 65]
        return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits  # a release that keeps its data elsewhere

    data = load_digits()
    return data.data, data.target
