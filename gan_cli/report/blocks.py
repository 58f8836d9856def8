"""The sample grids of a run: as many as a page can carry, the best checkpoint's among them. Without JAX."""

import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from gan_cli import door
from gan_cli.errors import DamagedError
from gan_cli.report.parts import Grid, Picture

MOST_GRIDS = 60  # unless a person says otherwise
MOST_BYTES = 24 << 20  # of all grids of a run
MOST_PIXELS = 1 << 26  # of one picture


class Grids(NamedTuple):
    """The grids to be shown."""

    shown: tuple[Grid, ...]
    notes: tuple[str, ...]  # what was left out


def read_grids(folder: Path, values: Mapping[int, float], headline: str, best: int | None, most: int) -> Grids:
    """The grids in folder `samples/`, at most `most`; `values`: of the `headline` metric by step."""
    found = {int(path.stem): path for path in _pictures(folder)}
    steps = spread(sorted(found), best, most)
    sizes = [size for step in steps if (size := _size(found[step]))]
    if sum(sizes) > MOST_BYTES:
        steps = spread(steps, best, max(2, MOST_BYTES // max(sizes)))
    notes, shown = [], []
    for step in steps:
        label = _label(step, values, headline, best)
        picture = read_picture(found[step], folder, f"Samples after {step:,} steps")
        if picture is None:
            notes.append(f"samples/{found[step].name}: is no picture that can be shown")
        else:
            shown.append(Grid(step, label, picture))
    if len(steps) < len(found):
        notes.append(f"{len(steps):,} of {len(found):,} sample grids are shown")
    return Grids(tuple(shown), tuple(notes))


def _pictures(folder: Path) -> list[Path]:
    found = folder.glob("*.png") if folder.is_dir() else ()
    named = [path for path in found if path.stem.isdecimal() and path.stem.isascii() and len(path.stem) < 17]
    return [path for path in named if path.is_file()]  # no folder, no link to nowhere


def _label(step: int, values: Mapping[int, float], headline: str, best: int | None) -> str:
    """ "step 1,000 · fid 8.586 · best checkpoint"."""
    parts = [f"step {step:,}"]
    if step in values:
        parts.append(f"{headline} {values[step]:.4g}")
    return " · ".join([*parts, "best checkpoint"] if step == best else parts)


def spread(steps: Sequence[int], best: int | None, most: int) -> list[int]:
    """At most `most` of the steps, evenly spread: the first, the last and the best among them."""
    if len(steps) <= most:
        return list(steps)
    places = {round(i * (len(steps) - 1) / max(1, most - 1)) for i in range(most)} if most > 1 else {len(steps) - 1}
    chosen = {steps[place] for place in places}
    if best is not None and best in steps and best not in chosen:
        inner = chosen - {steps[0], steps[-1]} or chosen
        chosen.remove(min(inner, key=lambda step: abs(step - best)))
        chosen.add(best)
    return sorted(chosen)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # removed meanwhile
        return 0


def read_picture(path: Path, folder: Path, alt: str) -> Picture | None:
    """A PNG in `folder` with its size; None where the file is none that can be shown."""
    try:
        door.check_inside(path, folder.parent)
        png = door.read_file(path, MOST_BYTES)
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(png), formats=["PNG"]) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                return None
            image.load()  # a file that is cut short
        return Picture(png, width, height, alt)
    except (DamagedError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
