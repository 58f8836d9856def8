"""A picture of some examples of a data set: a row a class where they have labels, at random.

What an example is made from stands left of it.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli import media
from gan_cli.data import images
from gan_cli.data.order import order
from gan_cli.datacheck.examples import Chunk, Examples
from gan_cli.errors import InputError, printable
from gan_cli.files import check_folder_of
from gan_cli.pictures import grids, labelled
from gan_cli.pictures.beside import alike
from gan_cli.pictures.labelled import Block
from gan_cli.types import INPUT, Spec

COLUMNS = 12
ROWS = 8  # without labels
CLASSES = 24  # rows with labels, at most
TILE = 96  # pixels: larger images are made smaller
POINTS = 5000  # in a plot


class ContactSheet:
    """Keeps the examples that were chosen as they come by; `save` draws them."""

    def __init__(self, found: Examples, out: Path):
        """Choose the examples; raises InputError where there can be no picture, before anything is looked at."""
        if out.suffix != ".png":
            raise InputError(f"--out {out}: the contact sheet is a PNG; name a file that ends in .png")
        check_folder_of(out)
        if out.is_dir():
            raise InputError(f"--out {out}: is a folder")
        spec = found.spec
        if media.seen_together(spec) and spec.shape[0] > 2:
            raise InputError(
                f"--out {out}: vectors of {spec.shape[0]} numbers have no picture; of 1 or 2 there is a plot"
            )
        self._found, self._out = found, out
        given = spec.parts.get(INPUT)
        # of an input, where it has a picture, and of the example
        self._specs = (*([given] if given and not media.seen_together(given) else []), spec)
        width = TILE if media.is_image(spec) or media.seen_together(spec) else max(TILE, media.tile_shape(spec)[1])
        width *= len(self._specs)
        self._columns = columns = max(1, COLUMNS * TILE // width)
        count = len(found.classes)  # of many classes some from all over
        self._classes = np.unique(np.linspace(0, count - 1, min(CLASSES, count)).round().astype(int)).tolist()
        mixed = order(0, found.size, 0)
        if media.seen_together(spec):
            rows = [mixed[:POINTS]]
        elif found.labels is None:
            rows = [mixed[start : start + columns] for start in range(0, min(len(mixed), ROWS * columns), columns)]
        else:
            labels = found.labels[mixed]
            rows = [mixed[labels == label][:columns] for label in self._classes]
        self._rows: list[list[int]] = [row.tolist() for row in rows]  # which examples stand where
        self._wanted = {index for row in self._rows for index in row}
        self._kept: dict[int, list[np.ndarray]] = {}  # one for each of `_specs`

    def keep(self, seen: Chunk) -> None:
        """Keep those of the examples seen that were chosen; images larger than a tile are made smaller."""
        kinds = (seen.given, seen.x)[-len(self._specs) :]
        for place, index in enumerate(seen.indices.tolist()):
            if index in self._wanted:
                self._kept[index] = [
                    _reduced(x[place], spec) for x, spec in zip(kinds, self._specs, strict=True) if x is not None
                ]

    def save(self) -> None:
        """Write the picture; raises InputError where it cannot be written, or no example can be read."""
        try:
            grids.save_png(self._out, self._picture())
        except OSError as error:
            raise InputError(f"--out {self._out}: cannot be written: {error.strerror or error}") from None

    def _picture(self) -> Image.Image:
        found, indices = self._found, sorted(self._kept)
        if not indices:
            raise InputError(f"--out {self._out}: there is no example that can be read, so no contact sheet")
        kept = [[self._kept[i][kind] for i in indices] for kind in range(len(self._specs))]
        if media.seen_together(found.spec):
            return grids.plot(np.stack(kept[-1]))
        kinds = [_tiles(own, spec) for own, spec in zip(kept, self._specs, strict=True)]
        tiles = np.concatenate(alike(kinds), axis=2)
        places = {index: place for place, index in enumerate(indices)}
        rows = [[places[index] for index in row if index in places] for row in self._rows]  # without the unreadable
        cells = np.array([row + [-1] * (self._columns - len(row)) for row in rows])
        names = []
        if found.labels is not None:
            counts = np.bincount(found.labels, minlength=len(found.classes))
            names = [f"{printable(found.classes[label])} ({counts[label]:,})" for label in self._classes]
        cut = f", {CLASSES} of {len(found.classes)} classes" if len(found.classes) > CLASSES else ""
        pairs = ", each right of what it is made from" if len(self._specs) > 1 else ""
        title = f"{printable(found.name)}: {found.size:,} examples{pairs}{cut}"
        return labelled.draw_sheet(tiles, (Block(cells, rows=names, title=title),))


def _reduced(one: np.ndarray, spec: Spec) -> np.ndarray:
    """An example, made smaller where it is an image larger than a tile."""
    is_large = media.is_image(spec) and max(one.shape[:2]) > TILE
    return images.fit_one(one, (TILE, TILE, one.shape[2]), "pad") if is_large else one


def _tiles(kept: list[np.ndarray], spec: Spec) -> np.ndarray:
    """Pictures of examples, of one shape: the largest sides and the most channels of any."""
    if media.is_image(spec):
        height, width, channels = (max(tile.shape[axis] for tile in kept) for axis in range(3))
        shape = (height, width, channels)
        kept = [tile if tile.shape == shape else images.fit_one(tile, shape, "pad") for tile in kept]
    return media.tiles(np.stack(kept), spec)
