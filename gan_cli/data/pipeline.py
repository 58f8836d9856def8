"""Batches. A batch is a pure function of (seed, step), so a run resumes exactly wherever it stopped (`order.py`)."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from gan_cli import media
from gan_cli.data.augment import augmented
from gan_cli.data.images import check_fitted
from gan_cli.data.order import AUGMENT, LABELLED, Choice, choice_of, indices_of_step
from gan_cli.data.source import Examples, Source
from gan_cli.types import Array, Batch, X, Y, leaf

T = TypeVar("T")
RESIDENT_LIMIT = 1 << 30  # bytes of examples that still go onto the device
THREADS = 8  # that decode streamed batches
PREFETCH = 16  # streamed batches ahead of the step
CHUNK = 64  # examples that one thread reads at once
ALL = slice(None)
ENDLESS = 1 << 40  # steps: Grain wants to know the length of a data set


def ahead(items: Iterable[T], n: int = 2) -> Iterator[T]:
    """The same items, each handed on when the n after it have been asked for.

    Work that is dispatched without waiting, as JAX does, then overlaps with what is done with its results.
    """
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > n:
            yield waiting.popleft()
    yield from waiting


def _read_batch(read: Callable[[Any], Mapping[str, T]], index: Mapping[str, Any], *, hidden: bool) -> Mapping[str, T]:
    """The batch at the indices from `indices_of_step`; with hidden labels, a labelled batch beside it."""
    examples = read(index["index"])
    if not hidden:
        return examples
    unlabelled = {name: x for name, x in examples.items() if name != Y}
    labelled = read(index["labelled"]) if "labelled" in index else {}
    return {**unlabelled, **{LABELLED + name: x for name, x in labelled.items()}}


def _seen(choice: Choice, examples: Mapping[str, Array], feed: Mapping[str, Array]) -> Batch:
    """The leaves of a batch as games see them, from what is stored: decoded and augmented."""
    parts = {X: choice.spec, **choice.spec.parts}
    found = {name: parts.get(name.removeprefix(LABELLED)) for name in examples}
    seen = {name: x if (own := found[name]) is None else media.of(own).decode(x) for name, x in examples.items()}
    for prefix in ("", LABELLED):
        if prefix + AUGMENT in feed:
            mine = {name: seen[prefix + name] for name in parts}
            changed = augmented(choice.augment, choice.spec, feed[prefix + AUGMENT], mine)
            seen |= {prefix + name: x for name, x in changed.items()}
    return seen


class Resident(NamedTuple):
    """All examples on the device as they are stored; a step gathers its own by index."""

    constants: Mapping[str, np.ndarray]  # every example
    choice: Choice
    seed: int
    batch: int
    rows: slice = ALL  # the part of each batch that this process feeds

    def feed(self, start: int, n: int) -> dict[str, np.ndarray]:
        """What steps start .. start + n - 1 read: {"index": int32 [n, rows]}, and "labelled" alike if there are."""
        steps = [
            indices_of_step(self.seed, step, self.batch, self.choice, self.rows) for step in range(start, start + n)
        ]
        return {name: np.stack([step[name] for step in steps]) for name in steps[0]}

    def take(self, constants: Mapping[str, Array], feed: Mapping[str, Array]) -> Batch:
        """One step's slice of the feed -> its batch; jittable."""

        def gather(index: Array) -> dict[str, Array]:
            return {name: x.at[index].get(mode="promise_in_bounds") for name, x in constants.items()}

        return _seen(self.choice, _read_batch(gather, feed, hidden=self.choice.labelled is not None), feed)

    def reseeded(self, seed: int) -> "Resident":
        """The same examples in the order of another seed."""
        return self._replace(seed=seed)

    def close(self) -> None:
        """Nothing to release."""


