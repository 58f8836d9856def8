"""`gan apply --size native`: a person's pictures, each as large as it is, one after the other into files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan_cli.data.folder import reason
from gan_cli.data.images import convert
from gan_cli.data.picture import SIXTEEN, decode
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.data.tree import File
from gan_cli.engine import sampler
from gan_cli.engine.sampler import Told
from gan_cli.errors import InputError
from gan_cli.judging import image_sets
from gan_cli.pictures import grids
from gan_cli.runs.load import Loaded
from gan_cli.sampling.applying import MOST, Application
from gan_cli.sampling.native import AnySize
from gan_cli.sampling.picture_files import picture_files, tell
from gan_cli.sampling.results import places_of


class Picture(NamedTuple):
    """A picture that can be read."""

    name: str
    read: Callable[[], np.ndarray]  # uint8 [h, w, 1, 3 or 4], or grey of 16 bits, uint16 [h, w, 1]


def apply_at_own_size(
    loaded: Loaded, ask: str, wanted: Application, tile: int, out: Path, store: Store, told: Told
) -> int:
    """Write what is made of each of a person's pictures; returns their number.

    `out`: a folder, or of one picture a .png. Grey of 16 bits stays what it is, transparency is composited on white.
    Raises InputError: before anything is compiled or written for pictures of 16 bits that cannot stay so, and for files
    without images; for a damaged picture, or a size that the network cannot take, when its turn has come.
    """
    assert wanted.input is not None
    if out.suffix not in ("", ".png"):
        raise InputError(f"--out {out}: pictures of their own sizes go to a folder, or one of them to .png")
    networks = AnySize(loaded, ask, raw=wanted.raw, tile=tile)
    channels = networks.given.shape[2]
    pictures = _listed(wanted.input, store, channels, is_grey=channels == networks.made.shape[2] == 1)
    pictures = pictures[: wanted.n or MOST]
    if out.suffix and len(pictures) > 1:
        raise InputError(f"--out {out}: {len(pictures)} pictures of their own sizes go to a folder, without a suffix")
    places = [out] if out.suffix else [out / place for place in places_of([p.name for p in pictures], ".png", out)]
    drawn = sampler.draw_many(loaded.experiment, wanted.seed, len(pictures))
    for i, (picture, place) in enumerate(zip(pictures, places, strict=True)):
        told(i, len(pictures))
        pixels = _as_given(picture.read(), channels)
        white = SIXTEEN if pixels.dtype == np.uint16 else 255
        made = networks(pixels.astype(np.float32) / (white / 2) - 1, {name: x[i : i + 1] for name, x in drawn.items()})
        _write(place, np.round((made.clip(-1, 1) + 1) * (white / 2)).astype(pixels.dtype))
    return len(pictures)


def _listed(text: str, store: Store, channels: int, *, is_grey: bool) -> list[Picture]:
    """The pictures that a person names; raises InputError where one cannot be kept as it is."""
    heads = picture_files(text, store)
    for head in heads:
        if head.bits > 8 and not (is_grey and head.channels == 1):
            raise InputError(
                f"{text}: {head.file.name} has 16 bits a colour, which only grey pictures keep, where the model makes "
                "grey of grey: bring it to 8 first, for example by ImageMagick's mogrify -depth 8 FILE"
            )
    tell(text, heads, store, channels, deep=True)
    if heads:
        return [Picture(head.file.name, partial(_decoded, text, head.file)) for head in heads]
    source = image_sets.open_set(text, store, image_sets.Fit()).source
    if source is None or len(source.spec.shape) != 3:
        raise InputError(f"{text}: holds no pictures")
    return [Picture(f"{i:06d}", partial(_example, source, i)) for i in range(source.size)]


def _example(source: Source, i: int) -> np.ndarray:
    image: np.ndarray = source.load(np.array([i]))["x"][0]
    return image


def _decoded(text: str, file: File) -> np.ndarray:
    try:
        with file.open() as data:
            return decode(data.read(), deep=True)
    except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
        raise InputError(f"{text}: {file.name} cannot be read as an image: {reason(error)}") from None


def _as_given(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Pixels with so many channels; grey of 16 bits has one."""
    if pixels.shape[2] == channels:
        return pixels
    made = np.asarray(convert(grids.to_pil(pixels), channels))
    return made.reshape(*pixels.shape[:2], channels)


def _write(place: Path, pixels: np.ndarray) -> None:
    """Write a PNG of 8 bits, or of 16 where there is one channel; raises InputError where that fails."""
    picture = Image.fromarray(pixels[..., 0]) if pixels.dtype == np.uint16 else grids.to_pil(pixels)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        grids.save_png(place, picture)
    except OSError as error:
        raise InputError(f"--out {place}: cannot be written: {error.strerror or error}") from None
