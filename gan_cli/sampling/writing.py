"""Samples into a picture, an archive, a folder, or a file of their medium's own kinds."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli import media
from gan_cli.errors import InputError
from gan_cli.files import atomic, check_folder_of, check_not_folder
from gan_cli.pictures import grids, labelled
from gan_cli.pictures.labelled import Sheet
from gan_cli.types import Spec

SUFFIXES = (".png", ".npz", *grids.ANIMATIONS, ".txt", ".csv", ".wav", ".mid")  # of samples of any medium
FPS = 12.0  # frames a second of a walk
PANEL = 192  # side of a plot among others, pixels
NAME = 40  # letters of a class's name in that of a file


class Drawn(NamedTuple):
    """Samples, and what is to be shown and kept of them."""

    samples: np.ndarray  # as their medium stores them: images uint8 [N, H, W, C], points float32 [N, D]
    spec: Spec  # of a sample
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
            f"--out {out}: a grid is .png, an animation {', '.join(grids.ANIMATIONS)}, an archive .npz, text .txt, "
            "series .csv, sound .wav, notes .mid, and anything else a folder without a suffix"
        )
    elif out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: exists and is not a folder")
    elif out.exists() and any(out.iterdir()):
        raise InputError(
            f"--out {out}: the folder is not empty; name a new one, so that old and new samples do not mix"
        )


def check_kind(out: Path, spec: Spec, *, walks: bool) -> None:
    """Raise InputError for a kind of file that samples of this medium, or a walk through them, are not written to."""
    medium = media.of(spec)
    kinds = [".png", ".npz", *(suffix for suffix in medium.files if suffix != ".png")]
    if medium.tile and walks:
        kinds += grids.ANIMATIONS
    if out.suffix in kinds or (not out.suffix and medium.files):
        return
    if out.suffix in grids.ANIMATIONS and media.is_image(spec):
        raise InputError(
            f"--out {out}: an animation is of a walk, or of videos; --interpolate 16 would make one of these images"
        )
    are = medium.many if media.is_image(spec) else f"{medium.many}, not images"
    listed = f"{', '.join(kinds[:-1])} or {kinds[-1]}"
    raise InputError(f"--out {out}: samples of this recipe are {are}; write them to {listed}")


def check_size(out: Path, spec: Spec, n: int, sheet: Sheet, groups: np.ndarray | None = None) -> None:
    """Raise InputError when the picture or the animation of `n` samples that look like `spec` would be too large."""
    together = media.seen_together(spec)
    if out.suffix in grids.ANIMATIONS and groups is not None:
        grids.check_animation(media.tile_shape(spec), len(groups), groups.shape[1], out)
    elif out.suffix in grids.ANIMATIONS and not together:  # what moves by itself
        grids.check_animation(spec.shape[1:], spec.shape[0], n, out)
    if out.suffix == ".png" and sheet:
        labelled.check_sheet(sheet, (PANEL, PANEL, 1) if together else media.tile_shape(spec), out)


def write(out: Path, drawn: Drawn, fps: float | None) -> None:
    """Write samples as the suffix of `out` says, without one as a folder of a file each; raises InputError if it fails.

    `fps`: frames a second of an animation; None: FPS of a walk, and of what moves by itself its own. An archive has
    arr_0, samples as their medium stores them (images uint8 [N, H, W, C], points float32 [N, D]), and arr_1: classes
    int64 [N], where the model has some.
    """
    spec = drawn.spec
    try:
        if out.suffix == ".png":
            write_picture(out, drawn)
        elif out.suffix == ".npz":  # the layout that the field's panels read
            labels = {} if drawn.labels is None else {"arr_1": drawn.labels}
            arrays: dict[str, Any] = {"arr_0": drawn.samples, **labels, **drawn.arrays}
            with atomic(out) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)
        elif out.suffix in grids.ANIMATIONS and drawn.groups is not None:
            tiles = media.tiles(drawn.samples, spec)
            write_bytes(out, grids.animation([tiles[group] for group in drawn.groups], fps or FPS, out.suffix))
        elif out.suffix:
            write_bytes(out, media.of(spec).files[out.suffix](drawn.samples, spec, fps or 0))
        else:
            out.mkdir(exist_ok=True)
            suffix, write_file = next(iter(media.of(spec).files.items()))
            for i in range(len(drawn.samples)):
                label = "" if drawn.labels is None else f"-{file_part(int(drawn.labels[i]), drawn.classes)}"
                (out / f"{i:06d}{label}{suffix}").write_bytes(write_file(drawn.samples[i : i + 1], spec, fps or 0))
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror or error}") from None


def write_bytes(out: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomic(out) as temporary:
        temporary.write_bytes(content)


def write_picture(out: Path, drawn: Drawn) -> None:
    """Write a PNG: the sheet, or a grid or plot without labels where there is none."""
    if not drawn.sheet:
        return grids.save_png(out, media.picture(drawn.samples, drawn.spec))
    shown = drawn.samples if drawn.shown is None else drawn.shown
    if drawn.groups is not None:
        panels = [grids.plot(shown[group], PANEL, within=shown) for group in drawn.groups]
        shown = np.stack([np.asarray(panel)[..., None] for panel in panels])  # [G, PANEL, PANEL, 1]
    else:
        shown = media.tiles(shown, drawn.spec)
    return grids.save_png(out, labelled.draw_sheet(shown, drawn.sheet))


def file_part(label: int, classes: Sequence[str]) -> str:
    """A class in the name of a file: its number, and its name's letters and digits where it has a name of its own.

    7 of "zebra" -> "7-zebra", of "7" -> "7", of "a/b c" -> "7-a_b_c". The number tells classes apart whose names differ
    only in signs that no file name should have.
    """
    name = classes[label] if label < len(classes) else ""
    letters = re.sub(r"\W+", "_", name).strip("_")[:NAME]
    return f"{label}-{letters}" if letters and letters != str(label) else str(label)
