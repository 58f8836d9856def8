"""Arrays in an .npz, .npy or IDX file: images or vectors, with or without labels."""

from pathlib import Path

import numpy as np

from gan_cli.data import arrays, idx
from gan_cli.data.packed import contents
from gan_cli.data.source import OptionError, Source, in_memory
from gan_cli.data.store import Store
from gan_cli.data.values import Range, check_layout, levels, remarks_on_layout
from gan_cli.errors import DamagedError, InputError

CLASSES = 100_000  # at most


def npz(
    store: Store,
    *,
    path: Path,
    x: str | None = None,  # name of the examples' array; None: "x" or "arr_0"
    y: str | None = None,  # name of the labels' array; None: "y" or "arr_1", if there is one
    values: Range = "0..255",  # what black .. white are in the file: "0..1", "-1..1", "0..4095"
) -> Source:
    """Arrays in an .npz file: images [N, H, W] or [N, H, W, C], or vectors [N, D]; labels [N] from 0.

    The layout of `gan sample --out samples.npz` (arr_0, arr_1) is read as it is; an .npy or IDX file is one array,
    without labels. Images are kept as uint8, bool as black and white, vectors as float32. No pickle is ever read.
    Raises InputError that names the file and the array.
    """
    path = store.locate(path)
    names = _names(path)
    x = x or next((name for name in ("x", "arr_0") if name in names), "x")
    y = y or next((name for name in ("y", "arr_1") if name in names), None)
    array = _array(path, names, "x", x)
    examples, remarks = _examples(array, f"{path}: array {x!r}", values)
    if y is None:
        return in_memory(path.name, examples)._replace(remarks=remarks)
    where = f"{path}: array {y!r}"
    labels = _labels(_array(path, names, "y", y), where)
    classes = tuple(str(i) for i in range(int(labels.max(initial=-1)) + 1))
    return in_memory(path.name, examples, labels, classes)._replace(remarks=(*remarks, *_absent(labels, where)))


def _names(path: Path) -> list[str]:
    try:
        return [arrays.ALONE] if _is_idx(path) else arrays.names(path)
    except (DamagedError, OSError) as error:
        mend = "numpy.savez(path, x=images, y=labels) writes an .npz"
        raise InputError(
            f"{path}: not an .npz, .npy or IDX file, {getattr(error, 'strerror', None) or error}; {mend}"
        ) from None


def _is_idx(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (idx.GZIP, idx.MAGIC)


def _array(path: Path, names: list[str], option: str, name: str) -> np.ndarray:
    if name not in names:
        known = ", ".join(sorted(names)[:20])
        line = f'{option} = "{min(names, default="")}"'
        raise OptionError(f"{path}: has no array {name!r}; set [data] {option} to one of {known}", line, "npz")
    try:
        return idx.unpacked(contents(path)) if _is_idx(path) else arrays.load_arrays(path, [name])[name]
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); it should hold plain arrays of numbers") from None


def _examples(x: np.ndarray, where: str, values: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Images uint8 [N, H, W, C] or vectors float32 [N, D] of an array, and remarks on it; raises InputError."""
    if x.ndim not in (2, 3, 4) or x.dtype.kind not in "buif":
        labels = " (labels?)" if x.ndim == 1 else ""
        raise InputError(
            f"{where} is {x.dtype} {list(x.shape)}{labels}; images [N, H, W] or [N, H, W, C], or vectors [N, D] are "
            "wanted"
        )
    if not x.size:
        raise InputError(f"{where} is empty")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise InputError(f"{where} holds NaN or infinity")
    check_layout(x, where)
    remarks = remarks_on_layout(x, where)
    if x.ndim == 2:
        return _vectors(x, where), remarks
    made, more = levels(x[..., None] if x.ndim == 3 else x, values, where, "npz")
    return made, (*remarks, *more)


def _vectors(x: np.ndarray, where: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        vectors = x.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise InputError(f"{where} has values from {x.min()} to {x.max()}, beyond what float32 holds")
    return vectors


def _labels(y: np.ndarray, where: str) -> np.ndarray:
    """Labels int64 [N]; raises InputError."""
    if y.dtype.kind not in "bui" or y.ndim == 0 or y.size != len(y):
        raise InputError(
            f"{where} is {y.dtype} {list(y.shape)}; labels are whole numbers from 0, of shape [N]{_mend(y)}"
        )
    if y.size and y.max() >= CLASSES:
        raise InputError(f"{where} has labels up to {y.max()}; there can be {CLASSES:,} classes, 0 .. {CLASSES - 1}")
    return y.reshape(-1).astype(np.int64)


def _mend(y: np.ndarray) -> str:
    """How labels of another form become such, where that can be seen."""
    if y.ndim == 2 and y.dtype.kind in "buif" and y.shape[1] > 1 and (y.sum(axis=1) == 1).all():
        return "; y.argmax(axis=1) makes them of one-hot rows"
    if y.ndim == 1 and y.dtype.kind == "f" and (y == np.round(y)).all():
        return "; y.astype(int) makes them whole"
    if y.ndim == 1 and y.dtype.kind in "US":
        return "; numpy.unique(y, return_inverse=True)[1] numbers names"
    return ""


def _absent(labels: np.ndarray, where: str) -> tuple[str, ...]:
    """A remark on classes that no example is of."""
    present = np.unique(labels)
    first, last = int(present[0]), int(present[-1])  # there is one, as there are examples
    absent = last + 1 - len(present)
    if first < 0 or not absent:
        return ()
    mend = "y - 1" if first == absent == 1 else "numpy.unique(y, return_inverse=True)[1]"
    return (
        f"{where} has labels from {first} to {last}: {absent} of the {last + 1} classes, 0 to {last}, have no example; "
        f"{mend} would number those that have",
    )
