"""The classes of a tree of images: its first subfolders, or what a dataset.json says."""

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_cli.data import dataset_json
from gan_cli.data.left_out import SHOWN, quoted
from gan_cli.data.tree import LABELS_FILE, Tree
from gan_cli.errors import InputError

# What folders are called that part a data set, and not by what is in the pictures: train/, val2017/, images/, masks/.
PARTS = re.compile(
    r"(train|training|val|valid|validation|test|testing|dev|eval|unlabell?ed"
    r"|images?|imgs?|masks?|segmentations?|annotations?|labels?)([-_ ]?(set|images?|data|split|\d{2,4}))?",
    re.IGNORECASE,
)
SHARD = re.compile(r"\d{5,}/(?:img)?(\d+)\.\w+")  # StyleGAN's 00012/img00012345.png, FFHQ's 12000/12345.png
INSTEAD = f"put the images of each class into a folder of its own, or list labels in {LABELS_FILE}: {dataset_json.FORM}"


class Classes(NamedTuple):
    """The classes of a tree of images, and what a person should know of them."""

    names: tuple[str, ...]
    labels: np.ndarray  # int32 [n], of every image
    listed: bool  # in dataset.json: the labels are not in the names of the files
    remarks: tuple[str, ...]


def classes_of_tree(tree: Tree, where: Path) -> Classes:
    """The class of every image: what a dataset.json says or, without one, the first subfolder, in natural order.

    Raises InputError where it is not known, with what was left out of the tree.
    """
    try:
        file = tree.labels_file
        if not file:
            return _classes_of_folders(tree, where)
        above = posixpath.dirname(file.name)
        start = len(above) + 1 if above else 0
        names = [posixpath.join(tree.shared, image.name)[start:] for image in tree.files]
        called = f"{where}: {file.name}"
        read = dataset_json.read_labels(file, names, called)
        if read is None:
            own = _classes_of_folders(tree, where)
            return own._replace(remarks=(f"{called} lists no labels: a folder is a class", *own.remarks))
    except InputError as error:
        raise InputError("; ".join(filter(None, (str(error), tree.left_out)))) from None
    labels, remarks = read
    return Classes(tuple(str(label) for label in range(int(labels.max()) + 1)), labels, True, remarks)


def _classes_of_folders(tree: Tree, where: Path) -> Classes:
    names = [file.name for file in tree.files]  # sorted
    loose = [name for name in names if "/" not in name]
    if loose:
        homeless = f"{quoted(loose[0])} is in no subfolder"
        if len(loose) < len(names):
            homeless += f", as {len(loose):,} of {len(names):,} images are"
        elif tree.shared:
            homeless = f"all images are in one folder, {quoted(tree.shared)}, and one class is none"
        raise InputError(f"{where}: {homeless}; labels = true takes classes from subfolders: {INSTEAD}")
    folders = [name.split("/", 1)[0] for name in names]
    found = tuple(dict.fromkeys(folders))
    if apart := parts_of_a_set(tree, where):
        raise InputError(f"{where}: {apart}, and no classes: {INSTEAD}")
    numbers = {name: number for number, name in enumerate(found)}
    labels = np.array([numbers[name] for name in folders], np.int32)
    doubts = []  # reasons against taking these folders for classes
    # Shards: folders and files are numbers, and those of the files grow from one folder to the next.
    matches = [SHARD.fullmatch(name) for name in names]
    counts = [int(match[1]) for match in matches if match]
    if len(counts) == len(matches) and all(a < b for a, b in pairwise(counts)):
        doubts.append(
            f"its folders {_listed(found)} look like shards, whose files are numbered through, and are taken for "
            f"classes; the labels of StyleGAN's data sets are in a {LABELS_FILE}, which is not there"
        )
    if tree.barren:
        doubts.append(f"folders without an image are no classes: {_listed(tree.barren)}")
    alike: dict[str, list[str]] = {}
    for name in found:
        alike.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), []).append(name)
    doubts += [f"classes of almost one name: {_listed(same)}" for same in alike.values() if len(same) > 1][:SHOWN]
    return Classes(found, labels, False, tuple(f"{where}: {doubt}" for doubt in doubts))


def parts_of_a_set(tree: Tree, where: Path) -> str:
    """A remark that the first subfolders are parts of a data set, such as train and test; empty where they are not.

    One folder alone is no part.
    """
    folders = [name for name, _ in Counter(file.name.partition("/")[0] for file in tree.files).most_common()]
    if len(folders) < 2 or not all(PARTS.fullmatch(name) for name in folders):
        return ""
    largest = Path(tree.shared, folders[0])
    mend = f"a zip of {largest} alone" if where.is_file() else f'[data] path = "{where / largest}"'
    return f"its folders {_listed(folders)} are parts of a data set ({mend} would be one of them)"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(quoted, names[:SHOWN])) + more


def layout_in_words(tree: Tree, found: Classes | None, used: bool) -> str:
    """How the tree was understood: its folders, and its classes (`used`), or those that labels = true would make."""
    folders = tuple(dict.fromkeys(file.name.partition("/")[0] for file in tree.files if "/" in file.name))
    said = f"{len(folders):,} folders: {_listed(folders)}" if folders else "no subfolders"
    if tree.shared:
        said = f"in {quoted(tree.shared)}, {said}"
    deepest = max((file.name.count("/") for file in tree.files), default=0)
    if deepest > 1:
        said += f"; up to {deepest} deep"
    if found is None:
        return f"{said}; no classes"
    place = tree.labels_file.name if found.listed and tree.labels_file else "these folders"
    classes = f"{len(found.names):,} classes from {place}"
    return f"{said}; {classes}" if used else f"{said}; no classes (labels = true would make {classes})"
