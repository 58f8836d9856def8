"""PyTorch's files of weights, read without PyTorch and without unpickling: both layouts that `torch.save` has had.

Before PyTorch 1.6: five pickles (a magic number, a version, the machine's sizes, the object, the storages' keys), then
each storage as its number of elements, 8 bytes, and its elements. Since: a zip archive, stored and not compressed, with
`data.pkl`, the object, and `data/KEY`, a storage each.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.data import packed
from gan_cli.errors import DamagedError, InputError
from gan_cli.features.torch_pickle import Tensor, load_pickle
from gan_cli.types import Shape

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
NAME = 500  # letters that are kept of a tensor's name
LARGEST = 2**31  # bytes of a file: feature networks have about a hundred million
ZIP = b"PK\x03\x04"

Named = list[tuple[str, Tensor]]  # tensors and their names
Numbers = Mapping[str, np.ndarray]  # storages by their keys


def contents(path: Path) -> bytes:
    """All bytes of a file; InputError when it cannot be read or is too large for weights."""
    try:
        return packed.contents(path, LARGEST)
    except DamagedError as error:
        raise InputError(f"{path}: {error}: too many for a file of weights") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def parse_tensors(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """The tensors in the bytes of a file by name: float16, 32 or 64, or int64, read-only, in their own shapes.

    path: what messages call the file. Raises InputError, which says what is wrong with it: no such file of weights,
    truncated, a pickle that asks for anything but tensors in dictionaries, a tensor that reaches beyond its storage.
    """
    try:
        tensors, numbers = _from_zip(data) if data.startswith(ZIP) else _from_pickles(data)
        return {name: _cut(name, tensor, numbers) for name, tensor in tensors}
    except DamagedError as error:
        raise InputError(f"{path}: {error}") from None


def chosen(
    found: Mapping[str, np.ndarray], shapes: Mapping[str, Shape], network: str, where: str
) -> dict[str, np.ndarray]:
    """The weights of these names, float32; what else a file holds does not matter.

    network: whose weights they are, in words; where: what messages call the file. Raises InputError for one that is
    missing, of another shape or not finite.
    """
    weights = {}
    for name, shape in shapes.items():
        if name not in found:
            raise InputError(f"{where}: these are not the weights of {network}: {name} is missing")
        if found[name].shape != shape:
            raise InputError(
                f"{where}: these are not the weights of {network}: {name} has the shape {found[name].shape} and "
                f"should have {shape}"
            )
        weights[name] = found[name].astype(np.float32)
        if not np.isfinite(weights[name]).all():
            raise InputError(f"{where}: {name} holds NaN or infinity")
    return weights


def _named(tree: Any) -> Named:
    """The tensors of a pickle's value by name; DamagedError unless it is a dictionary of tensors."""
    if type(tree) is not dict:
        raise DamagedError(f"it holds a {type(tree).__name__.lower()}, not a dictionary of tensors")
    for name, value in tree.items():
        if not isinstance(value, Tensor):
            raise DamagedError(f"{str(name)[:200]!r} in it is a {type(value).__name__.lower()}, not a tensor")
    return [(str(name)[:NAME], value) for name, value in tree.items()]


