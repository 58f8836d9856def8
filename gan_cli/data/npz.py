"""Arrays in an .npz, .npy or IDX file: images, vectors or another medium, with or without labels."""

from pathlib import Path
from typing import Literal

import numpy as np

from gan_cli import media
from gan_cli.data import arrays, idx
from gan_cli.data.packed import contents
from gan_cli.data.source import OptionError, Source, digest, in_memory
from gan_cli.data.store import Store
from gan_cli.data.values import Range, as_uint8, remarks_on_layout
from gan_cli.errors import DamagedError, InputError
from gan_cli.types import INPUT

CLASSES = 100_000  # at most
WORDS = 1_000_000  # likewise

Medium = Literal["video", "volume", "series", "notes", "sound", "tokens"]


def npz(
    store: Store,
    *,
    path: Path,
    x: str | None = None,  # name of the examples' array; None: "x" or "arr_0"
    y: str | None = None,  # name of the labels' array; None: "y" or "arr_1", if there is one
    input: str | None = None,  # name of the array of what x is made from; None: there is none
    values: Range = "0..255",  # what black .. white are in the file: "0..1", "-1..1", "0..4095"
    medium: Medium | None = None,  # what the examples are, where they are neither images nor vectors
) -> Source:
    """Arrays in an .npz file: images [N, H, W] or [N, H, W, C], or vectors [N, D]; labels [N] from 0.

    With `medium` they are videos [N, T, H, W, C], volumes [N, D, H, W, C], series [N, T, F], notes [N, T, 4], sounds
    [N, T] or the numbers of words, tokens [N, T]. The layout of `gan sample --out samples.npz` (arr_0, arr_1) is read
    as it is; an .npy or IDX file is one array, without labels. Images are kept as uint8, bool as black and white,
    vectors as float32. No pickle is ever read.
    Raises InputError that names the file and the array.
    """
    path = store.locate(path)
    try:
        names = [arrays.ALONE] if _is_idx(path) else arrays.array_names(path)
    except (DamagedError, OSError) as error:
        mend = "numpy.savez(path, x=images, y=labels) writes an .npz"
        raise InputError(
            f"{path}: not an .npz, .npy or IDX file, {getattr(error, 'strerror', None) or error}; {mend}"
        ) from None
    x = x or next((name for name in ("x", "arr_0") if name in names), "x")
    y = y or next((name for name in ("y", "arr_1") if name in names), None)
    array, where = _array(path, names, "x", x), f"{path}: array {x!r}"
    examples, remarks = _of_medium(array, where, values, medium) if medium else _examples(array, where, values)
    words = tuple(map(str, range(int(examples.max()) + 1))) if medium == "tokens" else ()
    parts = {}
    if input is not None:
        parts[INPUT], more = _examples(_array(path, names, "input", input), f"{path}: array {input!r}", values)
        remarks += more
    if y is None:
        return _as(medium, words, in_memory(path.name, examples, parts=parts))._replace(remarks=remarks)
    labels, more = _labels(_array(path, names, "y", y), f"{path}: array {y!r}")
    classes = tuple(str(i) for i in range(int(labels.max(initial=-1)) + 1))
    source = _as(medium, words, in_memory(path.name, examples, labels, classes, parts=parts))
    return source._replace(remarks=(*remarks, *more))


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
    remarks = remarks_on_layout(x, where)
    if x.ndim > 2:
        made, more = as_uint8(x[..., None] if x.ndim == 3 else x, values, where, "npz")
        return made, (*remarks, *more)
    with np.errstate(over="ignore"):
        vectors = x.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise InputError(f"{where} has values from {x.min()} to {x.max()}, beyond what float32 holds")
    return vectors, remarks


def _as(medium: str | None, words: tuple[str, ...], source: Source) -> Source:
    """The source with its examples' medium, and its fingerprint with it."""
    if medium is None:
        return source
    spec = source.spec._replace(medium=medium, words=words)
    return source._replace(spec=spec, fingerprint=digest(source.fingerprint, medium))


def _of_medium(x: np.ndarray, where: str, values: str, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The examples of a medium as it stores them, and remarks on them; raises InputError."""
    medium = media.find(name)
    kinds = {"uint8": "buif", "float32": "buif", "int32": "ui"}[medium.dtype]
    if x.ndim != 1 + len(medium.axes) or not x.size or x.dtype.kind not in kinds:
        axes = ", ".join(("examples", *medium.axes))
        whole = " of whole numbers" if kinds == "ui" else ""
        raise InputError(f"{where} is {x.dtype} {list(x.shape)}; {medium.many} are arrays{whole} [{axes}]")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise InputError(f"{where} holds NaN or infinity")
    if medium.dtype == "uint8":
        return as_uint8(x, values, where, "npz")
    if medium.dtype == "int32" and not 0 <= x.min() <= x.max() < WORDS:
        raise InputError(f"{where} has numbers of words from {x.min()} to {x.max()}; right: 0 to {WORDS - 1}")
    if medium.encode is not media.unchanged and np.abs(x).max() > 1:
        raise InputError(f"{where} has values from {x.min():.6g} to {x.max():.6g}; of {medium.many} they are -1 to 1")
    return x.astype(medium.dtype), ()


def _labels(y: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels int64 [N] of an array, and a remark where classes have no example; raises InputError."""
    if y.dtype.kind not in "bui" or y.ndim == 0 or y.size != len(y):
        mend = ""  # where it can be seen how they become labels
        if y.ndim == 2 and y.dtype.kind in "buif" and y.shape[1] > 1 and (y.sum(axis=1) == 1).all():
            mend = "; y.argmax(axis=1) makes them of one-hot rows"
        if y.ndim == 1 and y.dtype.kind == "f" and (y == np.round(y)).all():
            mend = "; y.astype(int) makes them whole"
        if y.ndim == 1 and y.dtype.kind in "US":
            mend = "; numpy.unique(y, return_inverse=True)[1] numbers names"
        raise InputError(f"{where} is {y.dtype} {list(y.shape)}; labels are whole numbers from 0, of shape [N]{mend}")
    if y.size and y.max() >= CLASSES:
        raise InputError(f"{where} has labels up to {y.max()}; there can be {CLASSES:,} classes, 0 .. {CLASSES - 1}")
    labels = y.reshape(-1).astype(np.int64)
    present = np.unique(labels)
    if not len(present) or present[0] < 0:
        return labels, ()
    first, last = int(present[0]), int(present[-1])
    absent = last + 1 - len(present)
    if not absent:
        return labels, ()
    mend = "y - 1" if first == absent == 1 else "numpy.unique(y, return_inverse=True)[1]"
    remark = (
        f"{where} has labels from {first} to {last}: {absent} of the {last + 1} classes, 0 to {last}, have no example; "
        f"{mend} would number those that have"
    )
    return labels, (remark,)
