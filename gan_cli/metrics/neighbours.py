"""Nearest neighbours among feature vectors, and the balls that reach to them: exact, in blocks of bounded memory.

Squared distances come from a matrix product first, |x|² + |y|² - 2xy in float64 about the mean, which is fast and loses
digits between near-copies. Every pair that this rounding leaves undecided is then computed again as |x - y|². So a copy
is found at distance 0, a point on a ball's surface is known to be on it, and the results do not depend on the blocks.
None of this holds for scikit-learn's neighbours (a copy's distance is about 1e-6), which are no faster.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

BLOCK_BYTES = 1 << 26  # of vectors as float64, and of the squared distances between two blocks of them
MOST_ROWS = 8192  # most vectors in a block


class Vectors(NamedTuple):
    """Feature vectors, with equal ones handled once: a collapsed generator makes thousands of copies."""

    values: np.ndarray  # [N, D]
    first: np.ndarray  # int64 [U]: where each distinct vector is first; their order does not depend on their places
    counts: np.ndarray  # int64 [U]: how often it is there
    which: np.ndarray  # int64 [N]: the distinct vector that each one is

    def rows(self, part: slice) -> np.ndarray:
        """The distinct vectors of a part of [U]: [n, D], as they were given."""
        return self.values[self.first[part]]


def distinct(values: np.ndarray) -> Vectors:
    """Find the equal ones among vectors [N, D]; 0 and -0 are equal."""
    # hashed, because sorting rows of thousands of numbers would copy all of them
    digests = np.array([blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in values])
    _, first, which, counts = np.unique(digests, return_index=True, return_inverse=True, return_counts=True)
    return Vectors(values, first, counts, which)


class Nearest(NamedTuple):
    """The k nearest of the vectors seen so far for each of Q queries, nearest first, equals by number."""

    squares: np.ndarray  # float64 [Q, k]: squared distances; infinite where fewer than k have been seen
    numbers: np.ndarray  # int64 [Q, k]: which they are

    def add(self, queries: np.ndarray, known: np.ndarray, numbers: np.ndarray) -> "Nearest":
        """The same after further vectors known [N, D] with these numbers [N]; queries [Q, D] are the same each time."""
        k = self.squares.shape[1]
        parts = []
        for block, squares, slack in _pairs(queries, known):
            limit = self.squares[block, -1:]  # [B, 1]: none that is further away can be among the k
            if k == 1:
                limit = np.minimum(limit, squares.min(axis=1, keepdims=True) + slack)  # ten times faster than below
            elif k <= len(known):
                limit = np.minimum(limit, np.partition(squares, k - 1, axis=1)[:, k - 1 : k] + slack)
            i, j = _places(squares <= limit + slack)
            # the k least of what was there, [B, k], and of what is new
            b = len(squares)
            rows = np.concatenate([np.repeat(np.arange(b), k), i])
            all_squares = np.concatenate([self.squares[block].ravel(), exact_squares(queries[block], known, i, j)])
            all_numbers = np.concatenate([self.numbers[block].ravel(), numbers[j]])
            order = np.lexsort((all_numbers, all_squares, rows))
            begins = np.searchsorted(rows[order], np.arange(b))
            chosen = order[begins[:, None] + np.arange(k)]
            parts.append((all_squares[chosen], all_numbers[chosen]))
        return Nearest(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def none_yet(queries: int, k: int) -> Nearest:
    """The state of a search for the k nearest of a number of queries before any vectors have been seen."""
    return Nearest(np.full((queries, k), np.inf), np.full((queries, k), -1))


def nearest(queries: Vectors, known: Vectors, k: int) -> Nearest:
    """The k nearest distinct vectors of `known`, numbered by their place in `known.first`, of each distinct query."""
    wanted = queries.rows(slice(None))
    found = none_yet(len(wanted), k)
    for part in _chunks(known):
        found = found.add(wanted, known.rows(part), np.arange(part.start, part.stop))
    return found


def radii(vectors: Vectors, k: int) -> np.ndarray:
    """Squared distance from each distinct vector to its k-th nearest other one of all N > k, copies included: [U]."""
    found = nearest(vectors, vectors, min(k + 1, len(vectors.first)))
    others = vectors.counts[found.numbers].cumsum(axis=1) - 1  # within each distance, apart from itself
    return np.take_along_axis(found.squares, (others >= k).argmax(axis=1)[:, None], axis=1)[:, 0]


class Held(NamedTuple):
    """Which points lie in which balls, counted both ways."""

    balls: np.ndarray  # int64 [points]: number of balls that hold each point
    points: np.ndarray  # int64 [centres]: number of points in the ball around each centre


def held(centres: Vectors, squared_radii: np.ndarray, points: Vectors, *, closed: bool) -> Held:
    """Count points in balls around centres; copies of either count, too.

    squared_radii [U]: one for each distinct centre, see `radii`. closed: whether the surface belongs to a ball.
    """
    x = points.rows(slice(None))
    balls, inside_of = np.zeros(len(x)), np.zeros(len(centres.first))
    for part in _chunks(centres):
        y, limits = centres.rows(part), squared_radii[part]
        for rows, squares, slack in _pairs(x, y):
            inside = (squares < limits).astype(np.float64)
            i, j = _places(np.abs(squares - limits) <= slack)
            found = exact_squares(x[rows], y, i, j)
            inside[i, j] = found <= limits[j] if closed else found < limits[j]
            balls[rows] += inside @ centres.counts[part]
            inside_of[part] += points.counts[rows] @ inside
    return Held(balls.astype(np.int64)[points.which], inside_of.astype(np.int64)[centres.which])


def exact_squares(x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """|x_i - y_j|² of pairs of rows i [P] and j [P]: float64 [P], each of which depends on its own two vectors only."""
    step = max(1, BLOCK_BYTES // (8 * x.shape[1]))
    squares = np.empty(len(i))
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        squares[part] = np.square(x[i[part]].astype(np.float64) - y[j[part]]).sum(axis=1)
    return squares


def _pairs(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """For each block of x [Q, D]: its rows, |x - y|² [B, N] to all y, and a bound [B, 1] of its error.

    The bound is of the difference from `exact_squares`.
    """
    middle = y.mean(axis=0, dtype=np.float64)
    right = np.empty((len(y), y.shape[1] + 2))  # y, |y|², 1: so that the product with -2x, 1, |x|² is the whole sum
    centred = np.subtract(y, middle, out=right[:, :-2])
    right[:, -2], right[:, -1] = np.einsum("nd,nd->n", centred, centred), 1
    longest = right[:, -2].max()
    step = max(1, BLOCK_BYTES // (8 * len(y)))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        block = x[rows] - middle
        own = np.einsum("bd,bd->b", block, block)[:, None]
        squares = np.concatenate([-2 * block, np.ones_like(own), own], axis=1) @ right.T
        # D + 2 products and sums of terms that come to 2 (|x|² + |y|²) at most, D each in the lengths and in the exact
        # square; 20 for the subtraction of the middle, and more than enough for the rest
        yield rows, squares, (3 * x.shape[1] + 20) * np.finfo(np.float64).eps * (own + longest)


def _places(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns where a matrix is true: `np.nonzero`, several times faster where few are."""
    i, j = np.divmod(np.flatnonzero(where), where.shape[1])
    return i, j


def _chunks(vectors: Vectors) -> Iterator[slice]:
    """Parts of the distinct vectors whose float64 copies are of bounded size."""
    size = len(vectors.first)
    step = max(1, min(MOST_ROWS, BLOCK_BYTES // (8 * vectors.values.shape[1])))
    return (slice(start, min(start + step, size)) for start in range(0, size, step))
