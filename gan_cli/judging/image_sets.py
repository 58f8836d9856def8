"""Images at hand, from wherever they are: a folder, a file, a data source or the statistics that are left of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_cli import datasets, door, recipe
from gan_cli.binding import nearest, validate_part
from gan_cli.data import idx, images
from gan_cli.data.folder import folder
from gan_cli.data.npz import npz
from gan_cli.data.packed import open_zip
from gan_cli.data.source import Examples, OptionError, Source, told
from gan_cli.data.store import Store
from gan_cli.errors import DamagedError, InputError
from gan_cli.metrics import cache
from gan_cli.metrics.collect import COMPOSITED
from gan_cli.remote.fetch import fetched
from gan_cli.types import Shape

ZIP = b"PK"
ALONE = (b"\x93N", idx.GZIP, idx.MAGIC)  # what a file of one array begins with: .npy and IDX, packed or not
KINDS = "a folder or zip of images, an .npz, .npy or IDX file, a .toml file with a table [data], or a data source"


class Fit(NamedTuple):
    """What is done to images of another size, see `data/images.py`."""

    size: int | None = None  # pixels: height and width; None: as they are
    channels: Literal[1, 3] | None = None  # grey, RGB; None: as they are
    resize: images.Resize = "pad"

    def __str__(self) -> str:
        """In words: "fitted to 64x64 (pad), RGB"; empty where nothing is asked for."""
        side = f"fitted to {self.size}x{self.size} ({self.resize})" if self.size else ""
        return ", ".join(filter(None, (side, {1: "made grey", 3: "made RGB", None: ""}[self.channels])))


def fit(size: int | None, channels: int | None, resize: str) -> Fit:
    """What --size, --channels and --resize ask for; raises InputError where they do not go together."""
    if channels not in (None, 1, 3):
        raise InputError(f"--channels {channels}: grey is 1, RGB is 3")
    if resize not in images.RULES:
        raise InputError(f"--resize {resize}: no such rule{nearest(resize, images.RULES)}")
    if resize != "pad" and not size:
        raise InputError(f"--resize {resize} says how --size brings images to a size, and there is no --size")
    return Fit(size, channels, resize)  # type: ignore[arg-type]


class ImageSet(NamedTuple):
    """Images, or their statistics."""

    called: str
    source: Source | None = None
    stored: cache.Stored | None = None
    composited: str = ""  # on white, for their transparency: in words

    def n(self, most: int) -> int:
        """Number of images that are judged, at most `most`; 0 for statistics that do not say of how many they are."""
        if self.source:
            return min(most, self.source.size)
        return self.stored.statistics.n if self.stored else 0


def open_set(text: str, store: Store, fit: Fit) -> ImageSet:
    """The images that a person names, brought to one size; or the statistics in a file.

    `text`: the path of a folder, a zip, npz, npy or IDX file, a TOML file with a table [data] or statistics; or a data
    source or recipe with or without a split: mnist, mnist:test, dcgan_digits. Raises InputError.
    """
    found = _open(text, store)
    if isinstance(found, cache.Stored):
        return ImageSet(text, stored=found)
    if len(found.spec.shape) != 3 and (fit.size or fit.channels):
        raise InputError(f"--size and --channels are for images, and {text} holds vectors")
    return _fitted(text, found, fit)


def open_like(text: str, shape: Shape, store: Store, resize: images.Resize) -> ImageSet:
    """The images that a person names, brought to the `shape` of a model's samples: their name then says how.

    text: as in `open_set`. resize: the rule that the model's own data were fitted by. Raises InputError where they
    cannot be brought to that shape.
    """
    found = _open(text, store)
    if isinstance(found, cache.Stored):
        return ImageSet(text, stored=found)
    given, fit = _like(text, found, shape, resize)
    return given._replace(called=", ".join(filter(None, (text, str(fit), given.composited))))


def brought_to(text: str, found: Source, shape: Shape, resize: images.Resize) -> Source:
    """The images of a source that messages call `text`, at the `shape` of a model's; raises InputError."""
    given, _ = _like(text, found, shape, resize)
    assert given.source is not None
    return given.source


def _like(text: str, found: Source, shape: Shape, resize: images.Resize) -> tuple[ImageSet, Fit]:
    """The images of a source brought to `shape`, and how; raises InputError where they cannot be."""
    own = found.spec.shape
    fit = Fit(resize=resize)
    if len(own) == len(shape) == 3:
        other_size, other_colours = own[:2] != shape[:2] and shape[0] == shape[1], own[2] != shape[2]
        colours: Any = shape[2] if other_colours and shape[2] in (1, 3) else None
        fit = Fit(shape[0] if other_size else None, colours, resize)
    given = _fitted(text, found, fit)
    assert given.source is not None
    if given.source.spec.shape != shape:
        raise InputError(f"{text}: holds examples of shape {given.source.spec.shape}, and the model's are {shape}")
    return given, fit


