"""The digits that come with scikit-learn: no download."""

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
    from sklearn.datasets import load_digits  # takes a second to import

    data = load_digits()
    x = np.round(data.images * (255 / 16)).astype(np.uint8)[..., None]  # [1797, 8, 8, 1]
    chosen = SPLITS[split]
    return in_memory(f"digits {split}", x[chosen], data.target[chosen], tuple("0123456789"))
