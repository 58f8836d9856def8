"""Metrics, the feature network that they look through and the real side: ready for any fakes."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli import features as feature_networks
from gan_cli import media, metrics
from gan_cli.data.order import order
from gan_cli.data.source import Examples, Source
from gan_cli.data.store import Store
from gan_cli.engine import processes
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.judging import requirements
from gan_cli.judging.reference import Reference
from gan_cli.judging.requirements import Subject
from gan_cli.metrics import cache, classes
from gan_cli.metrics.collect import Images, collect, evaluate
from gan_cli.metrics.metric import Metric, Sample, needs_fakes
from gan_cli.metrics.protocol import Protocol, protocol
from gan_cli.recipe import Eval
from gan_cli.types import Array, Spec


class Verdict(NamedTuple):
    """Values of metrics, how they were measured and what to be careful about."""

    values: dict[str, float]
    protocol: Protocol
    notices: tuple[str, ...]

    def line(self, **about: Any) -> dict[str, Any]:
        """The verdict as a line of metrics.jsonl, after what `about` says of it: the step."""
        return {**about, **self.values, "protocol": self.protocol._asdict()}


class Where(NamedTuple):
    """What messages call the place where a person has written something."""

    table: str  # before a key
    option: str  # before the name of a metric of which an option is set


RECIPE = Where("[eval] ", "[eval] options.")
COMMAND_LINE = Where("--", "--set ")


class Lens(NamedTuple):
    """The metrics of [eval], and the feature network that all of them look through."""

    metrics: tuple[Metric, ...]
    features: Features
    options: dict[str, dict[str, Any]]  # of the metrics, defaults filled in
    is_shipped: bool  # the network: its hash then decides what it computes


def lens(options: Eval, spec: Spec, *, outside: bool = False, where: Where = RECIPE) -> Lens:
    """The metrics and features that [eval] names, for examples that look like `spec`. Raises InputError.

    Vectors are their own features.

    outside: whether the person who runs the program has named the features, which may then be code of their own.
    """
    chosen = metrics.options(options.metrics, options.options, *where)
    found = tuple(metrics.find_metric(name, **own) for name, own in chosen.items())
    looked_through = any(map(needs_fakes, found))
    name = media.features_of(spec, options.features, where.table) if looked_through else options.features
    if name == "points" and media.is_image(spec):
        raise InputError(f"{where.table}features = 'points' are those of vectors; of images, 'pixels' would do")
    name = feature_networks.decided(name, spec)
    features = feature_networks.find_network(name, outside=outside, shape=spec.shape)
    return Lens(found, features, chosen, feature_networks.FEATURES.has(name))


class Evaluator:
    """Metrics against one real side, whose own numbers are taken once."""

    def __init__(
        self, subject: Subject, seen: Lens, options: Eval, reference: Reference, store: Store, fitted: str = ""
    ):
        """`fitted`: what was done to the images before they came here, in words.

        Raises InputError for a metric that does not fit what is judged, its real side or the features.
        """
        self.metrics, self.features, self.options, is_shipped = seen
        self.needs = requirements.needs(self.metrics, subject.spec, self.features, reference)
        self.plan = requirements.plan(subject, self.features, reference, options)
        self.notices = requirements.check_metrics(self.metrics, self.plan, subject, self.features, reference)
        if reference.stored:
            allowed = reference.fitted or (fitted,)
            self.notices += cache.check_made_by(reference.stored, self.features, allowed, reference.called)
        self.batch = min(options.batch, subject.n or options.batch)
        # by metric, what compares results with what they should be
        self.pairs = {metric.name: _comparing(metric, reference.source) for metric in self.metrics if metric.pair}
        self._reference = reference
        self.fitted = fitted
        self._labelled = requirements.labelled(subject.spec, reference.source)
        self._note = store.note
        # which holds statistics only, and knows a network by its hash: one's own may import what it is not of
        self._cache_dir = store.cache_dir if is_shipped and not self.needs.one_by_one and processes.alone() else None
        self._real: Sample | None = None

    @property
    def headline(self) -> str:
        """The metric that chooses the best checkpoint."""
        return self.metrics[0].name

    def score(self, values: Mapping[str, float]) -> float:
        """The value of the headline as higher-is-better; -inf where it is not a number."""
        value = values[self.headline]
        if math.isnan(value):
            return -math.inf
        return -value if self.metrics[0].lower_is_better else value

    def check_chooses(self) -> None:
        """Raise InputError when the first metric cannot choose among checkpoints."""
        if not self.metrics[0].chooses:
            raise InputError(
                f"{self.headline} cannot choose the best checkpoint: put another metric before it, fid say"
            )

    def verdict(self, real: Sample | None, fake: Sample, seed: int | None, given: str = "") -> Verdict:
        """Take all metrics of both sides.

        For the protocol: `seed` of the fakes' latents, None where there is none, and `given`, which examples the game
        was asked about, in words.
        """
        used = protocol(
            self.features if self.needs.fakes else None,
            n_real=self.plan.n_real if self.needs.real else 0,
            n_fake=_judged(real, fake) or self.plan.n_fake,
            split=self._reference.called if self.needs.real else "",
            seed=seed,
            training=self._reference.trained if self.needs.training else "",
            fitted=self.fitted,
            options=self.options,
            given=given,
        )
        return Verdict(evaluate(self.metrics, real, fake), used, self.notices)

    def fake(self, batches: Iterable[Images]) -> Sample:
        """One pass over fakes: images [B, H, W, C] in [-1, 1], or vectors [B, D]."""
        return self._classified(collect(self.features, batches, keep=self.needs.keep))

    def real(self) -> Sample | None:
        """The real side, of which no pass is made twice; None where no metric asks for it."""
        reference = self._reference
        if not self.needs.real or self._real:
            return self._real
        if reference.stored:
            self._real = Sample(reference.stored.statistics)
            return self._real
        assert reference.source is not None
        on_white = {"on": "white"} if reference.source.spec.shape[2:] == (4,) else {}
        key = cache.key(self.features, reference.source.fingerprint, n=self.plan.n_real, **on_white)
        real = cache.cached(self._cache_dir, key, self.features, self._pass_over_real, self._note)
        training = None
        if self.needs.training:  # all of it: a copy of an image that is left out would not be found
            assert reference.training is not None
            everything = batches(reference.training, np.arange(reference.training.size), self.batch)
            training = collect(self.features, (one["x"] for one in everything), keep=self.needs.keep_real)
        self._real = real._replace(mixture=reference.mixture, training=training)
        return self._real

    def examples(self, batch: int) -> Iterator[Examples]:
        """The real examples, `batch` at a time as stored: a fixed random subset of the source, in random order."""
        source = self._reference.source
        assert source is not None
        return batches(source, order(0, source.size, 0)[: self.plan.n_real], batch)

    def with_examples(self, real: Sample) -> Sample:
        """The real side with as many examples as there are samples, as stored, and their distribution where known."""
        source = self._reference.source
        assert source is not None
        chosen = order(0, source.size, 0)[: self.plan.n_fake]
        return real._replace(samples=source.load(chosen)["x"], log_likelihood=source.log_likelihood)

    def _pass_over_real(self) -> Sample:
        """One pass over the real examples, with their labels where a metric needs them one by one."""
        labels: list[np.ndarray] = []

        def images() -> Iterator[np.ndarray]:
            for examples in self.examples(self.batch):
                if self._labelled and self.needs.one_by_one:
                    labels.append(examples["y"])
                yield examples["x"]

        sample = collect(self.features, images(), keep=self.needs.keep_real)
        sample = sample._replace(labels=np.concatenate(labels) if labels else None)
        return self._classified(sample) if self.needs.one_by_one else sample

    def _classified(self, sample: Sample) -> Sample:
        """The sample with what an independent classifier sees in it, where there is one and a metric asks for it."""
        return classes.classify(self.features, sample, self._reference.mixture) if self.needs.classified else sample


def _comparing(metric: Metric, source: Source | None) -> Callable[[Array, np.ndarray, np.ndarray | None], Array]:
    """(results, what they should be, what they were made from), all as stored -> the metric's number for each.

    Raises InputError for results of another shape than what they should be.
    """
    assert metric.pair is not None
    reads = {"reads": source and source.reads} if "reads" in metric.wants else {}
    compiled = jax.jit(partial(metric.pair, **reads))

    def compare(results: Array, truths: np.ndarray, given: np.ndarray | None) -> Array:
        expected = metric.seen(truths)
        if expected.shape != results.shape:
            ends = " and ".join("x".join(map(str, x.shape[1:])) for x in (results, expected))
            raise InputError(f"results and what they should be are of two shapes, {ends}, and cannot be compared")
        beside = {"given": jnp.asarray(given)} if "given" in metric.wants else {}
        return compiled(results, jnp.asarray(expected), **beside)

    return compare


def _judged(real: Sample | None, fake: Sample) -> int:
    """Number of samples, results, answers or densities that were judged."""
    others = (*fake.pairs.values(), fake.answers, fake.samples, real.density if real else None)
    return fake.n or max((len(values) for values in others if values is not None), default=0)


def batches(source: Source, indices: np.ndarray, size: int) -> Iterator[Examples]:
    """The examples at `indices` int64 [n], `size` at a time."""
    return (source.load(indices[start : start + size]) for start in range(0, len(indices), size))
