"""MNIST and its drop-in replacements: four IDX files, raw or gzipped."""

import math
import zlib
from contextlib import suppress
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from gan_cli.data.packed import FREE, check_unpacked, gunzipped
from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Asset, Origin, Store
from gan_cli.errors import DamagedError

Split = Literal["train", "test"]
UBYTE = 8  # IDX's code of unsigned bytes
RANKS = 4  # dimensions at most: images with channels
GZIP = b"\x1f\x8b"
MAGIC = b"\0\0"
COUNTS = {"train": 60_000, "test": 10_000}
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Published(NamedTuple):
    """An IDX data set of 28x28 grey images."""

    name: str
    mirrors: tuple[str, ...]  # folders on the web, tried in order
    classes: tuple[str, ...]
    sha256: dict[str, str]  # file -> checksum of its content, uncompressed
    gz_sha256: dict[str, str]  # file -> checksum of the published .gz, where none of the content is known


def origin(published: Published, hub: str = "") -> Origin:
    """Where the four files of a data set come from; `hub` is the data set's name on the Hugging Face Hub."""
    names = [name for split in FILES.values() for name in split]
    return Origin(
        published.name, tuple(Asset(f"{name}.gz", sha256=published.sha256.get(name, "")) for name in names), hub
    )


def load_split(published: Published, store: Store, split: Split) -> Source:
    """Read one split: x uint8 [60000 or 10000, 28, 28, 1], ink is 255, y in 0 .. 9; raises InputError."""
    shapes = ((COUNTS[split], 28, 28), (COUNTS[split],))
    arrays = []
    for file, shape in zip(FILES[split], shapes, strict=True):
        checksums = published.sha256.get(file, ""), published.gz_sha256.get(file, "")
        asset = Asset(f"{file}.gz", published.mirrors, *checksums, largest=_file_bytes(shape))
        arrays.append(store.read(published.name, asset, partial(parse_idx, wanted=shape)))
    x, y = arrays
    return in_memory(f"{published.name} {split}", x[..., None], y, published.classes)


def unpacked(data: bytes) -> np.ndarray:
    """A plain or gzipped IDX file -> uint8 array; no more is unpacked than its header promises.

    Raises DamagedError.
    """
    if not data.startswith(GZIP):
        return parse_idx(data)
    head = b""
    with suppress(zlib.error):
        head = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(data[: 1 << 16], 4 + 4 * RANKS)
    if not head:  # damaged at its very beginning, or empty: `gunzipped` says which
        return parse_idx(gunzipped(data, FREE))
    promised = _file_bytes(_shape_in_header(head))
    check_unpacked(len(data), promised)
    return parse_idx(gunzipped(data, promised))


def _file_bytes(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape) + math.prod(shape)


def parse_idx(content: bytes, wanted: tuple[int, ...] | None = None) -> np.ndarray:
    """An IDX file of unsigned bytes -> uint8 array. Format: http://yann.lecun.com/exdb/mnist/.

    Two zero bytes, a type code, the number of dimensions, each dimension as a big-endian 32-bit number, the values.
    Raises DamagedError when the magic number is another, the length is not what the header says, or the shape is not
    the `wanted` one.
    """
    shape = _shape_in_header(content)
    values, found = math.prod(shape), len(content) - (4 + 4 * len(shape))
    if found != values:
        what = "truncated" if found < values else "too long"
        sides = " x ".join(map(str, shape))
        raise DamagedError(f"{what}: its header promises {sides} = {values} bytes, {found} follow")
    if not values:
        raise DamagedError("its header promises no values at all")
    if wanted is not None and shape != wanted:
        raise DamagedError(f"holds an array of shape {shape}, where {wanted} is wanted: another data set?")
    return np.frombuffer(content, np.uint8, offset=len(content) - found).reshape(shape)


def _shape_in_header(content: bytes) -> tuple[int, ...]:
    """The shape that the header of an IDX file promises; raises DamagedError."""
    if len(content) < 4 or content[:2] != MAGIC or content[2] != UBYTE or not content[3]:
        raise DamagedError(f"not an IDX file of bytes: begins with {content[:4].hex(' ')}, not 00 00 08 and a rank")
    rank = content[3]
    if rank > RANKS:
        raise DamagedError(f"its IDX header says {rank} dimensions, where images have 3 or {RANKS}")
    header = 4 + 4 * rank
    if len(content) < header:
        raise DamagedError(f"truncated: {len(content)} bytes do not hold the IDX header of {header}")
    return tuple(int(side) for side in np.frombuffer(content, ">u4", rank, offset=4))
