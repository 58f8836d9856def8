"""Which examples make up the batch of a step: a pure function of (seed, step).

Examples are numbered through all epochs; example g is the (g mod size)-th of epoch g // size, whose order is a fresh
permutation. Batches straddle epochs, so that every example comes up once in each.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gan_cli.data.augment import Augment
from gan_cli.data.source import Phases, Source
from gan_cli.types import Spec

FEW = 1024  # examples of which an epoch's order is quicker made than kept
AUGMENT, AUGMENTED = "augment", 1  # examples' seeds in a feed, and what tells them from the seeds of orders
LABELLED = "labelled_"  # before the names of parts of examples whose labels are shown


def order(seed: int, size: int, epoch: int) -> np.ndarray:
    """The order of `size` examples in an epoch: a permutation, int64 [size].

    It sorts the bits of Philox (https://doi.org/10.1145/2063384.2063405) rather than calling `Generator.permutation`:
    NumPy promises that a bit generator's stream stays the same from release to release, and promises nothing of the
    sort about what is made of it.
    """
    # A batch may hold many epochs of few examples, which would drive the order of many from the cache at every step.
    return (_permutation if size < FEW else _remembered)(seed, size, epoch)


def _permutation(seed: int, size: int, epoch: int) -> np.ndarray:
    bits = np.random.Philox(np.random.SeedSequence((seed, epoch))).random_raw(size)
    permutation = np.argsort(bits, kind="stable")
    permutation.setflags(write=False)  # it is shared by all who ask
    return permutation


_remembered = lru_cache(maxsize=4)(_permutation)


def indices(seed: int, step: int, batch: int, size: int) -> np.ndarray:
    """Which of `size` examples make up the batch of a step: int32 [batch], in 0 .. size - 1."""
    epochs, places = np.divmod(step * batch + np.arange(batch, dtype=np.int64), size)
    chosen = np.empty(batch, np.int32)
    for epoch in np.unique(epochs):
        now = epochs == epoch
        chosen[now] = order(seed, size, int(epoch))[places[now]]
    return chosen


class Choice(NamedTuple):
    """What decides which examples a step reads, and how it sees them, besides its number."""

    spec: Spec
    size: int
    labelled: np.ndarray | None = None  # as `Source.labelled`
    phases: Phases | None = None
    augment: tuple[Augment, ...] = ()


def choice_of(source: Source) -> Choice:
    """What decides a source's batches."""
    return Choice(source.spec, source.size, source.labelled, source.phases, source.augment)


def indices_of_step(seed: int, step: int, batch: int, choice: Choice, rows: slice) -> dict[str, np.ndarray]:
    """The examples of a step: {"index": int32 [rows]}, and "labelled" alike where only some labels are known.

    Where they are augmented, a seed for each beside them: "augment", uint32 [rows], and "labelled_augment".
    """
    labelled = choice.labelled
    chosen = {"index": _examples(seed, step, batch, choice)[rows]}
    if labelled is not None and len(labelled):
        chosen["labelled"] = labelled[indices(seed, step, batch, len(labelled))].astype(np.int32)[rows]
    if choice.augment:
        names = [AUGMENT, *([LABELLED + AUGMENT] if "labelled" in chosen else [])]
        bits = np.random.Philox(np.random.SeedSequence((seed, step, AUGMENTED))).random_raw(len(names) * batch)
        seeds = (bits >> np.uint64(32)).astype(np.uint32).reshape(len(names), batch)[:, rows]
        chosen |= dict(zip(names, seeds, strict=True))
    return chosen


def _examples(seed: int, step: int, batch: int, choice: Choice) -> np.ndarray:
    """Which examples make up the batch of a step, int32 [batch]: of all, or of those of its phase."""
    if choice.phases is None:
        return indices(seed, step, batch, choice.size)
    phase = min(step // choice.phases.steps, len(choice.phases.pools) - 1)
    pool = choice.phases.pools[phase]
    return pool[indices(seed, step - phase * choice.phases.steps, batch, len(pool))].astype(np.int32)
