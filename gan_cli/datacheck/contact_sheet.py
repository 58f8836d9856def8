"""A picture of some examples of a data set: a row a class where they have labels, at random."""

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
from gan_cli.pictures.labelled import Block

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
        width = TILE if media.is_image(spec) or media.seen_together(spec) else max(TILE, media.tile_shape(spec)[1])
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
        self._kept: dict[int, np.ndarray] = {}

    def keep(self, seen: Chunk) -> None:
        """Keep those of the examples seen that were chosen; images larger than a tile are made smaller."""
        assert seen.x is not None
        for index, one in zip(seen.indices.tolist(), seen.x, strict=True):
            if index in self._wanted:
                is_large = media.is_image(self._found.spec) and max(one.shape[:2]) > TILE
                self._kept[index] = images.fit_one(one, (TILE, TILE, one.shape[2]), "pad") if is_large else one

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
        kept = [self._kept[i] for i in indices]
        if media.seen_together(found.spec):
            return grids.plot(np.stack(kept))
        if media.is_image(found.spec):  # tiles of one shape: the largest sides and the most channels of any
            height, width, channels = (max(tile.shape[axis] for tile in kept) for axis in range(3))
            shape = (height, width, channels)
            kept = [tile if tile.shape == shape else images.fit_one(tile, shape, "pad") for tile in kept]
        tiles = media.tiles(np.stack(kept), found.spec)
        places = {index: place for place, index in enumerate(indices)}
        rows = [[places[index] for index in row if index in places] for row in self._rows]  # without the unreadable
        cells = np.array([row + [-1] * (self._columns - len(row)) for row in rows])
        names = []
        if found.labels is not None:
            counts = np.bincount(found.labels, minlength=len(found.classes))
            names = [f"{printable(found.classes[label])} ({counts[label]:,})" for label in self._classes]
        cut = f", {CLASSES} of {len(found.classes)} classes" if len(found.classes) > CLASSES else ""
        title = f"{printable(found.name)}: {found.size:,} examples{cut}"
        return labelled.draw_sheet(tiles, (Block(cells, rows=names, title=title),))
