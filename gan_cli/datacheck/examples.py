"""The examples of a recipe's data one after the other, those that cannot be read among them."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli import datasets, media
from gan_cli.binding import Table
from gan_cli.data import folder, images, views
from gan_cli.data.classes import classes_of_tree, layout_in_words
from gan_cli.data.picture import decode, opened, shape_of
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.data.tree import File, read_tree
from gan_cli.datacheck.measures import constant
from gan_cli.errors import InputError
from gan_cli.types import INPUT, Spec, X

CHUNK = 256  # examples of an array that are looked at in one go
THREADS = 8  # threads at most that decode files


class Header(NamedTuple):
    """What an image file says of itself before it is decoded."""

    width: int  # pixels, upright
    height: int
    channels: int  # of what it is decoded to: 1, 3 or 4
    mode: str  # Pillow's: "RGB", "P", "I;16"
    format: str  # "PNG"
    frames: int  # more than 1: an animation, of which the first is taken


class Chunk(NamedTuple):
    """Some examples, or the one that could not be read."""

    indices: np.ndarray  # int [n]
    x: np.ndarray | None  # as stored: images uint8 [n, H, W, C], vectors float32 [n, D]; None: unreadable
    given: np.ndarray | None = None  # what x is made from, as stored [n, ...], where examples have that
    blank: np.ndarray | None = None  # bool [n]: of one colour all over, before anything was put around it
    header: Header | None = None  # where the example is a file
    transparent: bool = False  # it has transparent pixels, before anything was done to it
    why: str = ""  # why it is unreadable


class Examples(NamedTuple):
    """The examples of a data set."""

    name: str
    size: int
    spec: Spec  # of one as training would have it; its shape has 0 for a number in which images differ
    labels: np.ndarray | None  # int32 [size]
    call: Callable[[int], str]  # what an example is called: its file, or its number
    look: Callable[[], Iterator[Chunk]]  # all of them, once; memory does not grow with their number
    layout: str = ""  # how the folders that files are in were understood
    remarks: tuple[str, ...] = ()  # see `Source.remarks`
    refusal: str = ""  # why there are no labels, where some are wanted

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by label."""
        return self.spec.classes


def examples(data: Table, store: Store) -> Examples:
    """The examples of a checked table [data]. Raises InputError where there is nothing to look at."""
    if data["source"] == "folder":
        return _examples_of_files(data, store)
    source = datasets.read_source(data, store)

    def look() -> Iterator[Chunk]:
        for start in range(0, source.size, CHUNK):
            indices = np.arange(start, min(start + CHUNK, source.size))
            read = source.load(indices)
            x, given = np.asarray(read[X]), read.get(INPUT)
            yield Chunk(indices, x, given, constant(x) if media.has_levels(source.spec) else None)

    made = Examples(source.name, source.size, source.spec, source.labels, str, look)
    return made._replace(remarks=source.remarks)


def _examples_of_files(data: Table, store: Store) -> Examples:
    path = store.locate(Path(data["path"]))
    tree = read_tree(path)
    files, values = tree.files, data.get("values")
    folder.check_some(files, path, tree)
    headers = list(_mapped(partial(_header, values), files))
    sound = [(h.height, h.width, h.channels) for h in headers if isinstance(h, Header)]
    shape = _shape_in_training(folder.common_shape(sound), path, data) if sound else (0, 0, 0)
    through, spec = datasets.options_of(views.see, data), Spec(shape)
    try:
        spec = views.see(Source(path.name, spec, len(files), lambda _: {}, ""), **through).spec
    except InputError:  # which is among what a training would say to these data
        through = {}
    possible, refusal = None, ""
    try:
        possible = classes_of_tree(tree, path)
    except InputError as error:  # no reason not to look at the images
        refusal = str(error)

    def read(index: int) -> Chunk:
        header, own = headers[index], np.array([index])
        if isinstance(header, str):
            return Chunk(own, None, why=header)
        try:
            with files[index].open() as stream:
                pixels = decode(stream.read(), values)
            height, width, channels = (side or pixels.shape[axis] for axis, side in enumerate(shape))
            wanted = (height, width, channels)
            fitted = pixels if pixels.shape == wanted else images.fit_one(pixels, wanted, data["resize"])
            seen = views.seen({X: fitted[None]}, own, **through)
        except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
            return Chunk(own, None, header=header, why=folder.reason(error))
        return Chunk(
            own,
            seen[X],
            seen.get(INPUT),
            constant(pixels[None]),
            header,
            transparent=bool((pixels[..., 3:] < 255).any()),
        )

    found = possible if data["labels"] else None
    return Examples(
        path.name,
        len(files),
        spec._replace(classes=found.names if found else ()),
        found.labels if found else None,
        call=lambda index: files[index].name,
        look=partial(_mapped, read, range(len(files))),
        layout=layout_in_words(tree, possible, data["labels"]),
        remarks=folder.remarks_on_tree(tree, path, found),
        refusal=refusal if data["labels"] else "",
    )


def _mapped(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """`function` of each item in order, by threads that are never more than a few items ahead: images may be large."""
    count = min(THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(count) as threads:
        for start in range(0, len(items), 2 * count):
            yield from threads.map(function, items[start : start + 2 * count])


def _header(values: str | None, file: File) -> Header | str:
    """The header of a file, or why it has none that is of use."""
    try:
        with file.open() as stream, opened(stream) as picture:
            height, width, channels = shape_of(picture, values)
            frames = getattr(picture, "n_frames", 1)
            return Header(width, height, channels, picture.mode, picture.format or "", frames)
    except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
        return folder.reason(error)


def _shape_in_training(common: images.Shape, path: Path, data: Table) -> images.Shape:
    """What `images.fit` makes of images whose common shape this is; alpha that is opaque in all of them is left out."""
    height, width, channels = common
    if channels == 4:
        quiet = Store(note=lambda _: None)
        readable = folder.folder(quiet, path=path, on_corrupt="skip", values=data.get("values"))
        channels = 3 if images.is_opaque(readable) else 4
    size = data.get("size")
    return size or height, size or width, data.get("channels") or channels or 3