def _fitted(text: str, found: Source, fit: Fit) -> ImageSet:
    """Images brought to one size, transparent ones composited on white; vectors as they are. Raises InputError."""
    shape = found.spec.shape
    if len(shape) != 3:
        return ImageSet(text, found)
    if 0 in shape[:2] and not fit.size:
        named = f" ({found.odd_sizes})" if found.odd_sizes else ""
        raise InputError(
            f"{text}: its images differ in size; bring them to one with --size 64 or another number{named}"
        )
    transparent = shape[2] in (0, 4)
    channels = fit.channels or (3 if transparent else None)
    composited = {4: COMPOSITED, 0: "transparency, where there is any, composited on white"}
    fitted = images.fit(found, size=fit.size, channels=channels, resize=fit.resize)
    return ImageSet(text, fitted, composited=composited.get(shape[2], ""))


def _open(text: str, store: Store) -> Source | cache.Stored:
    """What a person names, as it is; raises InputError."""
    try:
        path = fetched(text, store.note).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a folder one may not look into, a user who is not there
        raise InputError(f"{text}: cannot be looked at: {getattr(error, 'strerror', None) or error}") from None
    if not text or not (is_folder or is_file):
        return _of_name(text, store)
    if path.suffix.lower() == ".toml" and is_file:
        return _of_recipe(path, "", store)
    if is_folder and (path / "checkpoints").is_dir() and (path / "recipe.toml").is_file():
        raise InputError(f"{path}: is a run, whose pictures are sheets of samples: judge it with --ckpt {path}")
    with _options_explained(text):
        found = told(folder(store, path=path), store.tell) if is_folder else _of_file(path, store)
    if isinstance(found, cache.Stored):
        return found
    load = found.load

    def explained(indices: np.ndarray) -> Examples:
        with _options_explained(text):
            return load(indices)

    return found._replace(load=explained)


@contextmanager
def _options_explained(text: str) -> Iterator[None]:
    """Where an option of [data] would mend what is wrong, say how one is given where no [data] is."""
    try:
        yield
    except OptionError as error:
        data = f'data = {{ source = "{error.of}", path = {json.dumps(text, ensure_ascii=False)}, {error.line} }}'
        raise InputError(f"{error}. A .toml file can say so, given in place of {text}, with the line {data}") from None


def _of_file(path: Path, store: Store) -> Source | cache.Stored:
    """What a file holds, by its content: zip files hold arrays, statistics or images. Raises InputError."""
    try:
        with door.opened(path, door.LARGEST) as file:
            begins = file.read(2)
    except DamagedError as error:
        raise InputError(str(error)) from None
    if begins in ALONE:
        return told(npz(store, path=path), store.note)
    if begins != ZIP:
        raise InputError(f"{path}: is not {KINDS}")
    try:
        with open_zip(path) as archive:
            names = archive.namelist()
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not all(name.endswith(".npy") for name in names):
        return told(folder(store, path=path), store.tell)
    if {"mu.npy", "sigma.npy"} <= {*names}:
        found = cache.load_statistics(path)
        cache.check_covariance(found.statistics, str(path))
        return found
    if not names:
        raise InputError(f"{path}: holds nothing")
    return told(npz(store, path=path), store.tell)


def _of_recipe(path: Path, split: str, store: Store) -> Source:
    """The data of a recipe, or of a TOML file with nothing but [data]."""
    return datasets.load_source(
        datasets.data_table(recipe.read_tables(path), str(path), split or None), store.near(path)
    )


def _of_name(text: str, store: Store) -> Source:
    """The data that `mnist` or `mnist:test` name, or a shipped recipe. Raises InputError with the nearest name."""
    name, _, split = text.partition(":")
    if datasets.SOURCE.has(name):
        chosen = {"split": split} if split else {}
        return datasets.load_source(validate_part(datasets.SOURCE, {"source": name, **chosen}, f"{text}: "), store)
    if name in recipe.shipped():
        return _of_recipe(recipe.find_recipe(name), split, store)
    known = [*datasets.SOURCE.names(), *recipe.shipped()]
    close = nearest(name, known) if name else ""
    mend = close if "did you mean" in close else f"; data sources: {', '.join(datasets.SOURCE.names())}"
    raise InputError(f"{text!r}: no such file or folder, data source or recipe{mend}")
