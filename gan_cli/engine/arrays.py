"""Reading the arrays of a checkpoint: Orbax's files are compared with what is wanted before anything is unpacked.

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
LEVEL = 1  # at which arrays are packed; any level can be unpacked


def leaf_names(files: Iterable[str], folder: str) -> set[str]:
    """The leaves whose arrays are among the files of a checkpoint, in `folder`, the one that holds its arrays."""
    parts = (file.split("/") for file in files)
    return {part[1] for part in parts if len(part) == 3 and part[0] == folder and part[2] == SPEC}


def array_files(name: str, x: Any, folder: str) -> tuple[str, str]:
    """The two files of a leaf's array: its description, and its values. `x` has the array's shape."""
    return f"{folder}/{name}/{SPEC}", f"{folder}/{name}/{'.'.join('0' * len(x.shape)) or '0'}"


def read_array(checkpoint: Path, name: str, x: Any, folder: str, sums: Mapping[str, str]) -> np.ndarray:
    """The array of a leaf, of the shape and type of `x`, from a checkpoint with these checksums.

    Raises InputError where it has another shape or type, and DamagedError where it is not what was written.
    """
    spec, chunk = array_files(name, x, folder)
    dtype = np.dtype(x.dtype)
    description = {  # what Orbax writes about such an array
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
    _check_description(read_whole(checkpoint, spec, LONGEST_SPEC, sums), description, name, x, checkpoint / spec)
    size = int(np.prod(x.shape)) * dtype.itemsize
    most = size + size // 128 + 1024  # zstd makes what it cannot compress a little longer
    packed = read_whole(checkpoint, chunk, most, sums)
    context = tensorstore.Context()
    memory = tensorstore.KvStore.open({"driver": "memory"}, context=context).result()
    memory[SPEC], memory[chunk.rpartition("/")[2]] = json.dumps(description).encode(), packed
    try:
        opened = tensorstore.open({"driver": "zarr", "kvstore": {"driver": "memory"}}, context=context, open=True)
        array: np.ndarray = opened.result().read().result()
    except Exception as error:  # TensorStore's own
        reason = str(error).partition("\n")[0][:200]
        raise DamagedError(f"{checkpoint / chunk}: cannot be read ({type(error).__name__}: {reason})") from None
    return array


def _check_description(about: bytes, wanted: Mapping[str, Any], name: str, x: Any, path: Path) -> None:
    """Raise unless a description is the one that Orbax writes for an array like `x`, but for the level of packing."""
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
    if kind != wanted["dtype"]:
        raise InputError(f"{other} of type {kind}, not {wanted['dtype']}")
    if rest != wanted:
        raise DamagedError(f"{path}: does not describe an array as this program writes it: in one chunk, by zstd")
