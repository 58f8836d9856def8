"""Images at hand, from wherever they are: a folder, a file, a data source or the statistics that are left of them."""

import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_cli import build, recipe
from gan_cli.binding import check, nearest
from gan_cli.data import idx, images
from gan_cli.data.folder import folder
from gan_cli.data.npz import npz
from gan_cli.data.pipeline import order
from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import DamagedError, Store, gunzipped
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.metrics import cache
from gan_cli.metrics.collect import Images
from gan_cli.metrics.frechet import check_n
from gan_cli.metrics.metric import Sample
from gan_cli.metrics.protocol import in_words
from gan_cli.recipe import Eval
from gan_cli.runs.fitness import Subject
from gan_cli.runs.panel import Panel, Verdict, batches, lens
from gan_cli.runs.reference import Reference
from gan_cli.types import Shape, Spec

GZIP, ZIP, IDX = b"\x1f\x8b", b"PK", b"\0\0"
KINDS = "a folder or zip of images, an .npz file, an IDX file, a .toml file with a table [data], or a data source"


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
    """As asked for on the command line; raises InputError."""
    if channels not in (None, 1, 3):
        raise InputError(f"--channels {channels}: grey is 1, RGB is 3")
    if resize not in images.RULES:
        raise InputError(f"--resize {resize}: no such rule{nearest(resize, images.RULES)}")
    return Fit(size, channels, resize)  # type: ignore[arg-type]


class Set(NamedTuple):
    """Images, or their statistics."""

    called: str
    source: Source | None = None
    stored: cache.Stored | None = None
    composited: bool = False  # on white, for their transparency

    def n(self, most: int) -> int:
        """How many images are judged, at most so many; 0: statistics that do not say of how many they are."""
        if self.source:
            return min(most, self.source.size)
        return self.stored.statistics.n if self.stored else 0


def open_set(text: str, store: Store, fit: Fit) -> Set:
    """The images that a person names, brought to one size; or statistics, which `--save` or another program wrote.

    `text`: the path of a folder, zip, npz or IDX file, of a TOML file with a table [data] or of statistics; or a data
    source or recipe with or without a split: mnist, mnist:test, dcgan_digits. Raises InputError.
    """
    found = _open(text, store)
    if isinstance(found, cache.Stored):
        return Set(text, stored=found)
    shape = found.spec.shape
    if len(shape) != 3:
        return Set(text, found)
    if 0 in shape[:2] and not fit.size:
        raise InputError(f"{text}: its images differ in size; bring them to one with --size 64 or another number")
    transparent = shape[2] in (0, 4)
    channels = fit.channels or (3 if transparent else None)
    return Set(text, images.fit(found, size=fit.size, channels=channels, resize=fit.resize), composited=shape[2] == 4)


def open_like(text: str, shape: Shape, store: Store) -> Set:
    """The same, brought to the shape of a model's samples; raises InputError where they cannot be."""
    square = len(shape) == 3 and shape[0] == shape[1]
    colours: Any = shape[2] if len(shape) == 3 and shape[2] in (1, 3) else None
    given = open_set(text, store, Fit(shape[0] if square else None, colours))
    if given.source and given.source.spec.shape != shape:
        raise InputError(f"{text}: holds examples of shape {given.source.spec.shape}, and the model's are {shape}")
    return given


def _open(text: str, store: Store) -> Source | cache.Stored:
    path = Path(text).expanduser()
    if path.is_dir():
        return folder(store, path=path)
    if path.is_file():
        return _of_recipe(path, "", store) if path.suffix == ".toml" else _of_file(path, store)
    return _of_name(text, store)


def _of_file(path: Path, store: Store) -> Source | cache.Stored:
    """What a file holds, by its content."""
    try:
        with path.open("rb") as file:
            begins = file.read(2)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if begins == ZIP:
        return _of_zip(path, store)
    if begins in (GZIP, IDX):
        return _of_idx(path)
    raise InputError(f"{path}: is not {KINDS}")


def _of_zip(path: Path, store: Store) -> Source | cache.Stored:
    """Arrays, statistics or images: all three come in zip files."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not all(name.endswith(".npy") for name in names):
        return folder(store, path=path)
    return cache.load(path) if {"mu.npy", "sigma.npy"} <= {*names} else npz(store, path=path)


def _of_idx(path: Path) -> Source:
    try:
        content = path.read_bytes()
        array = idx.parse(gunzipped(content) if content[:2] == GZIP else content)
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: {error}") from None
    if array.ndim not in (3, 4):
        raise InputError(f"{path}: holds an array of shape {array.shape}: labels? Images [N, H, W] are wanted")
    return in_memory(path.name, array[..., None] if array.ndim == 3 else array)


def _of_recipe(path: Path, split: str, store: Store) -> Source:
    """The data of a recipe, or of a TOML file with nothing but [data]."""
    return build.load_source(build.data_table(recipe.read(path), str(path), split or None), store)


def _of_name(text: str, store: Store) -> Source:
    """`mnist`, `mnist:test`, or a shipped recipe's data."""
    name, _, split = text.partition(":")
    if name in build.SOURCE.names():
        chosen = {"split": split} if split else {}
        return build.load_source(check(build.SOURCE, {"source": name, **chosen}, f"{text}: "), store)
    if name in recipe.shipped():
        return _of_recipe(recipe.find(name), split, store)
    raise InputError(f"{text}: no such file or folder, data source or recipe{nearest(name, build.SOURCE.names())}")


