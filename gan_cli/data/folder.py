"""Images in a folder or a zip file, decoded when they are needed."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gan_cli.data.classes import Classes, classes_of_tree, parts_of_a_set
from gan_cli.data.images import CHANNELS, Shape
from gan_cli.data.left_out import SUFFIXES, quoted
from gan_cli.data.order import order
from gan_cli.data.picture import Extent, decode, extent, opened, shape_of
from gan_cli.data.source import Examples, OptionError, Source, digest, is_ragged, shares
from gan_cli.data.store import Store
from gan_cli.data.tree import File, Tree, read_tree
from gan_cli.data.values import Range, limits, remarks_on
from gan_cli.errors import InputError
from gan_cli.types import Spec

THREADS = 16  # that look at the files' headers
CHUNK = 64  # files that a thread looks at in one go
NAMED = 3  # files that differ from most
LOOKED_AT = 32  # images at most whose values are looked at,
PIXELS = 1 << 25  # and pixels of all of them together,
FEW_THREADS = 4  # by so many threads


class Pictures(NamedTuple):
    """The images below a path, and what their files are called."""

    source: Source
    names: list[str]  # of the files, relative to the folder that holds all of them: "cat/1.png"
    shapes: list[Shape]


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
    return read_pictures(store, path, read_tree(path), labels=labels, on_corrupt=on_corrupt, values=values).source


def read_pictures(
    store: Store,
    path: Path,
    tree: Tree,
    *,
    labels: bool = False,
    on_corrupt: Literal["fail", "skip"] = "fail",
    values: Range | None = None,
) -> Pictures:
    """The images of the tree that was found at a path: options as for `folder`."""
    note = store.note if on_corrupt == "skip" else None
    headers = _headers(tree.files, path, values, note)
    files = [file for file, header in zip(tree.files, headers, strict=True) if header]
    check_some(files, path, tree)
    tree, shapes = tree._replace(files=files), [header for header in headers if header]
    found = classes_of_tree(tree, path) if labels else None
    names, y = (found.names, found.labels) if found else ((), None)
    spec = Spec(common_shape(shapes), names, () if y is None else shares(y, len(names)))
    read = _reader(files, path, values, note)

    def load(indices: np.ndarray) -> Examples:
        images, used = zip(*map(read, indices.tolist()), strict=True)
        examples: Examples = {"x": list(images) if is_ragged(spec) else np.stack(images)}
        return examples if y is None else {**examples, "y": y[list(used)]}

    listed = [y] if found and found.listed and y is not None else []  # other labels are in the files' names
    chosen = () if values is None else (f"values {values}",)
    names_and_stamps = (f"{file.name} {file.stamp()}" for file in files)
    source = Source(
        path.name,
        spec,
        len(files),
        load,
        digest(*names_and_stamps, f"labels {labels}", *listed, *chosen),
        labels=y,
        names=[file.name for file in files],
        remarks=(*remarks_on_tree(tree, path, found), *_remarks_on_values(files, shapes, path, values)),
        odd_sizes=_odd_ones(files, [f"{width} x {height}" for height, width, _ in shapes]),
        odd_channels=_odd_ones(files, [CHANNELS.get(count, f"of {count} channels") for *_, count in shapes]),
    )
    return Pictures(source, [file.name for file in files], shapes)


def check_some(files: Sequence[File], where: Path, tree: Tree) -> None:
    """Raise InputError when there are no image files; the message lists what was left out."""
    if not files:
        none = f"{where}: holds no image that can be read ({', '.join(SUFFIXES)})"
        raise InputError("; ".join(filter(None, (none, tree.left_out))))


def remarks_on_tree(tree: Tree, where: Path, found: Classes | None) -> tuple[str, ...]:
    """Remarks on which files are examples and which class they have, a sentence each."""
    said = [f"{where}: {tree.left_out}"] if tree.left_out else []
    if found is None and (apart := parts_of_a_set(tree, where)):
        said.append(f"{where}: {apart}, and are read as one")
    return (*said, *(found.remarks if found else ()))


def _headers(
    files: Sequence[File], where: Path, values: str | None, note: Callable[[str], None] | None
) -> list[Shape | None]:
    """Height, width and channels of every file, from its header.

    A file that cannot be read is an error or, where there is a `note` to be told of it, None.
    """

    def look_at(start: int) -> list[Shape | None]:
        found: list[Shape | None] = []
        for file in files[start : start + CHUNK]:
            try:
                with file.open() as data, opened(data) as picture:
                    found.append(shape_of(picture, values))
            except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
                if note is None:
                    raise _corrupt(where, file, error) from None
                note(f"{where}: {file.name} is left out: {reason(error)}")
                found.append(None)
        return found

    with ThreadPoolExecutor(THREADS) as threads:
        return list(chain.from_iterable(threads.map(look_at, range(0, len(files), CHUNK))))


def common_shape(shapes: Sequence[Shape]) -> Shape:
    """The height, width and channels of all images, with 0 for a number that differs."""
    sides = [set(numbers) for numbers in zip(*shapes, strict=True)]
    height, width, channels = (side.pop() if len(side) == 1 else 0 for side in sides)
    return height, width, channels


def _odd_ones(files: Sequence[File], what: Sequence[str]) -> str:
    """A sentence on the files that differ from most, the rarest first: "'a.png' is 8 x 8; 299 of 300 are 9 x 9"."""
    counts = Counter(what)
    if len(counts) < 2:
        return ""
    usual, count = counts.most_common(1)[0]
    odd = sorted((i for i, own in enumerate(what) if own != usual), key=lambda i: counts[what[i]])
    said = ", ".join(f"{quoted(files[i].name)} is {what[i]}" for i in odd[:NAMED])
    more = f" and {len(odd) - NAMED:,} more differ" if len(odd) > NAMED else ""
    return f"{said}{more}; {count:,} of {len(what):,} {'is' if count == 1 else 'are'} {usual}"


def _remarks_on_values(
    files: Sequence[File], shapes: Sequence[Shape], path: Path, values: str | None
) -> tuple[str, ...]:
    """Remarks on the values in images, judged by a fixed random choice of them, a sentence each.

    Files that cannot be read are skipped: whoever reads them reports them.
    """
    chosen = order(0, len(files), 0)[:LOOKED_AT]
    pixels = np.cumsum([shapes[i][0] * shapes[i][1] for i in chosen])
    chosen = chosen[: max(1, int((pixels <= PIXELS).sum()))]

    def look_at(i: int) -> Extent | None:
        with suppress(Exception), files[i].open() as data:  # whatever a damaged file makes Pillow or zipfile raise
            return extent(data.read())
        return None

    with ThreadPoolExecutor(FEW_THREADS) as threads:
        found = [one for one in threads.map(look_at, chosen) if one]
    where = f"{path} ({len(found)} of {len(files)} images looked at)"
    groups: dict[tuple[int, bool], list[Extent]] = {}
    for one in found:
        groups.setdefault((one.white, one.is_cut), []).append(one)
    remarks: list[str] = []
    for (white, is_cut), group in groups.items():
        least, most = min(one.least for one in group), max(one.most for one in group)
        if is_cut:
            cut = "; of 16 bits a colour only the upper 8 are read: stretch such values before they are saved"
            remarks += [line.partition(";")[0] + cut for line in remarks_on(least, most, (0, 255), where)]
        else:
            remarks += remarks_on(least, most, limits(values) if values else (0, white), where)
    return tuple(remarks)


def _reader(
    files: Sequence[File], where: Path, values: str | None, note: Callable[[str], None] | None
) -> Callable[[int], tuple[np.ndarray, int]]:
    """A function from an index to the image there, and its index.

    An image that cannot be read is an error or, where there is a `note` to be told of it once, the next one is taken.
    """
    told: set[str] = set()

    def read(index: int) -> tuple[np.ndarray, int]:
        for shift in range(len(files)):
            at = (index + shift) % len(files)
            name = files[at].name
            try:
                with files[at].open() as data:
                    return decode(data.read(), values), at
            except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
                if note is None:
                    raise _corrupt(where, files[at], error) from None
                if name not in told:
                    told.add(name)
                    note(f"{where}: {name} is skipped, the next image takes its place: {reason(error)}")
        raise InputError(f"{where}: none of its {len(files)} images can be read")

    return read


def _corrupt(where: Path, file: File, error: Exception) -> OptionError:
    if isinstance(error, OptionError):
        return OptionError(f"{where}: {file.name}: {error}", error.line, error.of)
    line = 'on_corrupt = "skip"'
    mend = f"mend or remove it, or set [data] {line}"
    return OptionError(f"{where}: {file.name} cannot be read as an image: {reason(error)}; {mend}", line, "folder")


def reason(error: Exception) -> str:
    """What a reader said, without the object that it read from, in at most 300 characters."""
    text = re.sub(r" ?<(_io|zipfile)\.\w+.*?>", "", str(error)[:500]).strip()
    return text[:300] or type(error).__name__
