"""Arrays in an .npz file: images or vectors, with or without labels."""

from pathlib import Path
from typing import Literal

import numpy as np

from gan_cli.data import arrays
from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Store
from gan_cli.errors import DamagedError, InputError

Values = Literal["0..255", "0..1", "-1..1"]
RANGES = {"0..255": (0, 255), "0..1": (0, 1), "-1..1": (-1, 1)}
CLASSES = 100_000  # at most
ROWS = 1024  # examples that are converted at once


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
    names = _names(path)
    x = x or next((name for name in ("x", "arr_0") if name in names), "x")
    y = y or next((name for name in ("y", "arr_1") if name in names), None)
    examples = _examples(_array(path, names, "x", x), f"{path}: array {x!r}", values)
    if y is None:
        return in_memory(path.name, examples)
    labels = _labels(_array(path, names, "y", y), f"{path}: array {y!r}")
    return in_memory(path.name, examples, labels, tuple(str(i) for i in range(int(labels.max(initial=-1)) + 1)))


def _names(path: Path) -> list[str]:
    try:
        return arrays.names(path)
    except (DamagedError, OSError) as error:
        mend = "numpy.savez(path, x=images, y=labels) writes one"
        raise InputError(f"{path}: not an .npz file, {getattr(error, 'strerror', None) or error}; {mend}") from None


def _array(path: Path, names: list[str], option: str, name: str) -> np.ndarray:
    if name not in names:
        known = ", ".join(sorted(names)[:20])
        raise InputError(f"{path}: has no array {name!r}; set [data] {option} to one of {known}")
    try:
        return arrays.load(path, [name])[name]
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); it should hold plain arrays of numbers") from None


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
        return _vectors(x, where)
    return _eight_bit(x[..., None] if x.ndim == 3 else x, where, values)


def _vectors(x: np.ndarray, where: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        vectors = x.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise InputError(f"{where} has values from {x.min()} to {x.max()}, beyond what float32 holds")
    return vectors


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
    levels = np.empty(x.shape, np.uint8)
    for start in range(0, len(x), ROWS):  # in float64 all of them would take eight times their memory
        some = slice(start, start + ROWS)
        levels[some] = np.round((x[some].astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8)
    return levels


def _labels(y: np.ndarray, where: str) -> np.ndarray:
    if y.dtype.kind not in "ui" or y.squeeze().ndim != 1:
        raise InputError(f"{where} is {y.dtype} {list(y.shape)}; labels are whole numbers from 0, of shape [N]")
    if y.size and y.max() >= CLASSES:
        raise InputError(f"{where} has labels up to {y.max()}; there can be {CLASSES:,} classes, 0 .. {CLASSES - 1}")
    return y.reshape(-1).astype(np.int64)
