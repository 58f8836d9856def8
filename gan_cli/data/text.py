"""Lines of a text file as sequences of tokens: characters or words."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from gan_cli.data.packed import contents, gunzipped
from gan_cli.data.source import Examples, Source, digest
from gan_cli.data.store import Store
from gan_cli.errors import DamagedError, InputError
from gan_cli.types import Spec

LARGEST = 1 << 30  # bytes of a file, unpacked
GZIP = b"\x1f\x8b"
FILL, UNKNOWN = "", "<unknown>"  # the word that fills a line up, number 0; and the one for words that are rare
MOST_NUMBERS = 1 << 29  # of all lines together


def text(
    store: Store,
    *,
    path: Path,
    unit: Literal["characters", "words"] = "characters",  # what a token is; words are parted by blanks
    length: Annotated[int, Field(gt=0, le=1 << 16)] | None = None,  # tokens of a line at most; None: of the longest
    most_words: Annotated[int, Field(gt=1, le=1_000_000)] = 20_000,  # the most frequent are kept, the others unknown
) -> Source:
    """A UTF-8 text file, also as gzip, a sequence a line: int32 [T], filled up at its end with number 0.

    Empty lines are left out, and so are those of more than `length` tokens. The words are kept in the spec, in order of
    their frequency. Raises InputError that says where the file is no text, or that no line is left.
    """
    path = store.locate(path)
    lines = [tuple(line) if unit == "characters" else tuple(line.split()) for line in _lines(path)]
    lines = [line for line in lines if line]
    longest = max(map(len, lines), default=0)
    kept = [line for line in lines if len(line) <= (length or longest)]
    if not kept:
        raise InputError(f"{path}: no line of 1 to {length or 'any number of'} {unit}; the longest has {longest}")
    steps = length or longest
    if len(kept) * steps > MOST_NUMBERS:
        raise InputError(
            f"{path}: {len(kept):,} lines, filled up to {steps:,} {unit} each, are more than memory should hold; "
            "set [data] length = 100 or another number: longer lines are left out"
        )
    counts = Counter(word for line in kept for word in line)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    rare = len(ranked) > most_words
    words = (FILL, *ranked[: most_words - rare], *([UNKNOWN] if rare else []))
    number = {word: i for i, word in enumerate(words)}
    x = np.zeros((len(kept), steps), np.int32)
    for row, line in zip(x, kept, strict=True):
        row[: len(line)] = [number.get(word, len(words) - 1) for word in line]
    remarks = []
    if len(kept) < len(lines):
        remarks.append(f"{path}: {len(lines) - len(kept):,} of {len(lines):,} lines are longer than {steps} {unit}")
    if rare:
        remarks.append(
            f"{path}: {len(ranked):,} different {unit}; those beyond the first {most_words - 1:,} are unknown"
        )

    def load(indices: np.ndarray) -> Examples:
        return {"x": x[indices]}

    spec = Spec((steps,), medium="tokens", words=words)
    return Source(path.name, spec, len(x), load, digest(x, *words), remarks=tuple(remarks))


def _lines(path: Path) -> list[str]:
    """The lines of a file; raises InputError."""
    try:
        data = contents(path, LARGEST)
        data = gunzipped(data, LARGEST) if data.startswith(GZIP) else data
        return [line.removesuffix("\r") for line in data.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line} is not UTF-8; iconv -t utf-8 converts text of other encodings") from None
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
