"""The image files below a folder or in a zip file, and whatever else lies there."""

import hashlib
import os
import posixpath
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from gan_cli.data.left_out import ARCHIVES, BARE, SUFFIXES, LeftOut, barred, suffix_of
from gan_cli.data.packed import check_member, open_zip
from gan_cli.data.picture import BEGINNINGS, HEAD
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
    """The images below a path, and what else lies there."""

    files: list[File]  # images in natural order, named without the folders that all of them share
    shared: str = ""  # these folders: "photos/train"
    barren: tuple[str, ...] = ()  # folders that might be classes, but hold no image
    labels_file: File | None = None  # the dataset.json above all images
    left_out: str = ""  # a sentence; empty: nothing is


@dataclass
class _Collected:
    """What is found while a folder or a zip is gone through."""

    files: list[File] = field(default_factory=list)
    lists: list[File] = field(default_factory=list)  # those called LABELS_FILE
    folders: set[str] = field(default_factory=set)
    left_out: LeftOut = field(default_factory=LeftOut)

    def put(self, file: File) -> None:
        """Put a file where it belongs: its suffix says what it is or, where there is none, its first bytes do."""
        suffix = suffix_of(file.name)
        is_image = suffix in SUFFIXES
        if not suffix:
            with suppress(Exception), file.open() as data:  # whatever a damaged file makes zipfile raise: no image
                is_image = BEGINNINGS.match(data.read(HEAD)) is not None
        if is_image:
            self.files.append(file)
        elif posixpath.basename(file.name) == LABELS_FILE:
            self.lists.append(file)
        else:
            self.left_out.add(suffix or BARE, file.name)


def read_tree(path: Path, below: str = "") -> Tree:
    """What lies below a folder or in a zip, or in the folder `below` there; raises InputError where it is neither.

    Links are followed. Hidden files, what systems put into folders of photographs, and all other files are left out.
    """
    found = _Collected()
    if path.is_file():
        _look_into_zip(path, found)
        found.files = [file for file in found.files if file.name.startswith(f"{below}/" if below else "")]
    else:
        _look_into_folder(path / below, found)
    shared = posixpath.commonpath({posixpath.dirname(f"/{file.name}") for file in found.files} or {"/"})[1:]
    below = f"{shared}/" if shared else ""
    files = sorted(
        (file._replace(name=file.name[len(below) :]) for file in found.files), key=lambda file: natural_order(file.name)
    )
    # Labels are listed in the folder that holds all images, or in the nearest of those that this one is in.
    chosen = None
    for file in sorted(found.lists, key=lambda file: len(file.name)):
        own = posixpath.dirname(file.name)
        if chosen is None and (not own or f"{shared}/".startswith(f"{own}/")):
            chosen = file
        else:
            found.left_out.add(suffix_of(file.name), file.name)
    folders = {name[len(below) :].split("/")[0] for name in found.folders if name.startswith(below) and name}
    barren = sorted(folders - {file.name.split("/")[0] for file in files})
    return Tree(files, shared, tuple(barren), chosen, found.left_out.sentence())


def natural_order(name: str) -> list[list[tuple[int, int, str]]]:
    """A key by which files are sorted by name, digits as numbers: 2.png before 10.png."""
    parts = name.split("/")
    return [[(0, int(t), t) if t.isdecimal() else (1, 0, t) for t in re.split(r"(\d+)", part)] for part in parts]


def _look_into_folder(path: Path, found: _Collected) -> None:
    """Collect what is in a folder and those below it.

    Names are strings and each entry is looked at once: with many files, pathlib and os.walk take longer than that.
    """
    reads: Counter[tuple[int, int]] = Counter()
    # Where a folder is; its name below the path; whether a link led to it; devices and inodes of those that it is in.
    waiting: list[tuple[str, str, bool, frozenset[tuple[int, int]]]] = [(str(path), "", False, frozenset())]
    while waiting:
        where, here, linked, above = waiting.pop()
        try:
            status = os.stat(where)
            with os.scandir(where) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not here:
                raise InputError(f"{path}: cannot be looked into: {error.strerror}") from None
            found.left_out.add("unreadable", here, error.strerror or "")
            continue
        own = (status.st_dev, status.st_ino)
        reads[own] += 1
        if linked and (own in above or reads[own] > READS):
            why = "linked in a circle" if own in above else f"linked more than {READS} times"
            found.left_out.add(why, here)
            continue
        found.folders.add(here)
        for entry in entries:
            name = posixpath.join(here, entry.name)
            if _is_folder(entry, name, found):
                waiting.append((entry.path, name, linked or entry.is_symlink(), above | {own}))


def _is_folder(entry: os.DirEntry[str], name: str, found: _Collected) -> bool:
    """Whether an entry is a folder to be looked into; anything else is put where it belongs."""
    kind = barred(entry.name)
    try:
        if kind is not None:
            found.left_out.add(kind, name)
        elif entry.is_dir():
            return True
        elif entry.is_file():
            found.put(File(name, partial(_open, entry.path), partial(_stamp, entry.path)))
        else:
            found.left_out.add("linked to nothing" if entry.is_symlink() else "not a file", name)
    except OSError as error:  # a link to itself, or to where one may not look
        found.left_out.add("unreadable", name, error.strerror or "")
    return False


def _open(path: str) -> IO[bytes]:
    size = os.stat(path).st_size
    if size > LARGEST:
        raise ValueError(f"has {size} bytes: more than {LARGEST}")
    return open(path, "rb")


def _stamp(path: str) -> str:
    """The file's size and the SHA-256 of its ends, or of all of it where a change need not move them."""
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if path.lower().endswith(UNCOMPRESSED):
            return f"{size} {hashlib.sha256(file.read()).hexdigest()}"
        first = file.read(EDGE)
        file.seek(max(0, size - EDGE))
        return f"{size} {hashlib.sha256(first + file.read()).hexdigest()}"


def _look_into_zip(path: Path, found: _Collected) -> None:
    """Collect what is in a zip, which is read in place: nothing is unpacked to disk."""
    try:
        archive, size = open_zip(path), path.stat().st_size
    except (DamagedError, OSError) as error:
        mend = ""
        if suffix_of(path.name) in ARCHIVES - {".zip"}:
            mend = "; unpack it and give the folder, or make a zip of it"
        elif suffix_of(path.name) in SUFFIXES:
            mend = "; this is one image: name the folder that it is in"
        raise InputError(f"{path}: neither a folder nor a sound zip file: {error}{mend}") from None
    for name, info in _entries(archive, found.left_out).items():
        if info.filename.endswith(("/", "\\")):
            found.folders.add(name)
        elif stat.S_ISLNK(info.external_attr >> 16):
            found.left_out.add("linked within a zip", name)
        else:
            found.folders.add(posixpath.dirname(name))
            member = partial(_open_member, archive, size, info)
            found.put(File(name, member, partial("{} {}".format, info.file_size, info.CRC)))


def _entries(archive: zipfile.ZipFile, left_out: LeftOut) -> dict[str, zipfile.ZipInfo]:
    """A zip's entries by clean names; the last of several with one name, as unpacking would leave it."""
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


def _open_member(archive: zipfile.ZipFile, size: int, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.file_size > LARGEST:
        raise ValueError(f"unpacks to {info.file_size} bytes: more than {LARGEST}")
    check_member(info, size)
    return archive.open(info)
