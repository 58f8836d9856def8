"""Sums over examples from which ranges, means, copies and blank images are told; each takes a few bytes of memory."""

import hashlib
from typing import NamedTuple

import numpy as np

DIGEST = 16  # bytes by which an example is known: 2^64 of them before two differ and are taken for copies


class Moments(NamedTuple):
    """The range, mean and deviation of each channel of images, or each coordinate of vectors."""

    low: list[float]
    high: list[float]
    mean: list[float]
    std: list[float]  # population


class Sums:
    """Sums over examples with the same number of channels, which come some at a time."""

    _low: np.ndarray | None = None  # of none so far
    _count = 0

    def add(self, x: np.ndarray) -> None:
        """Add images uint8 [n, H, W, C], vectors float32 [n, D] or others whose last axis is that of channels."""
        flat = x.reshape(-1, x.shape[-1]).astype(np.float64)  # of uint8 every sum is exact
        low, high, total, squares = flat.min(0), flat.max(0), flat.sum(0), (flat**2).sum(0)
        if self._low is None:
            self._low, self._high, self._total, self._squares = low, high, total, squares
        else:
            self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
            self._total, self._squares = self._total + total, self._squares + squares
        self._count += len(flat)

    def moments(self) -> Moments | None:
        """The moments of all examples so far; None where there are none."""
        if self._low is None:
            return None
        mean = self._total / self._count
        std = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        return Moments(*(numbers.tolist() for numbers in (self._low, self._high, mean, std)))


def digests(x: np.ndarray) -> np.ndarray:
    """A BLAKE2b digest of each example x [n, ...], its shape included: [n] of DIGEST bytes."""
    shape = repr(x.shape[1:]).encode()
    found = [hashlib.blake2b(shape + np.ascontiguousarray(one).data, digest_size=DIGEST).digest() for one in x]
    return np.array(found, dtype=f"V{DIGEST}")


def constant(x: np.ndarray) -> np.ndarray:
    """Which of the images uint8 [n, H, W, C], or videos or volumes alike, are of one colour all over: bool [n]."""
    pixels = x.reshape(len(x), -1, x.shape[-1])
    return (pixels == pixels[:, :1]).all(axis=(1, 2))


def copies(found: np.ndarray, indices: np.ndarray) -> list[list[int]]:
    """Groups of examples with the same digest, ascending, the group with the first example first.

    found: digests [n] in any order; indices: int [n], the examples that they are of.
    """
    _, which, counts = np.unique(found, return_inverse=True, return_counts=True)
    groups: dict[int, list[int]] = {}
    for place in np.flatnonzero(counts[which] > 1):
        groups.setdefault(int(which[place]), []).append(int(indices[place]))
    return sorted(map(sorted, groups.values()))
