"""Statistics of images in files: in the user's cache, named by a hash of all that decides them, or at a given path."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli.data import arrays
from gan_cli.errors import DamagedError, InputError, StorageError
from gan_cli.features import Features
from gan_cli.files import atomic
from gan_cli.metrics.frechet import Statistics
from gan_cli.metrics.metric import Sample
from gan_cli.metrics.protocol import in_words

DIM = 1 << 14  # most features: their covariance takes 2 GiB, and its eigenvalues minutes
LARGEST = DIM * DIM * 8 + (1 << 16)  # bytes of one array and its header
UNREADABLE = (OSError, KeyError, ValueError, TypeError, OverflowError, DamagedError)
TEXT = 1000  # most letters of each text that says what statistics were made with
MADE_BY = ("features", "features_hash", "protocol")  # arrays of one string each, beside mu, sigma and n


class Stored(NamedTuple):
    """Statistics in a file, and what they were made with: "" where another program wrote the file and did not say."""

    statistics: Statistics  # n is 0 where the file does not say how many images there were
    features: str = ""
    features_hash: str = ""
    protocol: str = ""


def key(features: Features, fingerprint: str, **decisive: int | str | None) -> str:
    """SHA-256, hexadecimal, of all that decides the statistics of images: their name in the cache.

    fingerprint: hash of the source's content (`Source.fingerprint`). decisive: whatever else chooses images, such as n,
    split and seed.
    """
    parts = {"features": features.hash, "protocol": features.protocol, "source": fingerprint, **decisive}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cached(
    cache_dir: Path | None,
    name: str,
    features: Features,
    measure: Callable[[], Sample],
    note: Callable[[str], object] = lambda _: None,
) -> Sample:
    """The statistics kept under `name` (see `key`) in `cache_dir`, or those of `measure()`, which are then kept.

    Statistics in a file that is unreadable are measured again, and `note` is told why. A cache that cannot be written
    costs time and nothing else. cache_dir: None for no cache. Only statistics are kept, not the outputs of a sample.
    """
    if cache_dir is None:
        return measure()
    path = cache_dir / "statistics" / f"{name}.npz"
    if path.exists():
        try:
            found = load_statistics(path).statistics
            if found.n:
                return Sample(found)
        except InputError as error:
            note(f"{error}; measuring them again")
    sample = measure()
    with contextlib.suppress(OSError, StorageError):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_statistics(path, sample.statistics, features)
    return sample


def save_statistics(path: Path, statistics: Statistics, features: Features, fitted: str = "") -> None:
    """Write `mu`, `sigma` (the layout of pytorch-fid and others), `n` and what they were made with to an npz file.

    The file is written whole or not at all. fitted: what was done to the images beforehand, in words.
    """
    texts = (features.name, features.hash, in_words(features, fitted))
    made_by: dict[str, Any] = dict(zip(MADE_BY, texts, strict=True))
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, mu=statistics.mean, sigma=statistics.covariance, n=statistics.n, **made_by)


def load_statistics(path: Path) -> Stored:
    """The statistics in a file of `save_statistics` or of another program: `mu` [D] and `sigma` [D, D], real numbers.

    Raises InputError, which names the file, where it is missing, damaged, too large, or holds anything else or numbers
    that are not finite. No pickle is ever read. See also `check_covariance`, which takes minutes for many features.
    """
    try:
        file = arrays.load_arrays(path, ("mu", "sigma", "n", *MADE_BY), LARGEST)
        mean, covariance = file["mu"], file["sigma"]
        n = int(file["n"]) if "n" in file else 0
        made_by = [file.get(name, np.array("")) for name in MADE_BY]
        for text in made_by:
            if text.ndim or text.dtype.kind != "U":
                raise ValueError(f"an array of {text.dtype}, where one text is wanted")
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as statistics, arrays mu and sigma ({error})") from None
    if mean.size > DIM:
        raise InputError(
            f"{path}: holds statistics of {mean.size:,} features; {DIM:,} are the most that can be compared"
        )
    if mean.ndim != 1 or not mean.size or covariance.shape != mean.shape * 2 or n < 0:
        raise InputError(f"{path}: mu is {list(mean.shape)} and sigma {list(covariance.shape)}, not [D] and [D, D]")
    if mean.dtype.kind not in "fiu" or covariance.dtype.kind not in "fiu":
        raise InputError(f"{path}: cannot be read as statistics: mu or sigma are no real numbers")
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(f"{path}: holds statistics that are not finite")
    return Stored(Statistics(mean, covariance, n), *(str(text)[:TEXT] for text in made_by))


def check_covariance(statistics: Statistics, where: str) -> None:
    """Raise InputError, naming the file, unless sigma is symmetric and no variance in it is negative."""
    covariance = statistics.covariance
    scale = np.abs(covariance).max()
    if not np.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-6 * scale):
        raise InputError(f"{where}: sigma is not symmetric, so it is no covariance")
    try:
        values = np.linalg.eigvalsh(covariance)
    except np.linalg.LinAlgError as error:
        raise InputError(f"{where}: sigma has no eigenvalues that can be found ({error})") from None
    if values[0] < -1e-3 * max(values[-1], 0):
        raise InputError(f"{where}: sigma has an eigenvalue of {values[0]:.3g}, so it is no covariance")


def check_made_by(stored: Stored, features: Features, fitted: Collection[str], where: str) -> tuple[str, ...]:
    """Raise InputError unless the statistics in file `where` are of these features; a notice where that is not known.

    fitted: what may have been done to its images beforehand, in words.
    """
    dim = stored.statistics.mean.size
    if features.dim and dim != features.dim:
        made = f" of {stored.features}" if stored.features else ""
        raise InputError(f"{where}: holds statistics of {dim} features{made}; {features.name} has {features.dim}")
    if not stored.features_hash:
        return (
            f"{where} does not say what it was made with: that its features are {features.name}'s, and its images were "
            "treated alike, is taken on trust",
        )
    allowed = [in_words(features, words) for words in fitted]
    rules = " or ".join(dict.fromkeys(allowed))
    if stored.features_hash != features.hash or stored.protocol not in allowed:
        raise InputError(
            f"{where}: was made through {stored.features} {stored.features_hash[:12]} ({stored.protocol}), and this is "
            f"{features.name} {features.hash[:12]} ({rules}): make it anew, or treat the others as it was"
        )
    return ()
