"""Labels in the dataset.json of StyleGAN's data sets: {"labels": [["00000/img00000000.png", 3], ...]}."""

import json
import posixpath
import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from gan_cli.data.left_out import quoted
from gan_cli.data.npz import CLASSES
from gan_cli.data.tree import File
from gan_cli.errors import InputError

ROOM = 1 << 20  # bytes that the file may have whatever it describes,
ROOM_EACH = 1 << 12  # and those for every image: what is parsed takes some 20 times as much memory
FORM = '{"labels": [["a/1.png", 0], ["a/2.png", 1], ...]}'


def read_labels(file: File, names: Sequence[str], where: str) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """The labels of images, int32 [n], and remarks; None where the file has no "labels", and is somebody else's.

    names: of the n images, relative to the file's folder. Raises InputError that begins with `where`.
    """
    longest = ROOM + ROOM_EACH * len(names)
    try:
        with file.open() as stream:
            data = stream.read(longest + 1)
    except Exception as error:  # whatever a damaged file makes zipfile raise
        raise InputError(f"{where} cannot be read: {str(error)[:300]}") from None
    if len(data) > longest:
        raise InputError(f"{where} has more than {longest:,} bytes: too many for labels of so few images")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON text ({str(error)[:100]}); {FORM} is wanted") from None
    if not isinstance(content, dict) or "labels" not in content:
        return None
    if content["labels"] is None:
        raise InputError(f'{where} says "labels": null: these images have no labels, and labels = false would do')
    known = _labels_by_name(content["labels"], where)
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(
            f"{where} holds no label of {len(missing):,} of {len(names):,} images, {quoted(missing[0])} for one"
        )
    labels = np.array([known[name] for name in names], np.int32)
    remarks = []
    if others := sorted(known.keys() - set(names)):
        remarks.append(f"{where} names images that are not read ({len(others):,}): {quoted(others[0])} for one")
    empty = np.flatnonzero(np.bincount(labels) == 0)
    if len(empty):
        count = f"{len(empty):,} of {labels.max() + 1:,} classes"
        remarks.append(f"{where} gives no image the label {empty[0]}: {count} are empty")
    return labels, tuple(remarks)


def _labels_by_name(labels: Any, where: str) -> dict[str, int]:
    """The labels in the file, a list of pairs or an object, by clean names; raises InputError."""
    entries = list(labels.items()) if isinstance(labels, dict) else labels
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
