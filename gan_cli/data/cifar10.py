"""CIFAR-10: https://www.cs.toronto.edu/~kriz/cifar.html, in its binary version, which needs no pickle."""

import hashlib
import io
import tarfile
from collections.abc import Iterable
from typing import Literal

import numpy as np

from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Asset, Origin, Store
from gan_cli.errors import DamagedError

FOLDER = "cifar-10-batches-bin"
ARCHIVE = Asset(
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/",),
    # As torchvision's Ruby port and others give it; the data set's page gives MD5 c32a1d4ab5d03f1284b67883e8d87530.
    published_sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    largest=256 << 20,  # six files of 30,730,000 bytes, and some text
)
# The checksums of the files in the archive, as torchvision's Ruby port gives them.
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
ORIGIN = Origin(
    "cifar10",
    (ARCHIVE, *(Asset(f"{FOLDER}/{name}", sha256=known) for name, known in SHA256.items())),
    "uoft-cs/cifar10",
)
SPLITS = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORDS = 10_000  # in a file
RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the red, the green and the blue plane, row by row


def cifar10(store: Store, *, split: Literal["train", "test"] = "train") -> Source:
    """CIFAR-10: photographs, 32x32 RGB, 10 classes; 50,000 to train, 10,000 to test.

    Reads the published archive, or the folder `cifar-10-batches-bin` that unpacking it gives; raises InputError.
    """
    files = SPLITS[split]
    unpacked = [Asset(f"{FOLDER}/{file}", sha256=SHA256[file], largest=RECORDS * RECORD) for file in files]
    if store.find_own("cifar10", unpacked[0]):
        records = np.concatenate([store.read("cifar10", asset, parse_records) for asset in unpacked])
    else:
        records = store.read("cifar10", ARCHIVE, lambda content: records_of_archive(content, files))
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    x = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))  # [N, 32, 32, 3]
    return in_memory(f"cifar10 {split}", x, records[:, 0], CLASSES)


def parse_records(content: bytes) -> np.ndarray:
    """One file of the binary version -> records uint8 [10000, 3073]; raises DamagedError."""
    if len(content) != RECORDS * RECORD:
        what = "truncated" if len(content) < RECORDS * RECORD else "too long"
        raise DamagedError(f"{what}: {RECORDS} records of {RECORD} bytes are wanted, and it has {len(content)} bytes")
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, RECORD)
    if records[:, 0].max() >= len(CLASSES):
        raise DamagedError(f"has labels up to {records[:, 0].max()}, where 9 is the last: another data set?")
    return records


def records_of_archive(content: bytes, files: Iterable[str]) -> np.ndarray:
    """The records of `files` in the unzipped archive, uint8 [n * 10000, 3073]; nothing is unpacked to disk.

    Raises DamagedError when the archive or one of its files is not what was published.
    """
    records = []
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:  # "r" would unpack what is packed again
            members = {member.name: member for member in archive.getmembers()}
            for file in files:
                found = members.get(f"{FOLDER}/{file}")
                if found is None or not found.isreg() or found.issparse():  # a sparse file or a link can be longer
                    raise DamagedError(f"has no {FOLDER}/{file} in it: the binary version of CIFAR-10 is wanted")
                if found.size > RECORDS * RECORD:
                    long = f"{found.size} bytes where {RECORDS * RECORD} are wanted"
                    raise DamagedError(f"its {file} is too long: {long}")
                stream = archive.extractfile(found)
                assert stream is not None
                unpacked = stream.read()
                records.append(parse_records(unpacked))
                if hashlib.sha256(unpacked).hexdigest() != SHA256[file]:
                    raise DamagedError(f"the SHA-256 of {file} in it should be {SHA256[file]}")
    except DamagedError:
        raise
    except Exception as error:  # tarfile raises what its parsing happens to meet, not only TarError
        raise DamagedError(f"damaged: not a sound tar archive ({error})") from None
    return np.concatenate(records)
