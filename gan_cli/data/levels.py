"""A look at some of a folder's images, for what their values seem to mean."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from gan_cli.data.images import Shape
from gan_cli.data.picture import Extent, extent
from gan_cli.data.pipeline import order
from gan_cli.data.values import limits, remarks_on

LOOKED_AT = 32  # images, at most
PIXELS = 1 << 25  # of all of them together
THREADS = 4


class Opened(Protocol):
    """An image file."""

    @property
    def open(self) -> Callable[[], IO[bytes]]:
        """Its bytes."""


def remarks(files: Sequence[Opened], shapes: Sequence[Shape], path: Path, values: str | None) -> tuple[str, ...]:
    """What a person should know of the values in images, by a fixed random choice of them.

    Files that cannot be read are left to who reads them.
    """
    chosen = order(0, len(files), 0)[:LOOKED_AT]
    pixels = np.cumsum([shapes[i][0] * shapes[i][1] for i in chosen])
    chosen = chosen[: max(1, int((pixels <= PIXELS).sum()))]
    with ThreadPoolExecutor(THREADS) as threads:
        found = [one for one in threads.map(_look, [files[i] for i in chosen]) if one]
    where = f"{path} ({len(found)} of {len(files)} images looked at)"
    groups = {(one.white, one.is_cut): [] for one in found}  # type: dict[tuple[int, bool], list[Extent]]
    for one in found:
        groups[one.white, one.is_cut].append(one)
    return tuple(line for group in groups.values() for line in _of_group(group, where, values))


def _look(file: Opened) -> Extent | None:
    try:
        with file.open() as data:
            return extent(data.read())
    except Exception:  # whatever a damaged file makes Pillow or zipfile raise
        return None


def _of_group(group: Sequence[Extent], where: str, values: str | None) -> tuple[str, ...]:
    least, most = min(one.least for one in group), max(one.most for one in group)
    if group[0].is_cut:
        cut = "; of 16 bits a colour only the upper 8 are read: stretch such values before they are saved"
        return tuple(line.partition(";")[0] + cut for line in remarks_on(least, most, (0, 255), where))
    return remarks_on(least, most, limits(values) if values else (0, group[0].white), where)
