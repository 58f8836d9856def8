"""Arrays in an .npz file: images or vectors, with or without labels."""

import zipfile
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Store
from gan_cli.errors import InputError

Values = Literal["0..255", "0..1", "-1..1"]
RANGES = {"0..255": (0, 255), "0..1": (0, 1), "-1..1": (-1, 1)}
UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)


def npz(
    store: Store,
    *,
    path: Path,
    x: str | None = None,  # name of the examples' array; None: "x" or "arr_0"
    y: str | None = None,  # name of the labels' array; None: "y" or "arr_1", if there is one
    values: Values = "0..255",  # what black .. white are in the file
) -> Source:
    """Arrays in an .npz file: images [N, H, W] or [N, H, W, C], or vectors [N, D]; labels [N] from 0.

    The layout of `gan sample --out samples.npz` (arr_0, arr_1) is read as it is. Images are kept as uint8, vectors as
    float32. No pickle is ever read. Raises InputError that names the file and the array.
    """
    path = store.locate(path)
    arrays = _read(path)
    x = x or next((name for name in ("x", "arr_0") if name in arrays), "x")
    y = y or next((name for name in ("y", "arr_1") if name in arrays), None)
    examples = _examples(_array(path, arrays, "x", x), f"{path}: array {x!r}", values)
    if y is None:
        return in_memory(path.name, examples)
    labels = _labels(_array(path, arrays, "y", y), f"{path}: array {y!r}")
    return in_memory(path.name, examples, labels, tuple(str(i) for i in range(int(labels.max(initial=-1)) + 1)))


def _read(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not an .npz file; numpy.savez(path, x=images, y=labels) writes one")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read ({error}); it should hold plain arrays of numbers") from None


def _array(path: Path, arrays: dict[str, np.ndarray], option: str, name: str) -> np.ndarray:
    if name not in arrays:
        raise InputError(f"{path}: has no array {name!r}; set [data] {option} to one of {', '.join(sorted(arrays))}")
    return arrays[name]


def _examples(x: np.ndarray, where: str, values: Values) -> np.ndarray:
    """Images uint8 [N, H, W, C] or vectors float32 [N, D]."""
    if x.ndim not in (2, 3, 4) or x.dtype.kind not in "buif":
        raise InputError(
            f"{where} is {x.dtype} {list(x.shape)}; images [N, H, W] or [N, H, W, C], or vectors [N, D] are wanted"
        )
    if not x.size:
        raise InputError(f"{where} is empty")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise InputError(f"{where} holds NaN or infinity")
    if x.ndim == 2:
        return x.astype(np.float32)
    return _eight_bit(x[..., None] if x.ndim == 3 else x, where, values)


def _eight_bit(x: np.ndarray, where: str, values: Values) -> np.ndarray:
    low, high = RANGES[values]
    if x.min() < low or x.max() > high:
        raise InputError(
            f'{where} has values from {x.min()} to {x.max()}, and [data] values = "{values}"; '
            f"one of {', '.join(RANGES)} should hold them"
        )
    if values == "0..255" and x.dtype.kind == "f" and x.max() <= 1:
        raise InputError(f'{where} has values from {x.min()} to {x.max()}: set [data] values = "0..1"')
    if x.dtype == np.uint8 and values == "0..255":
        return x
    return np.round((x.astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8)


def _labels(y: np.ndarray, where: str) -> np.ndarray:
    if y.dtype.kind not in "ui" or y.squeeze().ndim != 1:
        raise InputError(f"{where} is {y.dtype} {list(y.shape)}; labels are whole numbers from 0, of shape [N]")
    return y.reshape(-1)
