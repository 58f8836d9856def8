"""The examples of a recipe's data one after the other, those that cannot be read among them."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from gan_cli import build
from gan_cli.binding import Table
from gan_cli.data import folder, images
from gan_cli.data.picture import decode, opened, shape_of
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.inspection.measures import constant
from gan_cli.types import Shape

CHUNK = 256  # examples of an array looked at in one go
THREADS = 8  # that decode files, at most


class Header(NamedTuple):
    """What an image file says of itself before it is decoded."""

    width: int  # pixels, upright
    height: int
    channels: int  # of what it is decoded to: 1, 3 or 4
    mode: str  # Pillow's: "RGB", "P", "I;16"
    format: str  # "PNG"
    frames: int  # more than 1: an animation, of which the first is taken


class Seen(NamedTuple):
    """Some examples, or the one that could not be read."""

    indices: np.ndarray  # int [n]
    x: np.ndarray | None  # images uint8 [n, H, W, C] or vectors float32 [n, D]; None: unreadable
    blank: np.ndarray | None = None  # bool [n]: of one colour all over, before anything was put around it
    header: Header | None = None  # of a file
    transparent: bool = False  # somewhere, before anything was done to it
    why: str = ""  # it is unreadable


class Examples(NamedTuple):
    """The examples of a data set."""

    name: str
    size: int
    shape: Shape  # of one as training would have it; 0 for a number in which images differ
    classes: tuple[str, ...]
    labels: np.ndarray | None  # int32 [size]
    call: Callable[[int], str]  # what an example is called: its file, or its number
    look: Callable[[], Iterator[Seen]]  # all of them, once; memory does not grow with their number


def examples(data: Table, store: Store) -> Examples:
    """The examples of a checked table [data]. Raises InputError where there is nothing to look at."""
    if data["source"] == "folder":
        return _of_files(data, store)
    return _of_source(build.load_source(data, store))


def _of_source(source: Source) -> Examples:
    def look() -> Iterator[Seen]:
        for start in range(0, source.size, CHUNK):
            indices = np.arange(start, min(start + CHUNK, source.size))
            x = np.asarray(source.load(indices)["x"])
            yield Seen(indices, x, constant(x) if x.ndim == 4 else None)

    spec = source.spec
    return Examples(source.name, source.size, spec.shape, spec.classes, source.labels, str, look)


def _of_files(data: Table, store: Store) -> Examples:
    path = store.locate(Path(data["path"]))
    files = folder.image_files(path)
    if not files:
        raise InputError(f"{path}: holds no image file ({', '.join(folder.SUFFIXES)})")
    values = data.get("values")
    headers = list(_mapped(partial(_header, values), files))
    sound = [(h.height, h.width, h.channels) for h in headers if isinstance(h, Header)]
    classes, labels = _labels(files) if data["labels"] else ((), None)
    shape = _fitted(_without_opaque(folder.common(sound), path, data), data) if sound else (0, 0, 0)

    def read(index: int) -> Seen:
        header, own = headers[index], np.array([index])
        if isinstance(header, str):
            return Seen(own, None, why=header)
        try:
            with files[index].open() as stream:
                pixels = decode(stream.read(), values)
            height, width, channels = (side or pixels.shape[axis] for axis, side in enumerate(shape))
            wanted = (height, width, channels)
            fitted = pixels if pixels.shape == wanted else images.fit_one(pixels, wanted, data["resize"])
        except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
            return Seen(own, None, header=header, why=folder.reason(error))
        return Seen(own, fitted[None], constant(pixels[None]), header, transparent=bool((pixels[..., 3:] < 255).any()))

    return Examples(
        path.name, len(files), shape, classes, labels, lambda i: files[i].name, lambda: _mapped(read, range(len(files)))
    )


def _mapped(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """`function` of each item in order, by threads that are never more than a few items ahead: images may be large."""
    count = min(THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(count) as threads:
        for start in range(0, len(items), 2 * count):
            yield from threads.map(function, items[start : start + 2 * count])


def _header(values: str | None, file: folder.File) -> Header | str:
    """The header of a file, or why it has none that is of use."""
    try:
        with file.open() as stream, opened(stream) as picture:
            height, width, channels = shape_of(picture, values)
            frames = getattr(picture, "n_frames", 1)
            return Header(width, height, channels, picture.mode, picture.format or "", frames)
    except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
        return folder.reason(error)


def _labels(files: Sequence[folder.File]) -> tuple[tuple[str, ...], np.ndarray]:
    """The class of every file by its subfolder; those that lie in none are of a class called "(no subfolder)"."""
    parts = [PurePosixPath(file.name).parts for file in files]
    names = [own[0] if len(own) > 1 else "(no subfolder)" for own in parts]
    classes = tuple(dict.fromkeys(names))
    numbers = {name: number for number, name in enumerate(classes)}
    return classes, np.array([numbers[name] for name in names], np.int32)


def _without_opaque(common: images.Shape, path: Path, data: Table) -> images.Shape:
    """The same, RGB where they are all RGBA without a pixel that is transparent."""
    if common[2] != 4:
        return common
    quiet = Store(note=lambda _: None)
    readable = folder.folder(quiet, path=path, on_corrupt="skip", values=data.get("values"))
    return (*common[:2], 3) if images.is_opaque(readable) else common


def _fitted(common: images.Shape, data: Table) -> images.Shape:
    """What `images.fit` makes of images of this shape."""
    height, width, channels = common
    size = data.get("size")
    return size or height, size or width, data.get("channels") or channels or 3
