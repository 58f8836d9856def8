"""Arrays in an npz or npy file, without pickle: nothing is allocated that the file does not hold."""

import io
import math
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from gan_cli.data.packed import LARGEST, check_member, open_zip
from gan_cli.errors import DamagedError

SUFFIX = ".npy"  # of an array's file in the archive
ALONE = "x"  # what the array of an .npy file is called
RANKS = 8  # dimensions at most
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}  # NumPy's own, of plain numbers
HEADER = 10_000  # bytes of a header at most: it is parsed as a Python literal


class Header(NamedTuple):
    """What an array's file says of it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    size: int  # bytes, of header and values


def names(file: Path | bytes) -> list[str]:
    """The names of the arrays in an npz file, ["x"] for an .npy file; raises DamagedError or OSError."""
    if _is_alone(file):
        return [ALONE]
    with open_zip(_readable(file)) as archive:
        return [_short(name) for name in archive.namelist()]


def load_arrays(
    file: Path | bytes, wanted: Collection[str] | None = None, largest: int = LARGEST
) -> dict[str, np.ndarray]:
    """Those of the `wanted` arrays that an npz file holds; None: all of them. An .npy file holds one, "x".

    largest: bytes of one array. Raises OSError, and DamagedError for a file that is damaged, a bomb, or holds what are
    no plain arrays: of objects, which would be pickle, or of records.
    """
    size = len(file) if isinstance(file, bytes) else file.stat().st_size
    if _is_alone(file):
        given = wanted is None or ALONE in wanted
        return {ALONE: _read(lambda: _opened(file), size, largest, ALONE)} if given else {}
    with open_zip(_readable(file)) as archive:
        members = {_short(info.filename): info for info in archive.infolist()}
        chosen = members if wanted is None else {name: members[name] for name in wanted if name in members}
        return {name: _member(archive, info, size, largest) for name, info in chosen.items()}


def _is_alone(file: Path | bytes) -> bool:
    with _opened(file) as stream:
        return stream.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX


def _opened(file: Path | bytes) -> IO[bytes]:
    return io.BytesIO(file) if isinstance(file, bytes) else file.open("rb")


def _readable(file: Path | bytes) -> Path | IO[bytes]:
    return io.BytesIO(file) if isinstance(file, bytes) else file


def _short(name: str) -> str:
    return name.removesuffix(SUFFIX)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int, largest: int) -> np.ndarray:
    check_member(info, size)
    return _read(lambda: archive.open(info), info.file_size, largest, _short(info.filename))


def _read(opened: Callable[[], IO[bytes]], size: int, largest: int, name: str) -> np.ndarray:
    """The array in a stream of `size` bytes, which is opened twice: its header is looked at first."""
    try:
        with opened() as stream:
            header = _header(stream)
        _check(header, size, largest, name)
        with opened() as stream:
            array: np.ndarray = npy.read_array(stream, allow_pickle=False, max_header_size=HEADER)
    except (DamagedError, OSError):
        raise
    except Exception as error:  # whatever a damaged header or stream makes numpy, tokenize or zipfile raise
        raise DamagedError(f"array {name!r} cannot be read ({type(error).__name__}: {str(error)[:200]})") from None
    return array


def _header(stream: IO[bytes]) -> Header:
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"the layout {version} is not one of plain numbers")
    shape, _, dtype = HEADERS[version](stream, max_header_size=HEADER)
    count = math.prod(shape)
    return Header(shape, dtype, stream.tell() + count * dtype.itemsize)


def _check(header: Header, size: int, largest: int, name: str) -> None:
    """Raise DamagedError unless the array is a plain one of exactly what its file is long."""
    dtype, shape = header.dtype, header.shape
    if dtype.hasobject:
        raise DamagedError(f"array {name!r} holds Python objects, which would be read as pickle")
    if dtype.fields or dtype.subdtype or not dtype.itemsize:
        raise DamagedError(f"array {name!r} is of {str(dtype)[:100]}, no plain numbers or text")
    if len(shape) > RANKS or min(shape, default=0) < 0:
        raise DamagedError(f"array {name!r} has {len(shape)} dimensions, or a negative one")
    if header.size != size:
        raise DamagedError(f"array {name!r}: its header promises {header.size} bytes, and {size} are there")
    if size > largest:
        raise DamagedError(f"array {name!r} has {size:,} bytes, where at most {largest:,} are expected")
