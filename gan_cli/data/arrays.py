"""Arrays in an npz or npy file, without pickle: nothing is allocated that the file does not hold."""

import io
import math
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from gan_cli.data.packed import LARGEST, check_member, open_zip
from gan_cli.errors import DamagedError

SUFFIX = ".npy"  # of an array's file in the archive
ALONE = "x"  # what the array of an .npy file is called
RANKS = 8  # dimensions at most
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}  # NumPy's own, of plain numbers
HEADER = 10_000  # bytes of a header at most: it is parsed as a Python literal


def array_names(file: Path | bytes) -> list[str]:
    """The names of the arrays in an npz file, ["x"] for an .npy file; raises DamagedError or OSError."""
    with _opened(file) as stream:
        if stream.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
            return [ALONE]
        with open_zip(stream) as archive:
            return [name.removesuffix(SUFFIX) for name in archive.namelist()]


def load_arrays(
    file: Path | bytes, wanted: Collection[str] | None = None, largest: int = LARGEST
) -> dict[str, np.ndarray]:
    """The `wanted` arrays that an npz file holds, by name; None: all of its arrays. An .npy file holds one, "x".

    largest: the most bytes that an array may have. Raises OSError, and DamagedError for a file that is damaged, is a
    bomb, or holds arrays that are not plain: of objects, which would be pickle, or of records.
    """
    with _opened(file) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if stream.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
            is_wanted = wanted is None or ALONE in wanted
            return {ALONE: _read_array(partial(_opened, file), size, largest, ALONE)} if is_wanted else {}
        loaded = {}
        with open_zip(stream) as archive:
            members = {info.filename.removesuffix(SUFFIX): info for info in archive.infolist()}
            for name in members if wanted is None else [name for name in wanted if name in members]:
                info = members[name]
                check_member(info, size)
                loaded[name] = _read_array(partial(archive.open, info), info.file_size, largest, name)
        return loaded


def _opened(file: Path | bytes) -> IO[bytes]:
    return io.BytesIO(file) if isinstance(file, bytes) else file.open("rb")


def _read_array(opened: Callable[[], IO[bytes]], size: int, largest: int, name: str) -> np.ndarray:
    """The array in a stream of `size` bytes, which is opened twice: its header is looked at first.

    Raises OSError, and DamagedError unless it is a plain array of exactly what its file is long.
    """
    try:
        with opened() as stream:
            version = npy.read_magic(stream)
            if version not in HEADERS:
                raise ValueError(f"the layout {version} is not one of plain numbers")
            shape, _, dtype = HEADERS[version](stream, max_header_size=HEADER)
            promised = stream.tell() + math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise DamagedError(f"array {name!r} holds Python objects, which would be read as pickle")
        if dtype.fields or dtype.subdtype or not dtype.itemsize:
            raise DamagedError(f"array {name!r} is of {str(dtype)[:100]}, no plain numbers or text")
        if len(shape) > RANKS or min(shape, default=0) < 0:
            raise DamagedError(f"array {name!r} has {len(shape)} dimensions, or a negative one")
        if promised != size:
            raise DamagedError(f"array {name!r}: its header promises {promised} bytes, and {size} are there")
        if size > largest:
            raise DamagedError(f"array {name!r} has {size:,} bytes, where at most {largest:,} are expected")
        with opened() as stream:
            array: np.ndarray = npy.read_array(stream, allow_pickle=False, max_header_size=HEADER)
    except (DamagedError, OSError):
        raise
    except Exception as error:  # whatever a damaged header or stream makes numpy, tokenize or zipfile raise
        raise DamagedError(f"array {name!r} cannot be read ({type(error).__name__}: {str(error)[:200]})") from None
    return array
