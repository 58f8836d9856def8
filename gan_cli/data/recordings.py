"""Sounds and music: files of various lengths, from which examples of one length are cut."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_cli.data.source import Examples, Source, digest, shares
from gan_cli.data.tree import natural_order
from gan_cli.errors import InputError
from gan_cli.types import Spec

LARGEST = 1 << 30  # numbers of all examples


class Recording(NamedTuple):
    """What a file holds."""

    x: np.ndarray  # [T] or [T, F]
    owner: str  # the folder that the file is in


def recorded_files(path: Path, suffixes: tuple[str, ...], kind: str) -> list[Path]:
    """The files with these suffixes below a folder, 2 before 10, or the file itself; InputError where there is none."""
    files = sorted(path.rglob("*"), key=lambda file: natural_order(file.as_posix())) if path.is_dir() else [path]
    files = [file for file in files if file.suffix.lower() in suffixes and file.is_file()]
    if not files:
        raise InputError(f"{path}: holds no {kind} file ({', '.join(suffixes)})")
    return files


def cut(recordings: Sequence[Recording], length: int, pieces: bool) -> list[Recording]:
    """Pieces of `length` from each: as many as it holds or, unless `pieces`, its beginning; shorter ones give none."""
    return [
        Recording(x[start : start + length], owner)
        for x, owner in recordings
        for start in range(0, (len(x) - length + 1) if pieces else min(1, len(x) - length + 1), length)
    ]


def recordings_source(
    path: Path, examples: Sequence[Recording], labels: bool, medium: str, rate: float, remarks: tuple[str, ...] = ()
) -> Source:
    """A source of examples of one shape, float32; with `labels` an example's class is its owner."""
    x = np.stack([example.x for example in examples])
    if x.size > LARGEST:
        raise InputError(f"{path}: more than {LARGEST:,} numbers; fewer files, or another [data] length, would do")
    classes = tuple(sorted({example.owner for example in examples})) if labels else ()
    y = np.array([classes.index(example.owner) for example in examples], np.int32) if labels else None

    def load(indices: np.ndarray) -> Examples:
        return {"x": x[indices]} if y is None else {"x": x[indices], "y": y[indices]}

    spec = Spec(x.shape[1:], classes, () if y is None else shares(y, len(classes)), medium, rate=rate)
    return Source(path.name, spec, len(x), load, digest(x, *([] if y is None else [y])), labels=y, remarks=remarks)
