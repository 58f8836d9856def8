"""Labels in the dataset.json of StyleGAN's data sets: {"labels": [["00000/img00000000.png", 3], ...]}."""

import json
import posixpath
import reprlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_cli.data.left_out import quoted
from gan_cli.data.npz import CLASSES
from gan_cli.data.tree import File
from gan_cli.errors import InputError

ROOM = 1 << 20  # bytes that the file may have,
ROOM_EACH = 1 << 12  # and for every image: what follows from it takes some 20 times as much memory
FORM = '{"labels": [["a/1.png", 0], ["a/2.png", 1], ...]}'


class Listed(NamedTuple):
    """What the file says of the images."""

    labels: np.ndarray  # int32 [n]
    remarks: tuple[str, ...]


def read_labels(file: File, names: Sequence[str], where: str) -> Listed | None:
    """The labels of images; None where the file has no "labels", and is somebody else's.

    names: of the images, relative to the file's folder. Raises InputError that begins with `where`.
    """
    content = _parsed(file, ROOM + ROOM_EACH * len(names), where)
    if not isinstance(content, dict) or "labels" not in content:
        return None
    listed = content["labels"]
    if listed is None:
        raise InputError(f'{where} says "labels": null: these images have no labels, and labels = false would do')
    known = _checked(list(listed.items()) if isinstance(listed, dict) else listed, where)
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(
            f"{where} holds no label of {len(missing):,} of {len(names):,} images, {quoted(missing[0])} for one"
        )
    labels = np.array([known[name] for name in names], np.int32)
    return Listed(labels, tuple(_remarks(known, names, labels, where)))


def _parsed(file: File, longest: int, where: str) -> Any:
    try:
        with file.open() as stream:
            data = stream.read(longest + 1)
    except Exception as error:  # whatever a damaged file makes zipfile raise
        raise InputError(f"{where} cannot be read: {str(error)[:300]}") from None
    if len(data) > longest:
        raise InputError(f"{where} has more than {longest:,} bytes: too many for labels of so few images")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON text ({str(error)[:100]}); {FORM} is wanted") from None


def _checked(entries: Any, where: str) -> dict[str, int]:
    """Labels by name."""
    if not isinstance(entries, list):
        raise InputError(f"{where} has labels that are no list; {FORM} is wanted")
    known: dict[str, int] = {}
    for entry in entries:
        match entry:
            case [str(name), int(label)] if not isinstance(label, bool):
                clean = posixpath.normpath("/" + name.replace("\\", "/"))[1:]
            case [str(name), [*numbers]]:
                raise InputError(
                    f"{where} holds {len(numbers)} numbers for {quoted(name)}, a condition; a class is one whole number"
                )
            case _:
                raise InputError(f"{where} has an entry {reprlib.repr(entry)}; a name and a whole number are wanted")
        if not 0 <= label < CLASSES:
            raise InputError(f"{where} labels {quoted(name)} {str(label)[:30]}; there can be 0 .. {CLASSES - 1:,}")
        if known.setdefault(clean, label) != label:
            raise InputError(f"{where} labels {quoted(name)} twice, {known[clean]} and {label}")
    return known


def _remarks(known: dict[str, int], names: Sequence[str], labels: np.ndarray, where: str) -> list[str]:
    said = []
    others = sorted(known.keys() - set(names))
    if others:
        said.append(f"{where} names images that are not read ({len(others):,}): {quoted(others[0])} for one")
    empty = np.flatnonzero(np.bincount(labels) == 0)
    if len(empty):
        count = f"{len(empty):,} of {labels.max() + 1:,} classes"
        said.append(f"{where} gives no image the label {empty[0]}: {count} are empty")
    return said