class Streamed:
    """Examples read and decoded by threads some steps ahead, while the device works."""

    def __init__(self, source: Source, seed: int, batch: int, rows: slice = ALL):
        self.constants: Mapping[str, np.ndarray] = {}
        choice = choice_of(source)

        def load(step: int) -> Mapping[str, np.ndarray]:
            chosen = indices_of_step(seed, step, batch, choice, rows)
            examples = _read_batch(source.load, chosen, hidden=choice.labelled is not None)
            return {**examples, **{name: x for name, x in chosen.items() if name.endswith(AUGMENT)}}

        self._load = load
        self._choice = choice
        self._again = lambda seed: Streamed(source, seed, batch, rows)
        self._next = 0  # the step that `_batches` yields next
        self._batches: Any = None  # Grain's iterator, once there is one

    def feed(self, start: int, n: int) -> dict[str, np.ndarray]:
        """What steps start .. start + n - 1 read: {"x": [n, rows, ...], "y": int32 [n, rows] when labelled}.

        Calls that follow one another are read ahead; a jump to any other step is right as well, and starts afresh.
        """
        if self._batches is None or start != self._next:
            import grain  # takes a second to import, and small data sets do without

            self.close()
            options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=PREFETCH)
            steps = grain.MapDataset.range(start, ENDLESS)
            self._batches, self._next = iter(steps.map(self._load).to_iter_dataset(options)), start
        batches = [next(self._batches) for _ in range(n)]
        self._next += n
        return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}

    def take(self, constants: Mapping[str, Array], feed: Mapping[str, Array]) -> Batch:  # noqa: ARG002
        """One step's slice of the feed -> its batch; jittable."""
        examples = {name: x for name, x in feed.items() if not name.endswith(AUGMENT)}
        return _seen(self._choice, examples, feed)

    def reseeded(self, seed: int) -> "Streamed":
        """The same examples in the order of another seed."""
        return self._again(seed)

    def close(self) -> None:
        """Stop reading ahead."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None


class Joined(NamedTuple):
    """The batches of several streams, side by side: each has its own epochs, in the order of a seed of its own."""

    feeds: Mapping[str, Resident | Streamed]  # by stream

    @property
    def constants(self) -> dict[str, Any]:
        """What each stream has on the device."""
        return {stream: feed.constants for stream, feed in self.feeds.items()}

    def feed(self, start: int, n: int) -> dict[str, Any]:
        """What steps start .. start + n - 1 read of each stream."""
        return {stream: feed.feed(start, n) for stream, feed in self.feeds.items()}

    def take(self, constants: Mapping[str, Any], feed: Mapping[str, Any]) -> Batch:
        """One step's slice of the feed -> its batch, leaves named as `types.leaf` names them; jittable."""
        taken = {stream: own.take(constants[stream], feed[stream]) for stream, own in self.feeds.items()}
        return {leaf(stream, part): x for stream, batch in taken.items() for part, x in batch.items()}

    def reseeded(self, seed: int) -> "Joined":
        """The same examples in the orders of another seed."""
        return Joined({stream: feed.reseeded(seed_of(seed, stream)) for stream, feed in self.feeds.items()})

    def close(self) -> None:
        """Stop reading ahead."""
        for feed in self.feeds.values():
            feed.close()


def seed_of(seed: int, stream: str) -> int:
    """The seed of a stream's order: two streams of the same files with the same order would be pairs."""
    return seed if not stream else int.from_bytes(hashlib.sha256(f"{seed} {stream}".encode()).digest()[:4])


Feed = Resident | Streamed | Joined


def pipeline(
    sources: Source | Mapping[str, Source],
    *,
    batch: int,
    seed: int,
    resident: bool | Literal["auto"] = "auto",
    limit: int = RESIDENT_LIMIT,
    rows: slice = ALL,
) -> Feed:
    """The batches of a run: `batch` examples a step, over all devices; the same ones from either kind of feed.

    sources: a game's only one, or those of its streams by name.
    rows: those of each batch that this process has to feed.
    resident: put all examples on the device; "auto": when they are at most `limit` bytes.
    Raises InputError when images differ in size.
    """
    sources = {"": sources} if isinstance(sources, Source) else sources
    for source in sources.values():
        check_fitted(source)
    if resident == "auto":
        resident = sum(map(stored_bytes, sources.values())) <= limit

    def one(stream: str, source: Source) -> Resident | Streamed:
        own = seed_of(seed, stream)
        if not resident:
            return Streamed(source, own, batch, rows)
        return Resident(everything(source), choice_of(source), own, batch, rows)

    feeds = {stream: one(stream, source) for stream, source in sources.items()}
    return feeds[""] if feeds.keys() == {""} else Joined(feeds)


def everything(source: Source) -> Examples:
    """All examples, read by several threads: see `Examples`; raises what reading one raises."""
    first = source.load(np.arange(1))
    arrays = {name: np.empty((source.size, *array.shape[1:]), array.dtype) for name, array in first.items()}

    def read(start: int) -> None:
        chunk = np.arange(start, min(start + CHUNK, source.size))
        for name, array in source.load(chunk).items():
            arrays[name][chunk] = array

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(read, range(0, source.size, CHUNK)))
    return arrays


def stored_bytes(source: Source) -> int:
    """Bytes of all examples as stored, with all their parts."""
    return source.size * sum(map(media.size_of, (source.spec, *source.spec.parts.values())))
