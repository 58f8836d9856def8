"""Files and folders that are written whole or not at all, with checksums; checks of places to write to."""

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

CHECKSUMS = "checksums.json"  # written by `whole_folder`: file -> SHA-256, and the SHA-256 of this list
LISTING = 1 << 23  # bytes of that file, at most
MARGIN = 1 << 20  # bytes for lists and indices beside the data
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}  # disk full or broken


def check_folder_of(out: Path, shown: str | Path | None = None) -> None:
    """Raise InputError unless the folder in which `out` is to be made exists. Messages call `out` by `shown`."""
    if not out.resolve().parent.is_dir():
        raise InputError(f"--out {shown or out}: the folder {out.parent} does not exist")


def check_not_folder(out: str | Path) -> None:
    """Raise InputError if `out`, the file to be written, is a folder."""
    if Path(out).is_dir():
        raise InputError(f"--out {out}: is a folder")


def make_folder(path: Path, mend: str = "name another folder with --out") -> None:
    """Make a folder, unless it is there; raises InputError, which ends with `mend`, when it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}; {mend}") from None


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the OSError of a full or broken disk into a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def check_room(folder: Path, size: int) -> None:
    """Raise OSError, as a full disk does, unless `size` bytes and MARGIN more are free where `folder` is.

    This is for writers that report a full disk in tracebacks of their own.
    """
    if shutil.disk_usage(folder).free < size + MARGIN:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` when the block ends without an exception.

    Otherwise the temporary file is removed and `path` stays as it was. Raises StorageError when the disk is full or
    broken.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)  # a stranger's link would be written through
    try:
        with storing(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; raises StorageError when the disk is full or broken."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `path` to fill, which then gets checksums, is synced, and replaces `path`.

    When the block fails, or the process dies in it, `path` is still what it was. For an instant, between two renames,
    there is neither.
    """
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        yield part
        files = sorted(file for file in part.rglob("*") if file.is_file())
        sums = {str(file.relative_to(part)): door.sha256(file) for file in files}
        listing = {"files": sums, "sha256": _digest(sums)}
        (part / CHECKSUMS).write_text(json.dumps(listing, indent=0), encoding="utf-8")
        for each in (*files, part / CHECKSUMS, *(folder for folder in part.rglob("*") if folder.is_dir()), part):
            sync(each)
        remove_folder(path)
        part.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there. It is renamed first, so that no half of it is taken for the whole."""
    gone = path.with_name(f".{path.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if path.exists():
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def remove_leftovers(path: Path) -> None:
    """Remove what `whole_folder` and `remove_folder` leave in folder `path` when their process dies."""
    for left in (*path.glob(".*.part"), *path.glob(".*.gone")):
        shutil.rmtree(left, ignore_errors=True)


def check_whole(
    path: Path, sums: Mapping[str, str] | None = None, *, but: Collection[str] = (), most: int = door.LARGEST
) -> None:
    """Raise DamagedError, naming the file, unless the folder is what `whole_folder` wrote.

    `sums` are its checksums, if they have been read; files in `but` are skipped; `most` bounds the bytes of the others.
    """
    sums = checksums(path) if sums is None else sums
    for name in sums.keys() - {*but}:
        _compare(path, name, door.sha256(path / name, most), sums)


def read_whole(path: Path, name: str, most: int, sums: Mapping[str, str] | None = None) -> bytes:
    """Read a file of at most `most` bytes from a folder that `whole_folder` wrote.

    `sums` are the folder's checksums, if they have been read. Raises DamagedError unless the file is what was written.
    """
    sums = checksums(path) if sums is None else sums
    if name not in sums:
        raise DamagedError(f"{path / CHECKSUMS}: does not know {name}")
    content = door.read_file(path / name, most)
    _compare(path, name, hashlib.sha256(content).hexdigest(), sums)
    return content


def _compare(path: Path, name: str, found: str, sums: Mapping[str, str]) -> None:
    """Raise DamagedError unless `found` is the SHA-256 that the listing has for the file `name`."""
    if found != sums[name]:
        raise DamagedError(f"{path / name}: is damaged: its SHA-256 is {found[:12]}…, not {sums[name][:12]}…")


def checksums(path: Path) -> dict[str, str]:
    """Read the SHA-256 of each file of a folder, as `whole_folder` listed them; raises DamagedError for a bad list."""
    listing = path / CHECKSUMS
    try:
        read = door.parse_json(door.read_file(listing, LISTING))
        sums: dict[str, str] = read["files"]
        sound = read["sha256"] == _digest(sums) and all(
            isinstance(sha256, str) and "\0" not in name and not {"", ".", ".."} & {*name.split("/")}
            for name, sha256 in sums.items()  # a stranger's list may lead out of the folder
        )
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise DamagedError(f"{listing}: is damaged")
    return sums


def _digest(sums: dict[str, str]) -> str:
    """Return the SHA-256 of a listing, which shows whether the listing itself is damaged."""
    return hashlib.sha256("".join(f"{name} {sums[name]}\n" for name in sorted(sums)).encode()).hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of entries, has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
