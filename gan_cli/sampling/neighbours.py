"""`gan sample --neighbours`: whether samples are training images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_cli.data.order import order
from gan_cli.data.source import Source
from gan_cli.errors import InputError
from gan_cli.metrics.neighbours import none_yet
from gan_cli.pictures.labelled import Block, Sheet
from gan_cli.types import Shape

CHUNK_BYTES = 1 << 26  # of training images that are compared at once, as float32


class NearestImages(NamedTuple):
    """The nearest training images of samples, and for scale those of training images themselves."""

    indices: np.ndarray  # int64 [n, K]: in the training data
    distances: np.ndarray  # float32 [n, K]: Euclidean, of pixels in [0, 1]
    of_training: np.ndarray  # float32 [m]: of training images to the nearest other one


def check_source(source: Source, shape: Shape, k: int) -> None:
    """Raise InputError unless these data are images like the samples, and enough."""
    if source.spec.shape != shape:
        raise InputError(f"{source.name}: its images are {source.spec.shape}, and the samples {shape}")
    if source.size <= k:
        raise InputError(
            f"--neighbours {k}: {source.name} has {source.size} images; at most {source.size - 1} would do"
        )


def search(source: Source, samples: np.ndarray, k: int) -> NearestImages:
    """The k nearest training images, or videos, of each sample uint8 [n, ...], in one pass over the data.

    As many training images as there are samples, a fixed random choice, are looked up beside them, each apart from
    itself. Memory does not grow with the data.
    """
    n = len(samples)
    own = order(0, source.size, 0)[:n]  # [m]
    queries = np.concatenate([samples, source.load(own)["x"]])
    distances, indices = nearest(source, queries, k + 1)
    others = indices[n:] != own[:, None]  # [m, k + 1]; a copy of it elsewhere in the data is another one
    first = others.argmax(axis=1)
    return NearestImages(indices[:n, :k], distances[:n, :k], distances[n:][np.arange(len(own)), first])


def nearest(source: Source, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances float32 and indices int64 [q, k] of the k nearest images of the source to each of q; nearest first."""
    rows = max(1, CHUNK_BYTES // (4 * int(np.prod(queries.shape[1:]))))
    found, wanted = none_yet(len(queries), k), _flat(queries)
    for start in range(0, source.size, rows):
        chunk = np.arange(start, min(start + rows, source.size))
        found = found.add(wanted, _flat(source.load(chunk)["x"]), chunk)
    return np.sqrt(found.squares).astype(np.float32), found.numbers


def _flat(images: np.ndarray) -> np.ndarray:
    """Images uint8 [n, H, W, C], or videos or volumes alike, as float32 [n, H W C] in [0, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def sheet(distances: np.ndarray, names: Sequence[str]) -> Sheet:
    """A row for each sample: itself, then its neighbours with their distances [n, K].

    Cells number the samples, then the neighbours, row by row.
    """
    n, k = distances.shape
    cells = np.concatenate([np.arange(n)[:, None], n + np.arange(n * k).reshape(n, k)], axis=1)
    captions = [["", *(f"{distance:.3g}" for distance in row)] for row in distances]
    return (Block(cells, names, ["sample", "nearest", *[f"{i}." for i in range(2, k + 1)]], captions),)


def summary(found: NearestImages) -> str:
    """How near the samples are to training images, beside how near those are to each other."""
    near, scale = found.distances[:, 0].mean(), found.of_training.mean()
    return (
        f"mean distance of samples to the nearest training image {near:.4g}; "
        f"of {len(found.of_training)} training images to the nearest other one {scale:.4g}"
    )
