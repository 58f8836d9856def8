"""The one door through which the files of a run folder are read: a stranger may have put anything there.

Only regular files of a bounded size come through, and links that end at one. A pipe, a device or a socket is never
opened; a file that grows while it is read is cut off; JSON is bounded in depth and in number of values before the rest
of the program sees it.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from gan_cli.errors import DamagedError

DEPTH = 32  # nested lists and objects in a JSON text
VALUES = 2_000_000  # values in a JSON text; each takes some 100 bytes of memory
SMALL = 1 << 26  # bytes of a file that lies beside a checkpoint's arrays
LARGEST = 1 << 40  # bytes of a file that this machine has written itself
LINE = 1 << 20  # bytes of a line; a longer one is read in pieces
LOG = 1 << 30  # bytes of a file of lines: some 100 million steps
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@contextmanager
def opened(path: Path, most: int = SMALL) -> Iterator[BufferedIOBase]:
    """Open a regular file of at most `most` bytes for reading.

    Raises DamagedError for anything else, for a file that is not there, and where reading fails in the block.
    """
    try:
        _check_regular(path, os.stat(path), most)  # before it is opened: opening a device can have effects
        with open(os.open(path, _READ), "rb") as file:
            _check_regular(path, os.fstat(file.fileno()), most)  # after: it may have been replaced meanwhile
            yield file
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read: {error.strerror or error}") from None


def _check_regular(path: Path, found: os.stat_result, most: int) -> None:
    """Raise DamagedError unless a file's status is that of a regular file of at most `most` bytes."""
    if not stat.S_ISREG(found.st_mode):
        raise DamagedError(f"{path}: cannot be read: is no regular file")
    if found.st_size > most:
        raise DamagedError(f"{path}: cannot be read: has {found.st_size:,} bytes, more than {most:,}")


def read_file(path: Path, most: int = SMALL) -> bytes:
    """Read a regular file of at most `most` bytes; raises DamagedError."""
    with opened(path, most) as file:
        content = file.read(most + 1) or b""
    if len(content) > most:  # it has grown since, or does not report its size
        raise DamagedError(f"{path}: cannot be read: has more than {most:,} bytes")
    return content


def read_text(path: Path, most: int = SMALL) -> str:
    """Read a regular file of at most `most` bytes as UTF-8; raises DamagedError."""
    try:
        return read_file(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError(f"{path}: is no text: {error}") from None


def read_json(path: Path, most: int = SMALL) -> Any:
    """Read a regular file of at most `most` bytes as JSON, see `parse_json`; raises DamagedError."""
    content = read_file(path, most)
    try:
        return parse_json(content)
    except ValueError as error:
        raise DamagedError(f"{path}: {error}") from None


def parse_json(text: bytes | str) -> Any:
    """Parse a JSON text in UTF-8; raises ValueError, also for more than DEPTH levels or VALUES values."""
    decoded = text if isinstance(text, str) else text.decode("utf-8")
    braces = decoded.count("[") + decoded.count("{")
    if braces + decoded.count(",") > VALUES:
        raise ValueError(f"has more than {VALUES:,} values")
    try:
        value = json.loads(decoded)
    except RecursionError:
        raise ValueError(f"has more than {DEPTH} lists in one another") from None
    level = [value] if braces > DEPTH else []  # with fewer braces it cannot be too deep
    for _ in range(DEPTH + 1):
        inner = [own.values() if isinstance(own, dict) else own for own in level if isinstance(own, dict | list)]
        level = [one for own in inner for one in own]
    if level:
        raise ValueError(f"has more than {DEPTH} lists in one another")
    return value


def lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, ends included and blank ones left out; raises DamagedError.

    A line of more than LINE bytes comes in pieces, which are no JSON.
    """
    with opened(path, LOG) as file:
        while text := file.readline(LINE):
            if text.strip():
                yield text


def sha256(path: Path, most: int = LARGEST) -> str:
    """Return the SHA-256 of a file of at most `most` bytes as 64 hexadecimal digits; raises DamagedError."""
    with opened(path, most) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_inside(path: Path, folder: Path) -> None:
    """Raise DamagedError for a link out of `folder`: only the run's own files may be shown to others."""
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # links in a circle
        raise DamagedError(f"{path}: {error}") from None
    if not inside:
        raise DamagedError(f"{path}: is a link out of {folder}")


@contextmanager
def appending(path: Path) -> Iterator[BufferedIOBase]:
    """Open a regular file for appending; it is made if it is not there.

    Raises DamagedError for a link and for anything else that is no regular file, OSError for a full or broken disk.
    """
    try:
        handle = os.open(path, _APPEND, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise DamagedError(f"{path}: is no regular file") from None
        raise
    with open(handle, "ab") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise DamagedError(f"{path}: is no regular file")
        yield file
