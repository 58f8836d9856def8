"""The image files below a folder or in a zip file, and whatever else lies there."""

import hashlib
import os
import posixpath
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from gan_cli.data.left_out import ARCHIVES, BARE, SUFFIXES, LeftOut, barred, suffix_of
from gan_cli.data.packed import check_member, open_zip
from gan_cli.data.picture import HEAD, is_image
from gan_cli.errors import DamagedError, InputError

LARGEST = 256 << 20  # bytes of one file, in a zip of one unpacked; more is taken for a decompression bomb
EDGE = 4096  # bytes at the beginning and the end of a file that its fingerprint takes in
UNCOMPRESSED = (".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")  # a change need not move the ends
READS = 16  # of one folder, which links may lead to from many places, and from each other
LABELS_FILE = "dataset.json"


class File(NamedTuple):
    """A file, on disk or in a zip."""

    name: str  # relative to the folder, with forward slashes
    open: Callable[[], IO[bytes]]
    stamp: Callable[[], str]  # what its fingerprint is made of, without reading the whole of it


class Tree(NamedTuple):
    """What lies below a path."""

    files: list[File]  # images in natural order, named without the folders that all of them share
    shared: str = ""  # these folders: "photos/train"
    barren: tuple[str, ...] = ()  # folders that might be classes, but hold no image
    labels_file: File | None = None  # the dataset.json above all images
    left_out: str = ""  # a sentence; empty: nothing is


class _Collected:
    """Collects while a folder or a zip is gone through."""

    def __init__(self) -> None:
        self.files: list[File] = []
        self.lists: list[File] = []
        self.folders: set[str] = set()
        self.left_out = LeftOut()

    def put(self, file: File) -> None:
        """A file where it belongs: its suffix says what it is or, where there is none, its first bytes do."""
        suffix = suffix_of(file.name)
        if suffix in SUFFIXES or (not suffix and _begins_as_image(file)):
            self.files.append(file)
        elif posixpath.basename(file.name) == LABELS_FILE:
            self.lists.append(file)
        else:
            self.left_out.add(suffix or BARE, file.name)


def read_tree(path: Path) -> Tree:
    """What lies below a folder or in a zip; raises InputError where it is neither.

    Links are followed. Hidden files, what systems put into folders of photographs, and all other files are left out.
    """
    found = _Collected()
    (_look_into_zip if path.is_file() else _look_into_folder)(path, found)
    shared = posixpath.commonpath({posixpath.dirname(f"/{file.name}") for file in found.files} or {"/"})[1:]
    start = len(shared) + 1 if shared else 0
    files = _natural([file._replace(name=file.name[start:]) for file in found.files])
    lists = sorted((file for file in found.lists if _is_above(file, shared)), key=lambda file: len(file.name))
    for other in [file for file in found.lists if file not in lists[:1]]:
        found.left_out.add(suffix_of(other.name), other.name)
    below = f"{shared}/" if shared else ""
    folders = {name[start:].split("/")[0] for name in found.folders if name.startswith(below) and name}
    barren = sorted(folders - {file.name.split("/")[0] for file in files})
    return Tree(files, shared, tuple(barren), next(iter(lists), None), found.left_out.sentence())


def _is_above(file: File, shared: str) -> bool:
    """Whether a file lies in a folder that holds all images, or in one that this one is in."""
    own = posixpath.dirname(file.name)
    return f"{shared}/".startswith(f"{own}/" if own else "")


class _Folder(NamedTuple):
    """A folder to be looked into."""

    where: str
    name: str  # below the path
    linked: bool = False  # whether there is a link on the way to it
    above: frozenset[tuple[int, int]] = frozenset()  # devices and inodes of the folders that it is in


def _look_into_folder(path: Path, found: _Collected) -> None:
    """Strings and one look at each entry: with many files, pathlib and os.walk take longer than the looking."""
    reads: Counter[tuple[int, int]] = Counter()
    waiting = [_Folder(str(path), "")]
    while waiting:
        here = waiting.pop()
        try:
            status = os.stat(here.where)
            with os.scandir(here.where) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not here.name:
                raise InputError(f"{path}: cannot be looked into: {error.strerror}") from None
            found.left_out.add("unreadable", here.name, error.strerror or "")
            continue
        own = (status.st_dev, status.st_ino)
        reads[own] += 1
        if here.linked and (own in here.above or reads[own] > READS):
            why = "linked in a circle" if own in here.above else f"linked more than {READS} times"
            found.left_out.add(why, here.name)
            continue
        found.folders.add(here.name)
        for entry in entries:
            name = posixpath.join(here.name, entry.name)
            if _is_folder(entry, name, found):
                waiting.append(_Folder(entry.path, name, here.linked or entry.is_symlink(), here.above | {own}))


