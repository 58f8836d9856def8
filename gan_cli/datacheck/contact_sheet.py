"""A picture of some examples of a data set: a row a class where they have labels, at random."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli.data import images
from gan_cli.data.pipeline import order
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
        """Chooses. Raises InputError where there can be no picture, before anything is looked at."""
        if out.suffix != ".png":
            raise InputError(f"--out {out}: the contact sheet is a PNG; name a file that ends in .png")
        check_folder_of(out)
        if out.is_dir():
            raise InputError(f"--out {out}: is a folder")
        if len(found.shape) == 1 and found.shape[0] > 2:
            raise InputError(
                f"--out {out}: vectors of {found.shape[0]} numbers have no picture; of 1 or 2 there is a plot"
            )
        self._found, self._out = found, out
        count = len(found.classes)  # of many classes some from all over
        self._classes = np.unique(np.linspace(0, count - 1, min(CLASSES, count)).round().astype(int)).tolist()
        self._cells = self._chosen()
        self._kept: dict[int, np.ndarray] = {}
        self._wanted = {int(i) for i in self._cells.ravel() if i >= 0}

    def _chosen(self) -> np.ndarray:
        """Which examples stand where: int [R, C], -1 for none."""
        found = self._found
        mixed = order(0, found.size, 0)
        if len(found.shape) == 1:
            return mixed[None, :POINTS]
        if found.labels is None:
            chosen = mixed[: ROWS * COLUMNS]
            rows = math.ceil(len(chosen) / COLUMNS)
            return np.pad(chosen, (0, rows * COLUMNS - len(chosen)), constant_values=-1).reshape(rows, COLUMNS)
        labels = found.labels[mixed]
        rows_ = [mixed[labels == label][:COLUMNS] for label in self._classes]
        return np.stack([np.pad(row, (0, COLUMNS - len(row)), constant_values=-1) for row in rows_])

    def keep(self, seen: Chunk) -> None:
        """Take what was chosen."""
        assert seen.x is not None
        for index, one in zip(seen.indices.tolist(), seen.x, strict=True):
            if index in self._wanted:
                self._kept[index] = one if one.ndim == 1 else _tile(one)

    def save(self) -> None:
        """Write the picture; raises InputError where it cannot be written."""
        try:
            grids.save_png(self._out, self._picture())
        except OSError as error:
            raise InputError(f"--out {self._out}: cannot be written: {error.strerror or error}") from None

    def _picture(self) -> Image.Image:
        indices = sorted(self._kept)
        if not indices:
            raise InputError(f"--out {self._out}: there is no example that can be read, so no contact sheet")
        if len(self._found.shape) == 1:
            return grids.plot(np.stack([self._kept[i] for i in indices]))
        tiles = _alike([self._kept[i] for i in indices])
        places = {index: place for place, index in enumerate(indices)}
        rows = [[places[int(i)] for i in row if int(i) in places] for row in self._cells]  # without what is unreadable
        cells = np.array([row + [-1] * (self._cells.shape[1] - len(row)) for row in rows])
        return labelled.draw_sheet(tiles, (Block(cells, rows=self._names(), title=self._title()),))

    def _names(self) -> list[str]:
        labels = self._found.labels
        if labels is None:
            return []
        counts = np.bincount(labels, minlength=len(self._found.classes))
        return [f"{printable(self._found.classes[label])} ({counts[label]:,})" for label in self._classes]

    def _title(self) -> str:
        classes = len(self._found.classes)
        cut = f", {CLASSES} of {classes} classes" if classes > CLASSES else ""
        return f"{printable(self._found.name)}: {self._found.size:,} examples{cut}"


def _tile(image: np.ndarray) -> np.ndarray:
    """The image, made smaller where it is larger than a tile."""
    height, width, channels = image.shape
    if max(height, width) <= TILE:
        return image
    return images.fit_one(image, (TILE, TILE, channels), "pad")


def _alike(tiles: list[np.ndarray]) -> np.ndarray:
    """Images uint8 of one shape [N, H, W, C]: the largest sides and the most channels of any."""
    height, width, channels = (max(tile.shape[axis] for tile in tiles) for axis in range(3))
    shape = (height, width, channels)
    return np.stack([tile if tile.shape == shape else images.fit_one(tile, shape, "pad") for tile in tiles])
