"""Images in a folder or a zip file, decoded when they are needed."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from gan_cli.data import levels
from gan_cli.data.classes import Classes, classes, parts
from gan_cli.data.images import CHANNELS, Shape
from gan_cli.data.left_out import SUFFIXES, quoted
from gan_cli.data.picture import decode, opened, shape_of
from gan_cli.data.source import Differences, Examples, OptionError, Source, digest, is_ragged, shares
from gan_cli.data.store import Store
from gan_cli.data.tree import File, Tree, read_tree
from gan_cli.data.values import Range
from gan_cli.errors import InputError
from gan_cli.types import Spec

THREADS = 16  # that look at the files' headers
CHUNK = 64  # files that a thread looks at in one go
NAMED = 3  # files that differ from most


def folder(
    store: Store,
    *,
    path: Path,
    labels: bool = False,  # the class is the subfolder that an image is in, or what a StyleGAN set's dataset.json says
    on_corrupt: Literal["fail", "skip"] = "fail",  # skip: another image takes the place of one that cannot be read
    values: Range | None = None,  # what black .. white are in the files: "0..1", "0..4095"; None: 0 .. 255 or 65535
) -> Source:
    """A folder or zip file of images, with or without subfolders; in natural order: 2.png before 10.png.

    Grey images are [h, w, 1], those with transparency [h, w, 4], all others [h, w, 3]; `images.fit` makes them alike.
    16 bits become 8, EXIF orientation is applied, the first frame stands for an animation.
    Raises InputError that names the file when one cannot be read or none is there.
    """
    path = store.locate(path)
    tree = read_tree(path)
    headers = _headers(tree.files, path, values, store.note if on_corrupt == "skip" else None)
    files = [file for file, header in zip(tree.files, headers, strict=True) if header]
    check_some(files, path, tree)
    tree, shapes = tree._replace(files=files), [header for header in headers if header]
    found = classes(tree, path) if labels else None
    names, y = (found.names, found.labels) if found else ((), None)
    spec = Spec(common(shapes), names, () if y is None else shares(y, len(names)))
    read = partial(_read_or_next, files, path, values, _Skipped(store.note) if on_corrupt == "skip" else None)

    def load(indices: np.ndarray) -> Examples:
        images, used = zip(*map(read, indices.tolist()), strict=True)
        examples: Examples = {"x": list(images) if is_ragged(spec) else np.stack(images)}
        return examples if y is None else {**examples, "y": y[list(used)]}

    listed = [y] if found and found.listed and y is not None else []  # other labels are in the files' names
    chosen = () if values is None else (f"values {values}",)
    names_and_stamps = (f"{file.name} {file.stamp()}" for file in files)
    fingerprint = digest(*names_and_stamps, f"labels {labels}", *listed, *chosen)
    remarks = (*remarks_of(tree, path, found), *levels.remarks(files, shapes, path, values))
    differences = _differences(files, shapes)
    return Source(path.name, spec, len(files), load, fingerprint, labels=y, remarks=remarks, differences=differences)


def check_some(files: Sequence[File], where: Path, tree: Tree) -> None:
    """Raise InputError when there are no image files, with what was left out."""
    if not files:
        none = f"{where}: holds no image that can be read ({', '.join(SUFFIXES)})"
        raise InputError("; ".join(filter(None, (none, tree.left_out))))


def remarks_of(tree: Tree, where: Path, found: Classes | None) -> tuple[str, ...]:
    """What a person should know of which files are examples, and of which class."""
    said = [f"{where}: {tree.left_out}"] if tree.left_out else []
    if found is None and (apart := parts(tree, where)):
        said.append(f"{where}: {apart}, and are read as one")
    return (*said, *(found.remarks if found else ()))


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


def _differences(files: Sequence[File], shapes: Sequence[Shape]) -> Differences:
    sizes = [f"{width} x {height}" for height, width, _ in shapes]
    channels = [CHANNELS.get(count, f"of {count} channels") for *_, count in shapes]
    return Differences(_odd(files, sizes), _odd(files, channels))


def _odd(files: Sequence[File], what: Sequence[str]) -> str:
    """The files that are not what most are, the rarest first: "'a.png' is 8 x 8; 299 of 300 are 9 x 9"."""
    counts = Counter(what)
    if len(counts) < 2:
        return ""
    usual, count = counts.most_common(1)[0]
    odd = sorted((i for i, own in enumerate(what) if own != usual), key=lambda i: counts[what[i]])
    said = ", ".join(f"{quoted(files[i].name)} is {what[i]}" for i in odd[:NAMED])
    more = f" and {len(odd) - NAMED:,} more differ" if len(odd) > NAMED else ""
    return f"{said}{more}; {count:,} of {len(what):,} {'is' if count == 1 else 'are'} {usual}"


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