def _is_folder(entry: os.DirEntry[str], name: str, found: _Collected) -> bool:
    """Whether an entry is a folder to be looked into; anything else is put where it belongs."""
    kind = barred(entry.name)
    try:
        if kind is None and entry.is_dir():
            return True
        if kind is None and entry.is_file():
            found.put(File(name, partial(_open, entry.path), partial(_stamp, entry.path)))
        else:
            found.left_out.add(kind if kind is not None else _strange(entry), name)
    except OSError as error:  # a link to itself, or to where one may not look
        found.left_out.add("unreadable", name, error.strerror or "")
    return False


def _strange(entry: os.DirEntry[str]) -> str:
    return "linked to nothing" if entry.is_symlink() else "not a file"


def _open(path: str) -> IO[bytes]:
    size = os.stat(path).st_size
    if size > LARGEST:
        raise ValueError(f"has {size} bytes: more than {LARGEST}")
    return open(path, "rb")


def _stamp(path: str) -> str:
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if path.lower().endswith(UNCOMPRESSED):
            return f"{size} {hashlib.sha256(file.read()).hexdigest()}"
        first = file.read(EDGE)
        file.seek(max(0, size - EDGE))
        return f"{size} {hashlib.sha256(first + file.read()).hexdigest()}"


def _look_into_zip(path: Path, found: _Collected) -> None:
    """A zip is read in place: nothing is unpacked to disk."""
    try:
        archive, size = open_zip(path), path.stat().st_size
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: neither a folder nor a sound zip file: {error}{_mend(path)}") from None
    for name, info in _entries(archive, found.left_out).items():
        if info.filename.endswith(("/", "\\")):
            found.folders.add(name)
        elif stat.S_ISLNK(info.external_attr >> 16):
            found.left_out.add("linked within a zip", name)
        else:
            found.folders.add(posixpath.dirname(name))
            member = partial(_member, archive, size, info)
            found.put(File(name, member, partial("{} {}".format, info.file_size, info.CRC)))


def _entries(archive: zipfile.ZipFile, left_out: LeftOut) -> dict[str, zipfile.ZipInfo]:
    """A zip's entries by clean names, of several with one name the last, as unpacking would leave it."""
    infos = archive.infolist()
    # Some of Windows' tools separate by backslashes; a name that holds one for its own sake lies beside slashes.
    separator = "/" if any("/" in info.filename for info in infos) else "\\"
    entries: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for info in infos:
        name = posixpath.normpath("/" + info.filename.replace(separator, "/")).lstrip("/")
        parts = name.split("/")
        kinds = [barred(part) for part in parts]
        at = next((i for i, kind in enumerate(kinds) if kind is not None), None)
        if at is None:
            if name in entries:
                left_out.add("replaced by another of its name", name)
            entries[name] = info
        elif (whole := "/".join(parts[: at + 1])) not in seen:
            seen.add(whole)
            left_out.add(kinds[at] or "", whole)
    return entries


def _mend(path: Path) -> str:
    if suffix_of(path.name) in ARCHIVES - {".zip"}:
        return "; unpack it and give the folder, or make a zip of it"
    return "; this is one image: name the folder that it is in" if suffix_of(path.name) in SUFFIXES else ""


def _member(archive: zipfile.ZipFile, size: int, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.file_size > LARGEST:
        raise ValueError(f"unpacks to {info.file_size} bytes: more than {LARGEST}")
    check_member(info, size)
    return archive.open(info)


def _begins_as_image(file: File) -> bool:
    try:
        with file.open() as data:
            return is_image(data.read(HEAD))
    except Exception:  # whatever a damaged file makes zipfile raise: nothing says that it is an image
        return False


def _natural(files: list[File]) -> list[File]:
    """Sorted by name, digits as numbers."""

    def key(file: File) -> list[list[tuple[int, int, str]]]:
        parts = file.name.split("/")
        return [[(0, int(t), t) if t.isdecimal() else (1, 0, t) for t in re.split(r"(\d+)", part)] for part in parts]

    return sorted(files, key=key)
