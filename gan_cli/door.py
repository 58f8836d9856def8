"""The one door through which what a run folder holds is read: a stranger may have put anything there.

Only regular files of a bounded size come through, and links as far as they end at one. A pipe, a device or a socket is
never opened; what grows while it is read is cut off; JSON is bounded in depth and in number of values before the rest
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

DEPTH = 32  # lists and objects in one another in JSON
VALUES = 2_000_000  # in one JSON text: each takes some 100 bytes
SMALL = 1 << 26  # bytes of what lies beside a checkpoint's arrays
LARGEST = 1 << 40  # bytes of what this machine has written itself
LINE = 1 << 20  # bytes of a line; more is none
LOG = 1 << 30  # bytes of a file of lines: some 100 million steps
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@contextmanager
def opened(path: Path, most: int = SMALL) -> Iterator[BufferedIOBase]:
    """A regular file of at most `most` bytes, to be read; raises DamagedError for anything else, also while it is read.

    A file that is not there is a DamagedError, too.
    """
    try:
        _check(path, os.stat(path), most)  # opening a device can do something
        with open(os.open(path, _READ), "rb") as file:
            _check(path, os.fstat(file.fileno()), most)
            yield file
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read: {error.strerror or error}") from None


def _check(path: Path, found: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise DamagedError(f"{path}: cannot be read: is no regular file")
    if found.st_size > most:
        raise DamagedError(f"{path}: cannot be read: has {found.st_size:,} bytes, more than {most:,}")


def read_file(path: Path, most: int = SMALL) -> bytes:
    """The content of a regular file of at most `most` bytes; raises DamagedError."""
    with opened(path, most) as file:
        content = file.read(most + 1) or b""
    if len(content) > most:  # it has grown, or says nothing of its size
        raise DamagedError(f"{path}: cannot be read: has more than {most:,} bytes")
    return content


def read_text(path: Path, most: int = SMALL) -> str:
    """The same as UTF-8; raises DamagedError."""
    try:
        return read_file(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError(f"{path}: is no text: {error}") from None


def read_json(path: Path, most: int = SMALL) -> Any:
    """The same as JSON; raises DamagedError."""
    content = read_file(path, most)
    try:
        return parse_json(content)
    except ValueError as error:
        raise DamagedError(f"{path}: {error}") from None


def parse_json(text: bytes | str) -> Any:
    """The value of a JSON text in UTF-8; raises ValueError, also for one that is too deep or too much."""
    decoded = text if isinstance(text, str) else text.decode("utf-8")
    braces = decoded.count("[") + decoded.count("{")
    if braces + decoded.count(",") > VALUES:
        raise ValueError(f"has more than {VALUES:,} values")
    try:
        value = json.loads(decoded)
    except RecursionError:
        raise ValueError(f"has more than {DEPTH} lists in one another") from None
    if braces > DEPTH:
        _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH + 1):
        inner = [own.values() if isinstance(own, dict) else own for own in level if isinstance(own, dict | list)]
        level = [one for own in inner for one in own]
        if not level:
            return
    raise ValueError(f"has more than {DEPTH} lists in one another")


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file as they are; of one that is too long, pieces that are none. Raises DamagedError."""
    with opened(path, LOG) as file:
        while text := file.readline(LINE):
            if text.strip():
                yield text


def sha256(path: Path, most: int = LARGEST) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits; raises DamagedError."""
    with opened(path, most) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_inside(path: Path, folder: Path) -> None:
    """Raise DamagedError for a link out of `folder`: what is shown to others has to be the run's own."""
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # links in a circle
        raise DamagedError(f"{path}: {error}") from None
    if not inside:
        raise DamagedError(f"{path}: is a link out of {folder}")


@contextmanager
def appending(path: Path) -> Iterator[BufferedIOBase]:
    """A regular file, to be added to; made if it is not there. Raises DamagedError for a link and for anything else.

    A full or broken disk is an OSError, as ever.
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
