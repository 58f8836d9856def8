"""Sequences of tokens: int32 [T], each the number of a word in `Spec.words`; games see them as they are.

An empty word fills a sequence up to its length, and is not written.
"""

import numpy as np

from gan_cli.errors import printable
from gan_cli.media.medium import Medium, unchanged
from gan_cli.pictures import terminal
from gan_cli.types import Spec


def line(sequence: np.ndarray, spec: Spec) -> str:
    """A sequence int32 [T] on one line: words that are single characters without blanks between them.

    A number that no word has, and each where nothing names them, is written as a number.
    """
    words = [spec.words[i] if 0 <= i < len(spec.words) else str(i) for i in sequence.tolist()]
    between = "" if spec.words and max(map(len, spec.words)) <= 1 else " "
    return printable(between.join(filter(None, words)))


def tile(sequences: np.ndarray, spec: Spec) -> np.ndarray:
    """Each as a terminal shows it."""
    return terminal.lines([line(sequence, spec) for sequence in sequences])


def txt(sequences: np.ndarray, spec: Spec, rate: float) -> bytes:  # noqa: ARG001
    """One sequence a line, in UTF-8."""
    return "".join(f"{line(sequence, spec)}\n" for sequence in sequences).encode()


MEDIUM = Medium(
    ("length",),
    "sequences",
    "int32",
    unchanged,
    unchanged,
    tile,
    {".txt": txt},
    overview=16,
    unlike="the numbers of words are names, of which there is neither a mean nor a distance",
)