def _cut(name: str, tensor: Tensor, numbers: Numbers) -> np.ndarray:
    """A tensor as a view of its storage, so that no file can make it larger than the file."""
    storage, offset, shape, strides = tensor
    if storage.key not in numbers:
        raise DamagedError(f"tensor {name!r} refers to storage {storage.key!r}, which is not there")
    data = numbers[storage.key]
    if data.dtype != storage.dtype or len(data) != storage.size:
        raise DamagedError(f"tensor {name!r} takes storage {storage.key!r} for another one than it is")
    if len(shape) != len(strides) or len(shape) > 8:
        raise DamagedError(f"tensor {name!r} has {len(shape)} dimensions and {len(strides)} strides")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    count = int(np.prod(shape, dtype=object))
    if count > len(data) or (count and last >= len(data)):
        raise DamagedError(f"tensor {name!r} of shape {shape} reaches beyond its storage of {len(data)} numbers")
    if max(*shape, *strides, offset, 0) >= 2**40:  # of no consequence where a dimension has one value, or another none
        raise DamagedError(f"tensor {name!r} has a size or a stride beyond any memory")
    if not count:
        return np.zeros(shape, data.dtype)
    steps = [stride * data.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(data[offset:], shape, steps, writeable=False)


def _from_pickles(data: bytes) -> tuple[Named, Numbers]:
    """The layout before PyTorch 1.6, always little-endian."""
    stream = io.BytesIO(data)
    try:
        magic = load_pickle(stream)
    except DamagedError:
        magic = None
    if magic != MAGIC:
        raise DamagedError("not a file of weights as PyTorch writes them: it begins otherwise")
    version = load_pickle(stream)
    if version != VERSION:
        raise DamagedError(f"its layout has version {version!r}; {VERSION} is the one known")
    load_pickle(stream)  # the machine's sizes of integers: of no consequence
    tree, keys = load_pickle(stream), load_pickle(stream)
    tensors = _named(tree)
    storages = {tensor.storage.key: tensor.storage for _, tensor in tensors}
    if type(keys) is not list or any(type(key) is not str or key not in storages for key in keys):
        raise DamagedError("its storages are not those that its tensors refer to")
    numbers, at = {}, stream.tell()
    for key in keys:
        size, dtype = storages[key].size, storages[key].dtype
        count, at = int.from_bytes(data[at : at + 8], "little", signed=True), at + 8
        if at > len(data) or count != size:
            found = f"{count} numbers" if at <= len(data) else "the end of the file"
            raise DamagedError(f"truncated or damaged: {size} numbers expected at byte {at}, found {found}")
        if at + count * dtype.itemsize > len(data):
            raise DamagedError(f"truncated: {count} numbers of {dtype} should begin at byte {at} of {len(data)}")
        numbers[key] = np.frombuffer(data, dtype, count, at)
        at += numbers[key].nbytes
    if at != len(data):
        raise DamagedError(f"{len(data) - at} bytes follow after its last storage")
    return tensors, numbers


def _from_zip(data: bytes) -> tuple[Named, Numbers]:
    """The layout since PyTorch 1.6. All names begin with one folder, which may be called anything."""
    try:
        with packed.open_zip(io.BytesIO(data)) as archive:
            return _from_archive(archive, len(data))
    except DamagedError:
        raise
    except Exception as error:  # whatever a damaged archive makes zipfile raise
        raise DamagedError(f"truncated or damaged zip archive: {error}") from None


def _from_archive(archive: zipfile.ZipFile, size: int) -> tuple[Named, Numbers]:
    """The tensors of a zip archive that is `size` bytes long; refuses what unpacks to more than that."""
    infos = archive.infolist()
    members = {info.filename.partition("/")[2]: info for info in infos}
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise DamagedError("its zip archive is compressed, which PyTorch never does")
    if sum(info.file_size for info in infos) > size:
        raise DamagedError("its zip archive unpacks to more than the file is long")
    if "data.pkl" not in members:
        raise DamagedError("a zip archive without data.pkl: not a file of weights as torch.save writes them")
    order = archive.read(members["byteorder"]) if "byteorder" in members else b"little"
    tensors = _named(load_pickle(io.BytesIO(archive.read(members["data.pkl"]))))
    numbers = {}
    for key, storage in {tensor.storage.key: tensor.storage for _, tensor in tensors}.items():
        if f"data/{key}" not in members:
            raise DamagedError(f"its zip archive lacks data/{key}, a storage that its tensors refer to")
        data = archive.read(members[f"data/{key}"])
        if len(data) != storage.size * storage.dtype.itemsize:
            raise DamagedError(f"data/{key} has {len(data)} bytes instead of {storage.size} numbers {storage.dtype}")
        written = storage.dtype.newbyteorder(">" if order == b"big" else "<")
        numbers[key] = np.frombuffer(data, written).astype(storage.dtype, copy=False)
    return tensors, numbers
