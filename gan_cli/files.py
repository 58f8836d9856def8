"""Folders that can be written; files and folders that are written whole or not at all, with checksums."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gan_cli import door
from gan_cli.errors import DamagedError, InputError, StorageError

CHECKSUMS = "checksums.json"  # in a folder written by `whole_folder`: file -> SHA-256, and that of this list
LISTING = 1 << 23  # bytes of that file
MARGIN = 1 << 20  # bytes: lists and indices beside what is written
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}  # of a disk


def check_folder_of(out: Path, shown: str | Path | None = None) -> None:
    """Raise InputError unless the folder that a file, or a new folder, is to be in is there. `shown`: its name."""
    if not out.resolve().parent.is_dir():
        raise InputError(f"--out {shown or out}: the folder {out.parent} does not exist")


def check_not_folder(out: str | Path) -> None:
    """Raise InputError where a folder lies that a file is to take the place of."""
    if Path(out).is_dir():
        raise InputError(f"--out {out}: is a folder")


def make_folder(path: Path, mend: str = "name another folder with --out") -> None:
    """Make a folder, or find that it is there and can be written; raises InputError, with `mend`, otherwise."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}; {mend}") from None


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what a full or broken disk says into a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def check_room(folder: Path, size: int) -> None:
    """Raise OSError, as a full disk does, unless `size` bytes and MARGIN more are free where `folder` is.

    For writers that say a full disk in tracebacks of their own.
    """
    if shutil.disk_usage(folder).free < size + MARGIN:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and is gone otherwise.

    Raises StorageError when the disk is full or broken; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)  # a link that a stranger has put there would be written through
    try:
        with storing(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path` to fill; it gets checksums, reaches the disk, and then takes the place of `path`.

    When the block fails, or the process dies in it, what was at `path` is still there; between two renames, for an
    instant, neither is.
    """
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        yield part
        sums = {str(file.relative_to(part)): door.sha256(file) for file in _files(part)}
        listing = {"files": sums, "sha256": _digest(sums)}
        (part / CHECKSUMS).write_text(json.dumps(listing, indent=0), encoding="utf-8")
        for each in (*_files(part), *(folder for folder in part.rglob("*") if folder.is_dir()), part):
            sync(each)
        remove_folder(path)
        part.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there; its name is gone at once, so that no half of it is taken for the whole."""
    gone = path.with_name(f".{path.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if path.exists():
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def remove_leftovers(path: Path) -> None:
    """Remove what `whole_folder` and `remove_folder` left in folder `path` when their process died."""
    for left in (*path.glob(".*.part"), *path.glob(".*.gone")):
        shutil.rmtree(left, ignore_errors=True)


def check_whole(
    path: Path, sums: Mapping[str, str] | None = None, *, but: Collection[str] = (), most: int = door.LARGEST
) -> None:
    """Raise DamagedError, naming the file, unless the folder is what `whole_folder` wrote.

    sums: its checksums, where they have been read; but: files that are not looked at; most: bytes of each other one.
    """
    sums = checksums(path) if sums is None else sums
    for name in sums.keys() - {*but}:
        _compare(path, name, door.sha256(path / name, most), sums)


def read_whole(path: Path, name: str, most: int, sums: Mapping[str, str] | None = None) -> bytes:
    """The content of a file of such a folder, at most `most` bytes; raises DamagedError unless it is what was written.

    sums: the folder's checksums, where they have been read.
    """
    sums = checksums(path) if sums is None else sums
    if name not in sums:
        raise DamagedError(f"{path / CHECKSUMS}: does not know {name}")
    content = door.read_file(path / name, most)
    _compare(path, name, hashlib.sha256(content).hexdigest(), sums)
    return content


def _compare(path: Path, name: str, found: str, sums: Mapping[str, str]) -> None:
    if found != sums[name]:
        raise DamagedError(f"{path / name}: is damaged: its SHA-256 is {found[:12]}…, not {sums[name][:12]}…")


def checksums(path: Path) -> dict[str, str]:
    """The SHA-256 of each file of a folder, as `whole_folder` listed them; raises DamagedError for a bad list."""
    listing = path / CHECKSUMS
    try:
        read = door.parse_json(door.read_file(listing, LISTING))
        sums: dict[str, str] = read["files"]
        sound = read["sha256"] == _digest(sums) and all(map(_is_within, sums.items()))
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise DamagedError(f"{listing}: is damaged")
    return sums


def _is_within(entry: tuple[str, object]) -> bool:
    """Whether an entry of a listing is a file of its folder with a checksum."""
    name, found = entry
    return isinstance(found, str) and "\0" not in name and not {"", ".", ".."} & {*name.split("/")}


def _digest(sums: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{name} {sums[name]}\n" for name in sorted(sums)).encode()).hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())
