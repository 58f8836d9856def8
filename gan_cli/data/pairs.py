"""Pairs of images: what an image is to be made from, `input`, beside the image itself, `x`."""

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gan_cli.data.folder import Pictures, read_pictures
from gan_cli.data.left_out import quoted
from gan_cli.data.source import Examples, Source, digest
from gan_cli.data.store import Store
from gan_cli.data.tree import Tree, read_tree
from gan_cli.data.values import Range
from gan_cli.errors import InputError
from gan_cli.types import INPUT, Spec, X

NAMED = 3  # files in a message


def side_by_side(
    store: Store,
    *,
    path: Path,
    split: str | None = None,  # the folder in it that is read: "train", "val"; None: all of it
    input: Literal["left", "right"] = "left",  # the half that is given; the other one is made from it
    labels: bool = False,  # these three as of a folder
    on_corrupt: Literal["fail", "skip"] = "fail",
    values: Range | None = None,
) -> Source:
    """A folder or zip file of images that hold a pair each, left and right, as the data sets of pix2pix come.

    https://arxiv.org/abs/1611.07004. Files are read as those of `folder`. Raises InputError as it does, and where an
    image cannot be halved.
    """
    path = store.locate(path)
    pictures = _pictures(store, path, split or "", labels=labels, on_corrupt=on_corrupt, values=values)
    whole = pictures.source
    odd = [
        f"{quoted(name)} is {width} wide"
        for name, (_, width, _) in zip(pictures.names, pictures.shapes, strict=True)
        if width % 2
    ]
    if odd:
        raise InputError(f"{path}: each image of a pair side by side has half the width, and {_some(odd)}")
    height, width, channels = whole.spec.shape
    half = Spec((height, width // 2, channels))

    def load(indices: np.ndarray) -> Examples:
        examples = whole.load(indices)
        halves = [[image[:, : image.shape[1] // 2], image[:, image.shape[1] // 2 :]] for image in examples[X]]
        given, made = ([pair[side] for pair in halves] for side in ((0, 1) if input == "left" else (1, 0)))
        return {**examples, X: _stacked(made, half), INPUT: _stacked(given, half)}

    spec = whole.spec._replace(shape=half.shape, parts={INPUT: half})
    return whole._replace(spec=spec, load=load, fingerprint=digest(whole.fingerprint, f"input {input}"))


def folders(
    store: Store,
    *,
    path: Path,
    inputs: str = "A",  # the folder in it of what is given
    outputs: str = "B",  # the folder in it of what is made from that
    split: str | None = None,  # the folder in these two that is read: "train", "val"; None: all of them
    values: Range | None = None,  # as of a folder, in both
) -> Source:
    """Two folders of images, or two in a zip file, that belong together by name: A/7.jpg is what B/7.png is made from.

    Suffixes may differ, and so may the sizes of the two. Files are read as those of `folder`. Raises InputError as it
    does, and names those that have no partner.
    """
    path = store.locate(path)
    below = f"/{split}" if split else ""
    given, made = (_pictures(store, path, f"{name}{below}", values=values) for name in (inputs, outputs))
    own = partners({outputs: made.names, inputs: given.names}, f"{path}: ")

    def load(indices: np.ndarray) -> Examples:
        return {**made.source.load(indices), INPUT: given.source.load(own[indices])[X]}

    return made.source._replace(
        name=path.name,
        spec=made.source.spec._replace(parts={INPUT: given.source.spec}),
        load=load,
        fingerprint=digest(made.source.fingerprint, given.source.fingerprint),
        remarks=(*given.source.remarks, *made.source.remarks),
        odd_sizes=made.source.odd_sizes or given.source.odd_sizes,
    )


def _pictures(store: Store, path: Path, below: str, **options: Any) -> Pictures:
    """The images in a folder of a folder or zip; raises InputError where it is not there."""
    there = path.is_file() or (path / below).is_dir()
    tree = read_tree(path, below) if there else Tree([])
    if below and not tree.files:
        raise InputError(f"{path}: has no images in a folder {below!r}; [data] inputs, outputs and split name folders")
    return read_pictures(store, path if path.is_file() else path / below, tree, **options)


def partners(sides: Mapping[str, Sequence[str]], where: str = "") -> np.ndarray:
    """For each file of the first of two sides the place of the one of the same name in the second: int [n].

    `sides`: names of files by what a person calls the folder; suffixes may differ. Raises InputError, which begins with
    `where`, for names without a partner, and for a name that two files of a side have.
    """
    (one, of_one), (other, of_other) = (
        (called, _by_stem(names, f"{where}{called}")) for called, names in sides.items()
    )
    lonely = [f"{quoted(name)} in {other}" for name in of_other if name not in of_one]
    lonely += [f"{quoted(name)} in {one}" for name in of_one if name not in of_other]
    if lonely:
        raise InputError(
            f"{where}a pair is two files of one name, one in {other} and one in {one}; without a partner are "
            f"{_some(lonely)}"
        )
    return np.array([of_other[name] for name in of_one])


def _by_stem(names: Sequence[str], where: str) -> dict[str, int]:
    """The place of each image by its name without the suffix; raises InputError where two have the same."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        stem = posixpath.splitext(name)[0]
        if stem in places:
            both = f"{quoted(names[places[stem]])} and {quoted(name)}"
            raise InputError(f"{where}: {both} have one name, and either could be half of a pair; remove one")
        places[stem] = place
    return places


def _stacked(images: Sequence[np.ndarray], spec: Spec) -> np.ndarray | list[np.ndarray]:
    """Images of a source as it gives them: an array, or a list where they differ."""
    return list(images) if 0 in spec.shape else np.stack(images)


def _some(found: Sequence[str]) -> str:
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more
