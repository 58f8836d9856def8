"""What can happen to a file on a disk."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path


def truncate(path: Path, rng: random.Random) -> None:
    """Cut it at a random byte."""
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def empty(path: Path, _: random.Random) -> None:
    """Leave its name alone."""
    path.write_bytes(b"")


def flip(path: Path, rng: random.Random) -> None:
    """Turn one bit at a random place."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def remove(path: Path, _: random.Random) -> None:
    """Take it away."""
    path.unlink()


def half_line(path: Path, _: random.Random) -> None:
    """A last line that was cut short."""
    with path.open("ab") as file:
        file.write(b'{"step": 12345, "generator/lo')


def junk(path: Path, rng: random.Random) -> None:
    """A block of random bytes at the end, as a crash of the machine leaves it."""
    with path.open("ab") as file:
        file.write(rng.randbytes(4096))


def zeros(path: Path, _: random.Random) -> None:
    """A block of zeros at the end, as some file systems leave it after a crash."""
    with path.open("ab") as file:
        file.write(bytes(4096))


def junk_within(path: Path, rng: random.Random) -> None:
    """Random bytes over the middle."""
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at : at + 64] = rng.randbytes(len(data[at : at + 64]))
    path.write_bytes(bytes(data))


Damage = Callable[[Path, random.Random], None]
FILE: Mapping[str, Damage] = {"truncated": truncate, "emptied": empty, "a bit flipped": flip, "removed": remove}
END: Mapping[str, Damage] = {"half a line": half_line, "random bytes": junk, "zeros": zeros}
ANY: Mapping[str, Damage] = {**FILE, **END, "random bytes within": junk_within}
