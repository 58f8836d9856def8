"""Samples into a picture, an animation, an archive or a folder."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli.errors import InputError
from gan_cli.files import atomic, check_folder_of, check_not_folder
from gan_cli.pictures import grids, labelled
from gan_cli.pictures.labelled import Sheet

SUFFIXES = (".png", ".npz", *grids.ANIMATIONS)
PANEL = 192  # side of a plot among others, pixels
NAME = 40  # letters of a class's name in that of a file


class Drawn(NamedTuple):
    """Samples, and what is to be shown and kept of them."""

    samples: np.ndarray  # images uint8 [N, H, W, C], points float32 [N, D]
    labels: np.ndarray | None = None  # classes int64 [N], of a model that has some
    classes: Sequence[str] = ()  # the names of all classes
    sheet: Sheet = ()  # of a picture; empty: a grid without labels
    groups: np.ndarray | None = None  # int [G, M]: samples seen together; the sheet's cells number them
    shown: np.ndarray | None = None  # what the sheet's cells or the groups number, where that is not the samples alone
    arrays: Mapping[str, np.ndarray] = {}  # further arrays of an archive


def check_out(out: Path) -> None:
    """Raise InputError for an output that cannot be written."""
    check_folder_of(out)
    if out.suffix in SUFFIXES:
        check_not_folder(out)
    elif out.suffix:
        raise InputError(
            f"--out {out}: a grid is .png, an animation {', '.join(grids.ANIMATIONS)}, an archive .npz, "
            "and anything else a folder without a suffix"
        )
    elif out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: exists and is not a folder")
    elif out.exists() and any(out.iterdir()):
        raise InputError(
            f"--out {out}: the folder is not empty; name a new one, so that old and new samples do not mix"
        )


def check_points(out: Path) -> None:
    """Raise InputError for an output that is for images only."""
    if out.suffix not in (".png", ".npz"):
        raise InputError(f"--out {out}: samples of this recipe are points, not images; write them to .npz or .png")


def check_size(out: Path, shape: Sequence[int], sheet: Sheet, groups: np.ndarray | None = None) -> None:
    """Raise InputError when the picture or the animation would be too large. `shape`: of one sample."""
    if out.suffix in grids.ANIMATIONS and groups is not None:
        grids.check_animation(shape, len(groups), groups.shape[1], out)
    if out.suffix == ".png" and sheet:
        labelled.check_sheet(sheet, shape if len(shape) == 3 else (PANEL, PANEL, 1), out)


def write(out: Path, drawn: Drawn, fps: float) -> None:
    """Write samples as the suffix of `out` says, without one as a folder of PNGs; raises InputError when that fails.

    `fps`: frames a second of an animation. An archive has arr_0: images uint8 [N, H, W, C] or points float32 [N, D],
    and arr_1: classes int64 [N], where the model has some.
    """
    try:
        if out.suffix == ".png":
            write_picture(out, drawn)
        elif out.suffix == ".npz":  # the layout that the field's panels read
            labels = {} if drawn.labels is None else {"arr_1": drawn.labels}
            arrays: dict[str, Any] = {"arr_0": drawn.samples, **labels, **drawn.arrays}
            with atomic(out) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)
        elif out.suffix:
            assert drawn.groups is not None
            grids.save_animation(out, [drawn.samples[group] for group in drawn.groups], fps)
        else:
            out.mkdir(exist_ok=True)
            for i, image in enumerate(drawn.samples):
                label = "" if drawn.labels is None else f"-{file_part(int(drawn.labels[i]), drawn.classes)}"
                grids.to_pil(image).save(out / f"{i:06d}{label}.png")
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror or error}") from None


def write_picture(out: Path, drawn: Drawn) -> None:
    """Write a PNG: the sheet, or a grid or plot without labels where there is none."""
    if not drawn.sheet:
        return grids.save_png(out, grids.sample_picture(drawn.samples))
    shown = drawn.samples if drawn.shown is None else drawn.shown
    if drawn.groups is not None:
        panels = [grids.plot(shown[group], PANEL, within=shown) for group in drawn.groups]
        shown = np.stack([np.asarray(panel)[..., None] for panel in panels])  # [G, PANEL, PANEL, 1]
    return grids.save_png(out, labelled.draw_sheet(shown, drawn.sheet))


def file_part(label: int, classes: Sequence[str]) -> str:
    """A class in the name of a file: its number, and its name's letters and digits where it has a name of its own.

    7 of "zebra" -> "7-zebra", of "7" -> "7", of "a/b c" -> "7-a_b_c". The number tells classes apart whose names differ
    only in signs that no file name should have.
    """
    name = classes[label] if label < len(classes) else ""
    letters = re.sub(r"\W+", "_", name).strip("_")[:NAME]
    return f"{label}-{letters}" if letters and letters != str(label) else str(label)
