"""Small files that promise much, each given to its parser: test_hostile.py runs this in a process with little memory.

Prints a line of JSON each: name, seconds of processor time, MiB more resident memory at the peak, message.
"""

import io
import json
import resource
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "faults"))
import fuzz_seeds

from gan_cli import recipe
from gan_cli.data import cifar10, idx
from gan_cli.data.folder import folder
from gan_cli.data.npz import npz
from gan_cli.data.packed import gunzipped
from gan_cli.data.store import Store
from gan_cli.errors import DamagedError, InputError
from gan_cli.features import torch_file
from gan_cli.metrics import cache

GIB = 1 << 30
MEMORY = 256 << 20  # bytes that the process may take besides what it has after its imports
HERE = Path(sys.argv[1])


def zeros(size: int, before: bytes = b"") -> bytes:
    """A raw deflate stream of some bytes and then `size` zeros, a whole number of blocks; never checked to its end."""
    block = 64 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + one * (size // block) + packer.flush(zlib.Z_FINISH)


def gzipped(size: int, before: bytes = b"") -> bytes:
    """A gzip file of them."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zeros(size, before) + bytes(8)


def idx_header(*sides: int) -> bytes:
    return bytes((0, 0, 8, len(sides))) + b"".join(side.to_bytes(4, "big") for side in sides)


def zip_file(name: str, size: int, before: bytes = b"", promised: int | None = None, packed: int | None = None) -> Path:
    """A zip whose one member unpacks to `size` bytes, and says that it has `promised`, from `packed`."""
    raw = zeros(size, before)
    info = zipfile.ZipInfo(name)
    info.compress_type, info.CRC = zipfile.ZIP_DEFLATED, 0
    info.file_size = size + len(before) if promised is None else promised
    info.compress_size = len(raw) if packed is None else packed
    path = HERE / f"{len(list(HERE.iterdir()))}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info.header_offset = 0
        archive.fp.write(info.FileHeader(zip64=True) + raw)
        archive.filelist.append(info)
        archive.NameToInfo[name] = info
        archive.start_dir, archive._didModify = archive.fp.tell(), True
    return path


def npy_header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def lying_npz(shape: tuple[int, ...], name: str = "x") -> Path:
    path = HERE / f"{len(list(HERE.iterdir()))}.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", npy_header(shape) + bytes(64))
        if name == "mu":
            archive.writestr("sigma.npy", npy_header((*shape, *shape)) + bytes(64))
    return path


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def sparse_tar() -> bytes:
    """An archive whose file of ten gigabytes has no byte in it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(10 * GIB)}
        archive.addfile(info)
    return stream.getvalue()


def ever_more_dictionaries(n: int = 30_000) -> bytes:
    """A pickle that makes a dictionary of one long list again and again: memory by the square of its length."""
    pairs = b"".join(b"]q\1(" + fuzz_seeds._text(str(i)) + b"K\0e" for i in range(n // 3))
    made = b"ccollections\nOrderedDict\nq\2(](" + pairs + b"eq\3t"
    again = b"h\2h\3\x85R" * (n // 4)
    return fuzz_seeds.zipped({"w/data.pkl": b"\x80\x02" + made + again + b"."})


def on_disk(name: str, content: bytes) -> Path:
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def sparse_file(name: str, begins: bytes) -> Path:
    """A file that says it has ten gigabytes, of which the disk holds a block."""
    path = on_disk(name, begins)
    with path.open("r+b") as file:
        file.truncate(10 * GIB)
    return path


def bombs() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each with what is done to it, made before the clock starts."""
    store = Store(None, HERE, download=False)
    ten, ten_long = gzipped(10 * GIB), gzipped(10 * GIB, idx_header(10 * 1024, 1024, 1024))
    yield "gzip of ten gigabytes", lambda: gunzipped(ten, 48 << 20)
    yield "IDX in gzip that promises as much", lambda: idx.unpacked(ten_long)
    short = gzipped(10 * GIB, idx_header(10, 28, 28))
    yield "IDX in gzip that promises little", lambda: idx.unpacked(short)
    yield "IDX that promises more than there is", lambda: idx.unpacked(idx_header(2**32 - 1, 2**32 - 1, 28) + b"x")
    whole = zip_file("x.npy", 10 * GIB, npy_header((10 * GIB // 8,)))
    yield "npz of ten gigabytes", lambda: npz(store, path=whole)
    little = zip_file("x.npy", 10 * GIB, npy_header((8,)), promised=64 + len(npy_header((8,))))
    yield "npz that says it is small", lambda: npz(store, path=little)
    liar = lying_npz((10**12,))
    yield "npz whose header promises terabytes", lambda: npz(store, path=liar)
    beyond = zip_file("x.npy", 1 << 26, npy_header((10 * GIB // 8,)), promised=10 * GIB, packed=10 * GIB)
    yield "npz that says it was hardly packed", lambda: npz(store, path=beyond)
    wide = lying_npz((10**6,), "mu")
    yield "statistics of a million features", lambda: cache.load_statistics(wide)
    images = zip_file("1.png", 10 * GIB, png(8, 8))
    yield "zip with an image of ten gigabytes", lambda: folder(store, path=images)
    for size in (9_000, 12_000, 60_000):  # in the order of: ours, Pillow warns, Pillow refuses
        path = on_disk(f"{size}/1.png", png(size, size)).parent
        yield f"PNG that promises {size} x {size}", partial(folder, store, path=path)
    sparse_file("images/1.png", png(8, 8))
    yield "folder with a sparse file of ten gigabytes", lambda: folder(store, path=HERE / "images")
    tar = sparse_tar()
    yield "tar with a sparse file of ten gigabytes", lambda: cifar10.records_of_archive(tar, cifar10.SPLITS["test"])
    yield "tar in gzip in gzip", lambda: cifar10.records_of_archive(ten, cifar10.SPLITS["test"])
    pickles = ever_more_dictionaries()
    yield "pickle that makes dictionaries of dictionaries", lambda: torch_file.parse_tensors(pickles, Path("w"))
    weights = sparse_file("w.pth", b"PK\3\4")
    yield "file of weights of ten gigabytes", lambda: torch_file.contents(weights)
    dots = on_disk("dots.toml", ".".join("a" * 60_000).encode() + b" = 1")
    yield "recipe with a key of 60,000 names", lambda: recipe.read_tables(dots)
    deep = on_disk("deep.toml", b"x = " + b"[" * 60_000)
    yield "recipe of 60,000 lists in one another", lambda: recipe.read_tables(deep)
    long = sparse_file("long.toml", b"# ")
    yield "recipe of ten gigabytes", lambda: recipe.read_tables(long)


def main() -> None:
    cases = list(bombs())
    taken = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (taken + MEMORY, hard))
    for name, run in cases:
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            run()
            message = ""
        except (InputError, DamagedError) as error:
            message = str(error)
        seconds = time.process_time() - began
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps([name, seconds, more, message]), flush=True)


if __name__ == "__main__":
    main()
