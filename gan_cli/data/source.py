"""A source of examples: what every data set looks like to the rest of the program."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_cli.errors import InputError
from gan_cli.types import Spec

Examples = dict[str, Any]
"""Examples by index. `x`: images uint8 [n, H, W, C] or vectors float32 [n, D]; `y`, when labelled: int32 [n].

Parts beside them, such as `input`, are like `x`: `Spec.parts` says which. Where images differ in size or channels
(`is_ragged`), they are a list of n arrays uint8 [h, w, c].
"""


class OptionError(InputError):
    """Data that can be read with another option of [data]; `line` is what to write there: values = "0..1".

    of: the name of the data source whose option it is.
    """

    def __init__(self, message: str, line: str, of: str):
        super().__init__(message)
        self.line, self.of = line, of


class Mixture(NamedTuple):
    """A mixture of Gaussians of equal weight, the known distribution of a toy."""

    means: np.ndarray  # [K, D] float64
    sds: np.ndarray  # [K] float64: the standard deviation of every coordinate


class Phases(NamedTuple):
    """Parts of a data set that a training sees one after the other."""

    steps: int  # of each but the last, which goes on to the end
    pools: tuple[np.ndarray, ...]  # the examples of each, int64 [n]


class Source(NamedTuple):
    """A data set: `size` examples that look like `spec`, read by index."""

    name: str
    spec: Spec
    size: int
    load: Callable[[np.ndarray], Examples]  # indices int64 [n] -> examples; pure, may be called from several threads
    fingerprint: str  # SHA-256 of whatever decides every example: of files as they are, and of the options applied
    mixture: Mixture | None = None  # the distribution itself, where it is known; labels are its components
    labels: np.ndarray | None = None  # int32 [size]: of every example; None: there are none
    labelled: np.ndarray | None = None  # examples whose labels a game is shown, int64 [n]; None: all, if there are any
    remarks: tuple[str, ...] = ()  # for a person, on how the data were read: what was left out, odd values
    phases: Phases | None = None  # of a training that does not see all examples at once
    augment: tuple[Any, ...] = ()  # `data.augment.Augment`: random changes of the examples that a training sees
    names: Sequence[str] = ()  # of the files that examples are, within their folder; empty: they are no files
    odd_sizes: str = ""  # images of another size than most, in words: "'a.png' is 8 x 8; 299 of 300 are 9 x 9"
    odd_channels: str = ""  # images of other channels than most, likewise
    log_likelihood: Callable[[np.ndarray], np.ndarray] | None = None
    """Examples [n, ...] as stored -> log p of each under what made the data, in nats [n]; None: that is not known."""
    reads: Callable[[Any], Any] | None = None
    """Images uint8 [n, H, W, C], of NumPy or JAX -> what each pixel shows, as a label: int [n, H, W]; None: that cannot
    be read off."""


def told(source: Source, note: Callable[[str], None]) -> Source:
    """The source itself, after its remarks have been passed to `note`, which tells a person."""
    for remark in source.remarks:
        note(remark)
    return source


def in_memory(
    name: str,
    x: np.ndarray,
    y: np.ndarray | None = None,
    classes: tuple[str, ...] = (),
    mixture: Mixture | None = None,
    parts: Mapping[str, np.ndarray] = {},
) -> Source:
    """A source of examples in arrays: `x` images uint8 [N, H, W, C] or vectors float32 [N, D], `y` labels [N], from 0.

    parts: what else each example has, by name, arrays [N, ...] like `x`: {"input": ...}. Raises InputError when there
    are no examples, or labels or parts do not fit them.
    """
    if not len(x):
        raise InputError(f"{name}: holds no examples")
    arrays = {"x": x}
    if y is not None:
        if y.shape != (len(x),):
            raise InputError(
                f"{name}: {len(x)} examples have labels of shape {y.shape}; one each is wanted, ({len(x)},)"
            )
        if y.min() < 0 or y.max() >= len(classes):
            found = f"labels run from {y.min()} to {y.max()}"
            raise InputError(f"{name}: {found}; {len(classes)} classes want 0 .. {len(classes) - 1}")
        arrays["y"] = y.astype(np.int32)
    for part, array in parts.items():
        if len(array) != len(x):
            raise InputError(f"{name}: {len(x)} examples have {len(array)} of {part!r}; one each is wanted")
    spec = Spec(
        x.shape[1:],
        classes,
        () if y is None else shares(y, len(classes)),
        parts={part: Spec(array.shape[1:]) for part, array in parts.items()},
    )
    fingerprint = digest(*arrays.values(), *(piece for named in parts.items() for piece in named))

    def load(indices: np.ndarray) -> Examples:
        return {key: array[indices] for key, array in {**arrays, **parts}.items()}

    return Source(name, spec, len(x), load, fingerprint, mixture, arrays.get("y"))


def shares(y: np.ndarray, classes: int) -> tuple[float, ...]:
    """The share of each of `classes` classes among labels int [N], from 0; the shares sum to 1."""
    return tuple((np.bincount(y, minlength=classes) / len(y)).tolist())


def is_ragged(spec: Spec) -> bool:
    """True where images of a part differ in size or channels; the numbers that differ are 0 in the spec."""
    return any(0 in part.shape for part in (spec, *spec.parts.values()))


def digest(*parts: np.ndarray | str) -> str:
    """SHA-256 of arrays (values, shape and type) and strings, in order."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            sha.update(f"{len(part)}:{part}".encode(errors="surrogatepass"))  # names of files need not be UTF-8
        else:
            sha.update(f"{part.dtype}{part.shape}".encode())
            sha.update(np.ascontiguousarray(part).data)
    return sha.hexdigest()
