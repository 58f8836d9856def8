"""Images in a folder or a zip file, decoded when they are needed."""

import hashlib
import os
import posixpath
import re
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, Literal, NamedTuple

import numpy as np

from gan_cli.data import levels
from gan_cli.data.images import Shape
from gan_cli.data.packed import check_member, open_zip
from gan_cli.data.picture import decode, opened, shape_of
from gan_cli.data.source import Examples, OptionError, Source, digest, is_ragged, shares
from gan_cli.data.store import Store
from gan_cli.data.values import Range
from gan_cli.errors import DamagedError, InputError
from gan_cli.types import Spec

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
LARGEST = 256 << 20  # bytes of one file, in a zip of one unpacked; more is taken for a decompression bomb
EDGE = 4096  # bytes at the beginning and the end of a file that its fingerprint takes in
UNCOMPRESSED = (".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")  # a change within need not move the ends: all of it
THREADS = 16  # that look at the files' headers
CHUNK = 64  # files that a thread looks at in one go


class File(NamedTuple):
    """An image file, on disk or in a zip."""

    name: str  # relative to the folder, with forward slashes
    open: Callable[[], IO[bytes]]
    stamp: Callable[[], str]  # what its fingerprint is made of, without reading the whole of it


def folder(
    store: Store,
    *,
    path: Path,
    labels: bool = False,  # the subfolder that an image is in is its class
    on_corrupt: Literal["fail", "skip"] = "fail",  # skip: another image takes the place of one that cannot be read
    values: Range | None = None,  # what black .. white are in the files: "0..1", "0..4095"; None: 0 .. 255 or 65535
) -> Source:
    """A folder or zip file of images, with or without subfolders; in natural order: 2.png before 10.png.

    Grey images are [h, w, 1], those with transparency [h, w, 4], all others [h, w, 3]; `images.fit` makes them alike.
    16 bits become 8, EXIF orientation is applied, the first frame stands for an animation.
    Raises InputError that names the file when one cannot be read or none is there.
    """
    path = store.locate(path)
    files = image_files(path)
    headers = _headers(files, path, values, store.note if on_corrupt == "skip" else None)
    files = [file for file, header in zip(files, headers, strict=True) if header]
    if not files:
        raise InputError(f"{path}: holds no image that can be read ({', '.join(SUFFIXES)})")
    classes, y = _labels(files, path) if labels else ((), None)
    spec = Spec(common([h for h in headers if h]), classes, () if y is None else shares(y, len(classes)))
    read = partial(_read_or_next, files, path, values, _Skipped(store.note) if on_corrupt == "skip" else None)

    def load(indices: np.ndarray) -> Examples:
        images, used = zip(*map(read, indices.tolist()), strict=True)
        examples: Examples = {"x": list(images) if is_ragged(spec) else np.stack(images)}
        return examples if y is None else {**examples, "y": y[list(used)]}

    chosen = () if values is None else (f"values {values}",)
    fingerprint = digest(*(f"{file.name} {file.stamp()}" for file in files), f"labels {labels}", *chosen)
    remarks = levels.remarks(files, [h for h in headers if h], path, values)
    return Source(path.name, spec, len(files), load, fingerprint, labels=y, remarks=remarks)


def image_files(path: Path) -> list[File]:
    """The image files of a folder or a zip in natural order; raises InputError where it is neither."""
    return _natural(_strip_common(_in_zip(path) if path.is_file() else _in_folder(path)))


def _in_folder(path: Path) -> list[File]:
    """Image files below a folder; hidden ones are left out."""
    files = []
    for where, folders, names in os.walk(path):  # strings: with many files, pathlib takes longer than the looking
        folders[:] = filter(_visible, folders)
        below = Path(where).relative_to(path).as_posix()
        for name in names:
            place = os.path.join(where, name)
            if name.lower().endswith(SUFFIXES) and _visible(name) and os.path.isfile(place):
                files.append(File(posixpath.join(below, name), partial(_open, place), partial(_stamp, place)))
    return files


def _open(path: str) -> IO[bytes]:
    size = os.stat(path).st_size
    if size > LARGEST:
        raise ValueError(f"has {size} bytes: more than {LARGEST}")
    return open(path, "rb")


def _in_zip(path: Path) -> list[File]:
    """Image files in a zip, which is read in place: nothing is unpacked to disk."""
    try:
        archive, size = open_zip(path), path.stat().st_size
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: neither a folder nor a sound zip file: {error}") from None
    wanted = [i for i in archive.infolist() if i.filename.lower().endswith(SUFFIXES) and _visible(i.filename)]
    member = partial(_member, archive, size)
    return [File(i.filename, partial(member, i), partial("{} {}".format, i.file_size, i.CRC)) for i in wanted]


