"""USPS: handwritten digits of zip codes on envelopes, as of https://hastie.su.domains/ElemStatLearn/."""

from typing import Literal

import numpy as np

from gan_cli.data.arrays import load_arrays
from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Asset, Origin, Store
from gan_cli.errors import DamagedError

COUNTS = {"train": 7291, "test": 2007}
# The files zip.train and zip.test are text; nobody publishes an archive of arrays, so there is no checksum.
ARCHIVE = Asset("usps.npz", largest=64 << 20)
ORIGIN = Origin("usps", (ARCHIVE,))


def usps(store: Store, *, split: Literal["train", "test"] = "train") -> Source:
    """USPS: handwritten digits, 16x16 grey, 10 classes; 7,291 to train, 2,007 to test. Nothing is downloaded.

    Reads DIR/usps/usps.npz: x_train and x_test float [N, 16, 16] from -1 (paper) to 1 (ink), y_train and y_test [N].
    Raises InputError.
    """
    x, y = store.read("usps", ARCHIVE, lambda content: parse(content, split))
    return in_memory(f"usps {split}", x, y, tuple("0123456789"))


def parse(content: bytes, split: str) -> tuple[np.ndarray, np.ndarray]:
    """One split of the archive: images uint8 [N, 16, 16, 1], ink is 255, and labels [N]; raises DamagedError."""
    names = (f"x_{split}", f"y_{split}")
    found = load_arrays(content, names)
    for name, shape in zip(names, ((COUNTS[split], 16, 16), (COUNTS[split],)), strict=True):
        if name not in found or found[name].shape != shape:
            raise DamagedError(f"wants an array {name} of shape {shape}: another data set?")
    x, y = (found[name] for name in names)
    if not (np.abs(x) <= 1).all() or y.dtype.kind not in "ui" or y.min() < 0 or y.max() > 9:
        raise DamagedError("holds numbers beyond -1 .. 1, or labels beyond 0 .. 9: another data set?")
    return np.rint((x[..., None] + 1) * 127.5).astype(np.uint8), y
