"""The picture files that a person names, and what their headers say."""

from collections.abc import Iterator
from typing import NamedTuple

from gan_cli.data.folder import check_some, reason
from gan_cli.data.left_out import SUFFIXES
from gan_cli.data.picture import bits_of, opened, shape_of
from gan_cli.data.store import Store
from gan_cli.data.tree import File, read_tree
from gan_cli.errors import InputError
from gan_cli.remote.fetch import fetched

ZIP = ".zip"


class Head(NamedTuple):
    """A picture file."""

    file: File
    bits: int  # of a colour: 8, or 16
    channels: int  # 1 (grey), 3 (RGB) or 4 (with transparency)


def picture_files(text: str, store: Store) -> list[Head]:
    """The picture that a person names, or those in a folder or a zip; none where the name is of something else.

    Raises InputError for a file that cannot be read.
    """
    return [_head(text, file) for file in _files(text, store)]


def tell(text: str, heads: list[Head], store: Store, channels: int, *, deep: bool) -> None:
    """Note what of pictures is not kept by a model of so many channels: transparency and, unless `deep`, 16 bits."""
    transparent = sum(head.channels == 4 for head in heads) if channels != 4 else 0
    cut = 0 if deep else sum(head.bits > 8 for head in heads)
    if transparent:
        store.note(f"{text}: transparency, in {transparent} of {len(heads)} pictures, is composited on white")
    if cut:
        store.note(f"{text}: 16 bits a colour, in {cut} of {len(heads)} pictures, are read as 8")


def _files(text: str, store: Store) -> Iterator[File]:
    path = fetched(text, store.note).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ZIP):
        tree = read_tree(path)
        check_some(tree.files, path, tree)
        yield from tree.files
    elif path.is_file() and path.suffix.lower() in SUFFIXES:
        yield File(path.name, lambda: path.open("rb"), lambda: "")


def _head(text: str, file: File) -> Head:
    try:
        with file.open() as data, opened(data) as picture:
            return Head(file, bits_of(picture), shape_of(picture)[2])
    except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
        raise InputError(f"{text}: {file.name} cannot be read as an image: {reason(error)}") from None