def _member(archive: zipfile.ZipFile, size: int, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.file_size > LARGEST:
        raise ValueError(f"unpacks to {info.file_size} bytes: more than {LARGEST}")
    check_member(info, size)
    return archive.open(info)


def _stamp(path: str) -> str:
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if path.lower().endswith(UNCOMPRESSED):
            return f"{size} {hashlib.sha256(file.read()).hexdigest()}"
        first = file.read(EDGE)
        file.seek(max(0, size - EDGE))
        return f"{size} {hashlib.sha256(first + file.read()).hexdigest()}"


def _visible(name: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _strip_common(files: list[File]) -> list[File]:
    """Names without the folders that all share, so that a zip of a folder is that folder."""
    if not files:
        return files
    names = [posixpath.normpath("/" + file.name) for file in files]
    shared = posixpath.commonpath({posixpath.dirname(name) for name in names})
    return [file._replace(name=name[len(shared) :].lstrip("/")) for file, name in zip(files, names, strict=True)]


def _natural(files: list[File]) -> list[File]:
    """Sorted by name, digits as numbers."""

    def key(file: File) -> list[list[tuple[int, int, str]]]:
        parts = file.name.split("/")
        return [[(0, int(t), t) if t.isdecimal() else (1, 0, t) for t in re.split(r"(\d+)", part)] for part in parts]

    return sorted(files, key=key)


def _headers(
    files: Sequence[File], where: Path, values: str | None, skip: Callable[[str], None] | None
) -> list[Shape | None]:
    """Height, width and channels of every file, from its header; None for one that is to be left out."""

    def look(file: File) -> Shape | None:
        try:
            with file.open() as data, opened(data) as picture:
                return shape_of(picture, values)
        except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
            if skip is None:
                raise _corrupt(where, file, error) from None
            skip(f"{where}: {file.name} is left out: {reason(error)}")
            return None

    def look_at(start: int) -> list[Shape | None]:
        return [look(file) for file in files[start : start + CHUNK]]

    with ThreadPoolExecutor(THREADS) as threads:
        return list(chain.from_iterable(threads.map(look_at, range(0, len(files), CHUNK))))


def common(shapes: Sequence[Shape]) -> Shape:
    """The shape of all, with 0 for a number that differs."""
    height, width, channels = (set(numbers) for numbers in zip(*shapes, strict=True))
    return _only(height), _only(width), _only(channels)


def _only(numbers: set[int]) -> int:
    return next(iter(numbers)) if len(numbers) == 1 else 0


def _labels(files: Sequence[File], where: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Classes in natural order, and the class of every file: int32 [n]."""
    folders = [PurePosixPath(file.name).parts[0] for file in files]
    for file, name in zip(files, folders, strict=True):
        if name == file.name:
            raise InputError(f"{where}: {name} is in no subfolder, and labels = true takes the class from it")
    classes = tuple(dict.fromkeys(folders))  # the files are sorted
    numbers = {name: number for number, name in enumerate(classes)}
    return classes, np.array([numbers[name] for name in folders], np.int32)


class _Skipped:
    """Tells once of each file that is skipped."""

    def __init__(self, note: Callable[[str], None]):
        self._note, self._told = note, set[str]()

    def __call__(self, where: Path, file: File, error: Exception) -> None:
        if file.name not in self._told:
            self._told.add(file.name)
            self._note(f"{where}: {file.name} is skipped, the next image takes its place: {reason(error)}")


def _read_or_next(
    files: Sequence[File], where: Path, values: str | None, skipped: _Skipped | None, index: int
) -> tuple[np.ndarray, int]:
    """The image at `index` or, when corrupt ones are skipped, the next that can be read; and its index."""
    for shift in range(len(files)):
        at = (index + shift) % len(files)
        try:
            with files[at].open() as data:
                return decode(data.read(), values), at
        except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
            if skipped is None:
                raise _corrupt(where, files[at], error) from None
            skipped(where, files[at], error)
    raise InputError(f"{where}: none of its {len(files)} images can be read")


def _corrupt(where: Path, file: File, error: Exception) -> OptionError:
    if isinstance(error, OptionError):
        return OptionError(f"{where}: {file.name}: {error}", error.line, error.of)
    line = 'on_corrupt = "skip"'
    mend = f"mend or remove it, or set [data] {line}"
    return OptionError(f"{where}: {file.name} cannot be read as an image: {reason(error)}; {mend}", line, "folder")


def reason(error: Exception) -> str:
    """What a reader said, without the object that it read from."""
    text = re.sub(r" ?<(_io|zipfile)\.\w+.*?>", "", str(error)[:500]).strip()
    return text[:300] or type(error).__name__
