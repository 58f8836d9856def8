"""Statistics of real images, kept in the user's cache under a hash of everything that decides them."""

import contextlib
import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gan_cli.features import Features
from gan_cli.files import atomic
from gan_cli.metrics.frechet import Statistics
from gan_cli.metrics.metric import Sample

UNREADABLE = (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error)


def key(features: Features, fingerprint: str, **decisive: int | str | None) -> str:
    """Hash of all that decides the statistics.

    fingerprint: of the source's content (`Source.fingerprint`); decisive: whatever else chooses images, such as n,
    split and seed.
    """
    parts = {"features": features.hash, "protocol": features.protocol, "source": fingerprint, **decisive}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cached(cache_dir: Path | None, name: str, measure: Callable[[], Sample]) -> Sample:
    """The statistics kept under `name` (see `key`) in `cache_dir`, or those of `measure()`, which are then kept.

    A file that is missing, truncated or otherwise unreadable is measured anew. A cache that cannot be written costs
    time and nothing else. None: no cache. Only statistics are kept: the outputs of a sample are not.
    """
    if cache_dir is None:
        return measure()
    path = cache_dir / "statistics" / f"{name}.npz"
    found = load(path)
    if found is not None:
        return Sample(found)
    sample = measure()
    with contextlib.suppress(OSError):
        save(path, sample.statistics)
    return sample


def save(path: Path, statistics: Statistics) -> None:
    """Write `mu`, `sigma` (the layout of pytorch-fid and others) and `n` to an npz file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, mu=statistics.mean, sigma=statistics.covariance, n=statistics.n)


def load(path: Path) -> Statistics | None:
    """The statistics in a file written by `save`; None when there is no file, or not a sound one."""
    try:
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            mean, covariance, n = file["mu"], file["sigma"], int(file["n"])
    except UNREADABLE:
        return None
    sound = mean.ndim == 1 and covariance.shape == mean.shape * 2 and np.isfinite(covariance).all()
    return Statistics(mean, covariance, n) if sound else None
