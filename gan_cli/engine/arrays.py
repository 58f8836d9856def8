"""The arrays of a checkpoint, read back: Orbax's files, held against what is wanted before anything is unpacked.

STATE/LEAF/.zarray  Zarr 2: shape, type, compression
STATE/LEAF/0.0      all of the array, one chunk, packed by zstd

Orbax and TensorStore believe what `.zarray` says, whatever memory that takes, and follow every file's name anew. Here
each file is read once, by its checksum, and TensorStore unpacks it in memory, never to more than the array has.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from gan_cli import door
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import read_whole

SPEC = ".zarray"
LONGEST_SPEC = 1 << 14  # bytes
LEVEL = 1  # of packing; any can be unpacked


def names(files: Iterable[str], folder: str) -> set[str]:
    """The leaves whose arrays are among the files of a checkpoint, `folder` being that of its arrays."""
    parts = (file.split("/") for file in files)
    return {part[1] for part in parts if len(part) == 3 and part[0] == folder and part[2] == SPEC}


def files(name: str, x: Any, folder: str) -> tuple[str, str]:
    """Where the array of a leaf is: what describes it, and what holds it. `x`: has its shape."""
    return f"{folder}/{name}/{SPEC}", f"{folder}/{name}/{'.'.join('0' * len(x.shape)) or '0'}"


def read_array(checkpoint: Path, name: str, x: Any, folder: str, sums: Mapping[str, str]) -> np.ndarray:
    """The array of a leaf, of the shape and type of `x`, from a checkpoint with these checksums.

    Raises InputError where it has another shape or type, and DamagedError where it is not what was written.
    """
    spec, chunk = files(name, x, folder)
    _check(read_whole(checkpoint, spec, LONGEST_SPEC, sums), name, x, checkpoint / spec)
    packed = read_whole(checkpoint, chunk, most_packed(x), sums)
    context = tensorstore.Context()
    memory = tensorstore.KvStore.open({"driver": "memory"}, context=context).result()
    memory[SPEC], memory[chunk.rpartition("/")[2]] = json.dumps(_description(x)).encode(), packed
    try:
        opened = tensorstore.open({"driver": "zarr", "kvstore": {"driver": "memory"}}, context=context, open=True)
        array: np.ndarray = opened.result().read().result()
    except Exception as error:  # TensorStore's own
        reason = str(error).partition("\n")[0][:200]
        raise DamagedError(f"{checkpoint / chunk}: cannot be read ({type(error).__name__}: {reason})") from None
    return array


def most_packed(x: Any) -> int:
    """Bytes of an array at most when packed: zstd makes what it cannot compress a little longer."""
    size = int(np.prod(x.shape)) * np.dtype(x.dtype).itemsize
    return size + size // 128 + 1024


def _check(about: bytes, name: str, x: Any, path: Path) -> None:
    """Raise unless a description is the one that Orbax writes for an array like `x`."""
    try:
        found = door.parse_json(about)
        shape = tuple(found["shape"])
        kind = found["dtype"]
        rest = {**found, "compressor": {**found["compressor"], "level": LEVEL}}
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedError(f"{path}: is no description of an array ({type(error).__name__}: {error})") from None
    other = f"{path.parents[2]}: a checkpoint of another recipe: {name} is"
    if shape != tuple(x.shape):
        raise InputError(f"{other} {shape}, not {tuple(x.shape)}")
    wanted = _description(x)
    if kind != wanted["dtype"]:
        raise InputError(f"{other} of type {kind}, not {wanted['dtype']}")
    if rest != wanted:
        raise DamagedError(f"{path}: does not describe an array as this program writes it: in one chunk, by zstd")


def _description(x: Any) -> dict[str, Any]:
    dtype = np.dtype(x.dtype)
    return {
        "chunks": [*x.shape],
        "compressor": {"id": "zstd", "level": LEVEL},
        "dimension_separator": ".",
        "dtype": dtype.name if dtype.kind == "V" else dtype.str,  # bfloat16 is not NumPy's own
        "fill_value": None,
        "filters": None,
        "order": "C",
        "shape": [*x.shape],
        "zarr_format": 2,
    }
