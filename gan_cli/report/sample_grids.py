"""The sample grids of a run: as many as a page can carry, the best checkpoint's among them. Without JAX."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import Image

from gan_cli import door
from gan_cli.errors import DamagedError
from gan_cli.report.page_parts import Grid, Picture

MOST_BYTES = 24 << 20  # of all grids of a run
MOST_PIXELS = 1 << 26  # of one picture


def read_grids(
    folder: Path, values: Mapping[int, float], headline: str, best: int | None, most: int
) -> tuple[tuple[Grid, ...], list[str]]:
    """The grids in folder `samples/`, at most `most`, and notes about those that are left out.

    `values`: of the metric `headline`, by step; they stand in the labels. `best`: the step of the best checkpoint.
    """
    found = {}
    for path in folder.glob("*.png") if folder.is_dir() else ():
        is_step = path.stem.isdecimal() and path.stem.isascii() and len(path.stem) < 17
        if is_step and path.is_file():  # no folder, no link to nowhere
            found[int(path.stem)] = path
    steps, sizes = spread(sorted(found), best, most), []
    for step in steps:
        with suppress(OSError):  # removed meanwhile
            sizes.append(found[step].stat().st_size)
    if sum(sizes) > MOST_BYTES:
        steps = spread(steps, best, max(2, MOST_BYTES // max(sizes)))
    shown, notes = [], []
    for step in steps:
        picture = read_picture(found[step], folder, f"Samples after {step:,} steps")
        if picture is None:
            notes.append(f"samples/{found[step].name}: is no picture that can be shown")
            continue
        value = f" · {headline} {values[step]:.4g}" if step in values else ""
        shown.append(Grid(step, f"step {step:,}{value}{' · best checkpoint' if step == best else ''}", picture))
    if len(steps) < len(found):
        notes.append(f"{len(steps):,} of {len(found):,} sample grids are shown")
    return tuple(shown), notes


def spread(steps: Sequence[int], best: int | None, most: int) -> list[int]:
    """At most `most` of the ascending steps, evenly spread: the first, the last and the best among them."""
    if len(steps) <= most:
        return list(steps)
    places = {round(i * (len(steps) - 1) / max(1, most - 1)) for i in range(most)} if most > 1 else {len(steps) - 1}
    chosen = {steps[place] for place in places}
    if best is not None and best in steps and best not in chosen:
        inner = chosen - {steps[0], steps[-1]} or chosen
        chosen.remove(min(inner, key=lambda step: abs(step - best)))
        chosen.add(best)
    return sorted(chosen)


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
