"""The published weights of Inception-v3, imported from the file that PyTorch's users have into one of ours."""

import functools
import hashlib
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from gan_cli.data import arrays
from gan_cli.data.store import user_cache
from gan_cli.errors import DamagedError, InputError
from gan_cli.features.inception_blocks import shapes
from gan_cli.features.inception_net import Weights, fold
from gan_cli.features.torch_file import chosen, contents, parse_tensors
from gan_cli.files import atomic, make_folder

NETWORK = "FID's Inception-v3"
PUBLISHED = "6726825d"  # the first digits of the SHA-256 of the published file, which are in its name
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-{PUBLISHED}.pth"
MEND = f"download {URL} and say: gan features import FILE"
LARGEST = 64 << 20  # bytes of one array: the largest takes 8 million
HASH = "sha256"  # the entry of our file that holds the SHA-256 of the original, as text


class Imported(NamedTuple):
    """Weights that are in the user's cache."""

    path: Path
    sha256: str  # of the file that they came from, hexadecimal

    @property
    def published(self) -> bool:
        """Whether they came from the published file."""
        return self.sha256.startswith(PUBLISHED)


def location() -> Path:
    """Path of our file in the user's cache, whether or not it is there."""
    return user_cache() / "features" / "inception.npz"


def import_file(source: Path) -> Imported:
    """Check a file of PyTorch's and write the weights that the network needs, without pickle, to `location()`.

    Raises InputError when the file cannot be read, lacks a weight, or has one of another shape or that is not finite.
    """
    data = contents(source)
    weights = chosen(parse_tensors(data, source), shapes(), NETWORK, str(source))
    imported = Imported(location(), hashlib.sha256(data).hexdigest())
    make_folder(imported.path.parent, "set GAN_CACHE_DIR to a folder")
    with atomic(imported.path) as part, part.open("wb") as file:
        np.savez(file, **cast("dict[str, Any]", weights | {HASH: np.array(imported.sha256)}))
    return imported


def find_weights() -> Imported | None:
    """The weights in the user's cache, or None where there are none; InputError for a damaged file."""
    path = location()
    return Imported(path, str(_read_weights(path, [HASH])[HASH])) if path.is_file() else None


def load_weights() -> tuple[Weights, Imported]:
    """The network's weights, ready to be computed with: the same object each time, until another file is imported.

    Raises InputError, which says what to do, when they are missing or damaged.
    """
    imported = find_weights()
    if imported is None:
        raise InputError(f"the weights of Inception-v3 are not here ({location()}): {MEND}")
    return _folded(imported, imported.path.stat().st_mtime_ns), imported


@functools.lru_cache(maxsize=1)
def _folded(imported: Imported, _: int) -> Weights:
    return fold(chosen(_read_weights(imported.path, list(shapes())), shapes(), NETWORK, str(imported.path)))


def _read_weights(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    try:
        found = arrays.load_arrays(path, names, LARGEST)
        return {name: found[name] for name in names}
    except (OSError, KeyError, DamagedError) as error:
        raise InputError(f"{path}: damaged ({error}): import it again with gan features import FILE") from None
