"""Pictures that `gan project` is given, and a picture of what it has found."""

from typing import NamedTuple

import numpy as np

from gan_cli import datasets
from gan_cli.data.store import Store
from gan_cli.pictures.beside import beside
from gan_cli.runs.load import Loaded
from gan_cli.sampling.applying import open_examples
from gan_cli.sampling.descent import latent_names
from gan_cli.sampling.projecting import Projected
from gan_cli.sampling.writing import Drawn
from gan_cli.types import Spec

SHOWN = 32  # pictures in a sheet
MOST = 10_000  # pictures at once
UNKNOWN = 128  # grey of pixels that are not known
KNOWN = 128  # level of a mask from which on a pixel is known


class Pictures(NamedTuple):
    """Images at the model's size."""

    images: np.ndarray  # uint8 [n, H, W, C]
    names: tuple[str, ...]
    known: np.ndarray | None  # bool [H, W, 1]; None: all pixels are


def take_pictures(loaded: Loaded, text: str, mask: str | None, n: int | None, store: Store) -> Pictures:
    """The pictures that a person names, and the mask, brought to the model's size by its recipe's `resize`.

    Raises InputError where they cannot be, and for a model that makes no images.
    """
    experiment = loaded.experiment
    latent_names(experiment)
    shape = experiment.spec.shape
    table = datasets.data_tables(loaded.meta.recipe["data"])[experiment.stream()]
    store, resize = store.near(loaded.folder.path), table.get("resize", "pad")
    source = open_examples(text, Spec(shape), resize, store)
    images = source.load(np.arange(min(source.size, n or MOST)))["x"]
    names = tuple(source.names[: len(images)]) or tuple(f"{text} {i}" for i in range(len(images)))
    if mask is None:
        return Pictures(images, names, None)
    levels = open_examples(mask, Spec((*shape[:2], 1)), resize, store).load(np.zeros(1, int))["x"][0]
    return Pictures(images, names, levels >= KNOWN)


def compared(given: Pictures, made: Projected) -> Drawn:
    """What was given, what was found and how they differ, a row each; under a mask also the given pixels completed."""
    known = np.broadcast_to(True if given.known is None else given.known, (*given.images.shape[:3], 1))
    seen = np.where(known, given.images, UNKNOWN).astype(np.uint8)
    difference = np.abs(given.images.astype(int) - made.found).astype(np.uint8) * known
    if difference.shape[3] == 4:
        difference[..., 3] = 255
    kinds = {"given": seen, "found": made.found, "difference": difference}
    if given.known is not None:
        kinds["filled"] = np.where(known, given.images, made.found)
    tiles, sheet = beside({name: x[:SHOWN] for name, x in kinds.items()})
    return Drawn(tiles, Spec(tiles.shape[1:]), sheet=sheet)
