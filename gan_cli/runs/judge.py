"""Metrics of a model against its own data: real statistics once, then samples as often as asked."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_cli import features as feature_networks
from gan_cli.data.pipeline import ahead, order
from gan_cli.data.source import Examples, Source
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.games.game import Variables
from gan_cli.metrics import cache, classes, find
from gan_cli.metrics.collect import Images, NotFiniteError, collect, evaluate
from gan_cli.metrics.metric import Code, Sample
from gan_cli.metrics.protocol import Protocol, protocol
from gan_cli.recipe import Eval
from gan_cli.runs import fitness
from gan_cli.types import Array


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
        self._source = source
        self._split = split
        self._store = store
        self._seed = seed
        self.features = _features(options, experiment)
        self.metrics = [find(name) for name in options.metrics]
        self._needs = fitness.needs(self.metrics, experiment, self.features, source)
        recognises = self._needs.recognition or self._needs.recognition_real
        recognised = sampler.recognised(experiment) if recognises else {}
        plan = fitness.plan(experiment, self.features, source, options, recognised)
        self.notices = fitness.check(self.metrics, plan, experiment, self.features, source)
        self._n_real = plan.n_real
        self._controls = experiment.game.controls
        self._labelled = fitness.labelled(experiment, source)
        self.sampler = sampler.Sampler(experiment, min(options.batch, options.n))
        self._recogniser = sampler.Recogniser(experiment, self.sampler.batch) if recognised else None
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
        fake = self._fake_sample(variables)
        values = evaluate(self.metrics, self._real_sample(variables), fake)
        used = protocol(self.features, n_real=self._n_real, n_fake=fake.n, split=self._split, seed=self._seed)
        return Verdict(values, used, self.notices)

    def _fake_sample(self, variables: Mapping[str, Variables]) -> Sample:
        """One pass over the samples: features, and what the game recognises in them where a metric asks for it."""
        infer = self._recogniser.bind(variables) if self._recogniser and self._needs.recognition else None
        inferred: list[Mapping[str, Array]] = []

        def samples() -> Iterator[Images]:
            for batch in self.sampler.batches(variables, self._inputs):
                if infer:
                    inferred.append(infer(batch))
                yield batch

        sample = collect(self.features, samples(), keep=self._needs.keep)
        found = _joined(inferred)
        codes = {k: Code(c, self._inputs[k], found.get(k)) for k, c in self._controls.items()}
        return self._classified(sample)._replace(codes=codes)

    def _real_sample(self, variables: Mapping[str, Variables]) -> Sample | None:
        if self._source is None or not self._needs.real:
            return None
        if self._real is None:
            key = cache.key(self.features, self._source.fingerprint, n=self._n_real)
            where = None if self._needs.one_by_one else self._store.cache_dir  # which holds statistics only
            self._real = cache.cached(where, key, self._measure_real)._replace(mixture=self._source.mixture)
        if self._recogniser and self._needs.recognition_real:
            return self._real._replace(codes=self._recognise_real(self._recogniser, variables))
        return self._real

    def _measure_real(self) -> Sample:
        labels: list[np.ndarray] = []

        def images() -> Iterator[np.ndarray]:
            for examples in self._real_examples():
                if self._labelled and self._needs.one_by_one:
                    labels.append(examples["y"])
                yield examples["x"]

        sample = collect(self.features, images(), keep=self._needs.keep_real)
        sample = sample._replace(labels=np.concatenate(labels) if labels else None)
        return self._classified(sample) if self._needs.one_by_one else sample

    def _recognise_real(self, recogniser: sampler.Recogniser, variables: Mapping[str, Variables]) -> dict[str, Code]:
        """What the game makes of the real examples with these weights."""
        infer = recogniser.bind(variables)
        found = _joined([jax.device_get(part) for part in ahead(infer(e["x"]) for e in self._real_examples())])
        return {name: Code(c, inferred=found[name]) for name, c in self._controls.items() if name in found}

    def _real_examples(self) -> Iterator[Examples]:
        """A fixed random subset of the source, in random order: batches as they are stored."""
        assert self._source is not None
        chosen = order(0, self._source.size, 0)[: self._n_real]
        for start in range(0, self._n_real, self.sampler.batch):
            yield self._source.load(chosen[start : start + self.sampler.batch])

    def _classified(self, sample: Sample) -> Sample:
        """The sample with what an independent classifier sees in it, where there is one and a metric asks for it."""
        mixture = self._source.mixture if self._source else None
        return classes.classify(self.features, sample, mixture) if self._needs.classified else sample


def _features(options: Eval, experiment: Experiment) -> Features:
    """The feature network of [eval]; vectors are their own features. Raises InputError."""
    if len(experiment.spec.shape) != 3:
        return feature_networks.find("points")
    if options.features == "points":
        raise InputError('[eval] features = "points" are those of vectors; of images, "pixels" would do')
    return feature_networks.find(options.features)


def _joined(parts: Iterable[Mapping[str, Array]]) -> dict[str, np.ndarray]:
    """What was inferred from each batch -> from all, [N, ...] each; NotFiniteError where it is not finite."""
    fetched = jax.device_get(list(parts))
    joined = {name: np.concatenate([part[name] for part in fetched]) for name in (fetched[0] if fetched else ())}
    for name, values in joined.items():
        if not np.isfinite(values).all():
            raise NotFiniteError(f"what the game recognises as {name} is not finite: its weights hold NaN or overflow")
    return joined
