"""Compressed files and archives, unpacked within bounds: bombs are refused by what their headers promise."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import IO

from gan_cli.errors import DamagedError

LARGEST = 8 << 30  # bytes of one file or array in memory
RATIO = 200  # unpacked bytes for a packed one: images take up to 20; what deflate can do at all is 1032
FREE = 64 << 20  # bytes that any file may unpack to, however small it is
CHUNK = 1 << 20  # bytes unpacked at once


def contents(path: Path, largest: int = LARGEST) -> bytes:
    """All bytes of a file; raises DamagedError when there are more than `largest`, OSError when it cannot be read."""
    size = path.stat().st_size
    if size > largest:
        raise DamagedError(f"has {size:,} bytes, where at most {largest:,} are expected")
    return path.read_bytes()


def check_unpacked(packed: int, unpacked: int, what: str = "it") -> None:
    """Raise DamagedError when so few bytes promise so many that they are a bomb, or more than memory should hold.

    packed, unpacked: numbers of bytes; what: what unpacks, at the beginning of the message.
    """
    if unpacked > LARGEST:
        raise DamagedError(f"{what} unpacks to {unpacked:,} bytes, more than {LARGEST:,}")
    if unpacked > max(FREE, RATIO * packed):
        raise DamagedError(
            f"{what} unpacks from {packed:,} to {unpacked:,} bytes, a decompression bomb by its ratio; "
            "if it is what it should be, store it uncompressed"
        )


def gunzipped(data: bytes, largest: int = LARGEST) -> bytes:
    """The content of a gzip file; raises DamagedError, also when there are more than `largest` bytes of it.

    At most `largest` bytes, and no more than a bomb's share, are unpacked before that is known.
    """
    parts, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while part := stream.read(CHUNK):
                parts.append(part)
                size += len(part)
                if size > largest:
                    raise DamagedError(f"too long: it unpacks to more than {largest:,} bytes")
                check_unpacked(len(data), size)
    except EOFError:
        raise DamagedError(f"truncated: the gzip stream ends after {len(data)} bytes") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedError(f"damaged: not a sound gzip file ({error})") from None
    return b"".join(parts)


def open_zip(file: Path | IO[bytes]) -> zipfile.ZipFile:
    """A zip archive, its list of members read; raises DamagedError, or OSError when the file cannot be read.

    Memory: some 700 bytes for each member, of which the list in the file takes at least 46.
    """
    try:
        return zipfile.ZipFile(file)
    except OSError:
        raise
    except Exception as error:  # zipfile raises what its parsing happens to meet: struct.error, UnicodeDecodeError, ...
        raise DamagedError(f"not a sound zip file ({error})") from None


def check_member(info: zipfile.ZipInfo, size: int) -> None:
    """Raise DamagedError when a member of an archive of `size` bytes promises too much; zipfile keeps the promise."""
    check_unpacked(min(info.compress_size, size), info.file_size, f"{info.filename[:200]!r} in it")
