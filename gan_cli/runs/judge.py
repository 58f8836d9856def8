"""Metrics of a model against its own data: real statistics once, then samples as often as asked."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_cli import features as feature_networks
from gan_cli.data.pipeline import order
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.games.game import Variables
from gan_cli.metrics import cache, find
from gan_cli.metrics.collect import check_outputs, collect, evaluate, kept_by
from gan_cli.metrics.metric import Metric, Sample
from gan_cli.metrics.protocol import Protocol, protocol
from gan_cli.recipe import Eval

MOST_FEATURES = 10_000  # numbers of an image: a covariance of them takes 0.75 GiB


class Verdict(NamedTuple):
    """Numbers, how they were measured and what to be careful about."""

    values: dict[str, float]
    protocol: Protocol
    notices: tuple[str, ...]

    def line(self, step: int) -> dict[str, Any]:
        """As a line of metrics.jsonl."""
        return {"step": step, **self.values, "protocol": self.protocol._asdict()}


class Judge:
    """The metrics of [eval], ready to be taken of any weights of one experiment."""

    def __init__(
        self, experiment: Experiment, options: Eval, source: Source | None, split: str, store: Store, seed: int
    ):
        self._options = options
        self._source = source
        self._split = split
        self._store = store
        self._seed = seed
        is_image = len(experiment.spec.shape) == 3
        if is_image and options.features == "points":
            raise InputError('[eval] features = "points" are those of vectors; of images, "pixels" would do')
        self.features = feature_networks.find(options.features if is_image else "points")
        self.metrics = [find(name) for name in options.metrics]
        for metric in self.metrics:
            _check_fit(metric, self.features.name, source)
        self._n_real = min(source.size, options.n_real) if source else 0
        dim = self.features.dim or math.prod(experiment.spec.shape)
        if dim > MOST_FEATURES:
            raise InputError(
                f"[eval] features = {self.features.name!r}: {dim:,} numbers an image, whose covariance would take "
                f"{8 * dim**2 / 2**30:.0f} GiB; {MOST_FEATURES:,} are the most"
            )
        checks = [metric.check(self._n_real, options.n, dim) for metric in self.metrics]
        check_outputs(self.features, kept_by(self.metrics))
        self.notices = tuple(dict.fromkeys(notice for found in checks for notice in found))
        self.sampler = sampler.Sampler(experiment, min(options.batch, options.n))
        self._inputs = sampler.draw_many(experiment, seed, options.n)
        self._real: Sample | None = None

    @property
    def headline(self) -> str:
        """The metric that chooses the best checkpoint."""
        return self.metrics[0].name

    def score(self, values: Mapping[str, float]) -> float:
        """The headline as higher-is-better."""
        value = values[self.headline]
        return -value if self.metrics[0].lower_is_better else value

    def __call__(self, variables: Mapping[str, Variables]) -> Verdict:
        """Draw samples with these weights and take every metric of them in one pass.

        They are the samples that `gan sample --seed SEED --n N` writes.
        """
        fake = collect(self.features, self.sampler.batches(variables, self._inputs), keep=kept_by(self.metrics))
        values = evaluate(self.metrics, self._real_sample(), fake)
        used = protocol(self.features, n_real=self._n_real, n_fake=fake.n, split=self._split, seed=self._seed)
        return Verdict(values, used, self.notices)

    def _real_sample(self) -> Sample | None:
        if not any(metric.needs_real for metric in self.metrics):
            return None
        if self._source is None:
            raise InputError(f"{self.headline} compares with real images, and the run's data set is not at hand")
        if self._real is None:
            key = cache.key(self.features, self._source.fingerprint, n=self._n_real)
            where = None if kept_by(self.metrics, real=True) else self._store.cache_dir  # which holds statistics only
            self._real = cache.cached(where, key, self._measure_real)._replace(mixture=self._source.mixture)
        return self._real

    def _measure_real(self) -> Sample:
        return collect(self.features, self._real_batches(), keep=kept_by(self.metrics, real=True))

    def _real_batches(self) -> Iterable[np.ndarray]:
        """A fixed random subset of the source, in random order: images uint8 [b, H, W, C], vectors float32 [b, D]."""
        assert self._source is not None
        chosen = order(0, self._source.size, 0)[: self._n_real]
        for start in range(0, self._n_real, self.sampler.batch):
            yield self._source.load(chosen[start : start + self.sampler.batch])["x"]


def _check_fit(metric: Metric, features: str, source: Source | None) -> None:
    """Raise InputError for a metric that means nothing of these data or through these features."""
    if metric.features and features not in metric.features:
        mend = f"set [eval] features = {metric.features[0]!r}"
        raise InputError(f"{metric.name} is not taken through {features}: {mend}, or --features {metric.features[0]}")
    if metric.needs_mixture and (source is None or source.mixture is None):
        raise InputError(f"{metric.name} needs data whose mixture of Gaussians is known, and these are no such toy")
