"""Arrays in an npz file, without pickle: nothing is allocated that the file does not hold."""

import io
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from gan_cli.data.packed import LARGEST, check_member, open_zip
from gan_cli.errors import DamagedError

SUFFIX = ".npy"  # of an array's file in the archive
RANKS = 8  # dimensions at most
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}  # NumPy's own, of plain numbers
HEADER = 10_000  # bytes of a header at most: it is parsed as a Python literal


class Header(NamedTuple):
    """What an array's file says of it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    size: int  # bytes, of header and values


def names(file: Path | bytes) -> list[str]:
    """The names of the arrays in an npz file; raises DamagedError or OSError."""
    with open_zip(_readable(file)) as archive:
        return [_short(name) for name in archive.namelist()]


def load(file: Path | bytes, wanted: Collection[str] | None = None, largest: int = LARGEST) -> dict[str, np.ndarray]:
    """Those of the `wanted` arrays that an npz file holds; None: all of them.

    largest: bytes of one array. Raises OSError, and DamagedError for a file that is damaged, a bomb, or holds what are
    no plain arrays: of objects, which would be pickle, or of records.
    """
    with open_zip(_readable(file)) as archive:
        members = {_short(info.filename): info for info in archive.infolist()}
        size = len(file) if isinstance(file, bytes) else file.stat().st_size
        chosen = members if wanted is None else {name: members[name] for name in wanted if name in members}
        return {name: _array(archive, info, size, largest) for name, info in chosen.items()}


def _readable(file: Path | bytes) -> Path | IO[bytes]:
    return io.BytesIO(file) if isinstance(file, bytes) else file


def _short(name: str) -> str:
    return name.removesuffix(SUFFIX)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int, largest: int) -> np.ndarray:
    name = _short(info.filename)[:200]
    check_member(info, size)
    try:
        with archive.open(info) as stream:
            header = _header(stream)
        _check(header, info.file_size, largest, name)
        with archive.open(info) as stream:
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