class Sides(NamedTuple):
    """What is compared."""

    fake: Set
    real: Set | None
    training: Set | None  # what the fakes' model was trained on, for metrics that tell copies
    fitted: str  # what was done to the images, in words


def sides(fake: str, real: str | None, training: str | None, store: Store, fit: Fit) -> Sides:
    """The sets that a person names; raises InputError, also where they cannot be compared."""
    judged = open_set(fake, store, fit)
    others = [open_set(text, store, fit) if text else None for text in (real, training)]
    given = [judged, *(one for one in others if one)]
    spec = _check_alike(given)
    if len(spec.shape) != 3 and (fit.size or fit.channels):
        raise InputError(f"--size and --channels are for images, and {fake} holds vectors")
    return Sides(judged, others[0], others[1], _in_words(given, fit))


def judge(
    given: Sides, options: Eval, store: Store, seed: int, *, outside: bool, note: Callable[[str], None]
) -> Verdict:
    """The metrics of `options` of images at hand: fakes are a random subset, by `seed`, in random order.

    `outside`: see `panel.lens`. Raises InputError for a metric that does not fit.
    """
    fake, real, training, fitted = given
    spec = _check_alike([one for one in (fake, real) if one])
    seen = lens(options, spec, outside=outside)
    reference = Reference(training=training.source if training else None)
    if real:
        reference = reference._replace(called=real.called, source=real.source, stored=real.stored)
    chosen = order(seed, fake.source.size, 0)[: options.n] if fake.source else np.empty(0, int)
    subject = Subject(spec, fake.n(options.n), is_model=False, statistics=fake.called if fake.stored else "")
    panel = Panel(subject, seen, options, reference, store, fitted)
    for message in panel.notices:
        note(message)
    sample = panel.fake(_images(fake.source, chosen, panel.batch)) if fake.source else _of_stored(panel, fake)
    return panel.verdict(panel.real(), sample, None)


class Saved(NamedTuple):
    """Statistics that were written."""

    n: int  # images
    features: Features
    rules: str  # what was done to an image, in words
    notices: tuple[str, ...]


def wanted(features: str, n: int | None, batch: int) -> Eval:
    """Options for statistics alone; n = None: of all images."""
    return Eval(features=features, n=n or sys.maxsize, batch=batch)


def save(given: Set, options: Eval, store: Store, fit: Fit, out: Path) -> Saved:
    """Write the statistics of a set's features, which a person has named, to an .npz file: see `cache.save`.

    Of more images than `options.n` a fixed random subset. Raises InputError.
    """
    if given.source is None:
        raise InputError(f"{given.called}: holds statistics already")
    spec, fitted = _check_alike([given]), _in_words([given], fit)
    seen = lens(options, spec, outside=True)
    subject = Subject(spec, given.n(options.n), is_model=False)
    panel = Panel(subject, seen._replace(metrics=()), options, Reference(), store, fitted)
    notices = check_n(subject.n, panel.plan.dim, "given")
    sample = panel.fake(_images(given.source, order(0, given.source.size, 0)[: options.n], panel.batch))
    try:
        cache.save(out, sample.statistics, panel.features, fitted)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None
    return Saved(sample.n, panel.features, in_words(panel.features, fitted), notices)


def _images(source: Source, chosen: np.ndarray, batch: int) -> Iterator[Images]:
    return (examples["x"] for examples in batches(source, chosen, batch))


def _of_stored(panel: Panel, given: Set) -> Sample:
    assert given.stored is not None
    cache.check_made_by(given.stored, panel.features, panel.fitted, given.called)
    return Sample(given.stored.statistics)


def _check_alike(given: list[Set]) -> Spec:
    """What all sets of images look like; raises InputError when they are of different sizes or kinds."""
    specs = [(one.called, one.source.spec) for one in given if one.source]
    if not specs:
        return Spec((1, 1, 1))  # statistics only: images of any size
    first, spec = specs[0]
    for called, other in specs[1:]:
        if len(spec.shape) != len(other.shape) or (len(spec.shape) == 1 and spec.shape != other.shape):
            raise InputError(f"{first} holds examples of shape {spec.shape} and {called} of {other.shape}: not alike")
        if spec.shape[:2] != other.shape[:2]:
            sizes = f"{first} are {_size(spec)} pixels and those of {called} {_size(other)}"
            raise InputError(f"the images of {sizes}: bring both to one size with --size {spec.shape[0]}")
    return spec


def _size(spec: Spec) -> str:
    return f"{spec.shape[0]}x{spec.shape[1]}"


def _in_words(given: list[Set], fit: Fit) -> str:
    """What is done to the images before a feature network sees them."""
    composited = "transparency composited on white" if any(one.composited for one in given) else ""
    return ", ".join(filter(None, (str(fit), composited)))
