"""Metrics of a model: real statistics once, then samples as often as asked."""

from collections.abc import Iterable, Iterator, Mapping

import jax
import numpy as np
from jax.tree_util import Partial

from gan_cli.data.pipeline import ahead
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.games.game import Variables
from gan_cli.judging.evaluator import RECIPE, Evaluator, Verdict, Where, lens
from gan_cli.judging.reference import Reference
from gan_cli.judging.requirements import Subject
from gan_cli.metrics.collect import COMPOSITED, Images, NotFiniteError, composited_spec
from gan_cli.metrics.metric import Code, Decoder, Sample
from gan_cli.recipe import Eval
from gan_cli.types import Array


class ModelEvaluator:
    """The metrics of [eval], ready to be taken of any weights of one experiment."""

    def __init__(
        self,
        experiment: Experiment,
        options: Eval,
        reference: Reference,
        store: Store,
        seed: int,
        *,
        outside: bool = False,
        where: Where = RECIPE,
        told: sampler.Told = sampler.untold,
    ):
        """`outside`, `where`: see `evaluator.lens`; `told`: see `sampler.Sampler`.

        Raises InputError for a metric that does not fit, and for more samples than memory holds.
        """
        spec = composited_spec(experiment.spec)
        seen = lens(options, spec, outside=outside, where=where)
        recognises = any(metric.needs_recognition or metric.needs_recognition_real for metric in seen.metrics)
        subject = Subject(
            spec,
            options.n,
            controls=experiment.game.controls,
            recognised=sampler.recognised(experiment) if recognises else {},
            decodes=experiment.game.decode is not None,
        )
        self.evaluator = Evaluator(
            subject, seen, options, reference, store, COMPOSITED if spec != experiment.spec else ""
        )
        self._seed = seed
        self._controls = experiment.game.controls
        self._latent = experiment.game.latent
        self.sampler = sampler.Sampler(experiment, self.evaluator.batch, told=told)
        self._recogniser = sampler.Recogniser(experiment, self.sampler.batch) if subject.recognised else None
        self._decode = sampler.decoding(experiment) if self.evaluator.needs.decoder else None
        sampler.check_memory(experiment, options.n, kept=0)
        self._inputs = sampler.draw_many(experiment, seed, options.n)

    def __call__(self, variables: Mapping[str, Variables]) -> Verdict:
        """Draw samples with these weights and take every metric of them in one pass.

        They are the samples that `gan sample --seed SEED --n N` writes.
        """
        fake = self._fake_sample(variables)
        return self.evaluator.verdict(self._real_sample(variables), fake, self._seed)

    def _fake_sample(self, variables: Mapping[str, Variables]) -> Sample:
        """One pass over the samples: features, and what the game recognises in them where a metric asks for it."""
        needs = self.evaluator.needs
        infer = self._recogniser.bind(variables) if self._recogniser and needs.recognition else None
        inferred: list[Mapping[str, Array]] = []

        def samples() -> Iterator[Images]:
            for batch in self.sampler.batches(variables, self._inputs):
                if infer:
                    inferred.append(infer(batch))
                yield batch

        sample = self.evaluator.fake(samples())
        found = _joined(inferred)
        codes = {k: Code(c, self._inputs[k], found.get(k)) for k, c in self._controls.items()}
        decoder = Decoder(Partial(self._decode, variables), self._latent) if self._decode else None
        return sample._replace(codes=codes, decoder=decoder)

    def _real_sample(self, variables: Mapping[str, Variables]) -> Sample | None:
        real = self.evaluator.real()
        if real is not None and self._recogniser and self.evaluator.needs.recognition_real:
            return real._replace(codes=self._recognise_real(self._recogniser, variables))
        return real

    def _recognise_real(self, recogniser: sampler.Recogniser, variables: Mapping[str, Variables]) -> dict[str, Code]:
        """What the game makes of the real examples with these weights."""
        infer = recogniser.bind(variables)
        examples = self.evaluator.examples(recogniser.batch)
        found = _joined([jax.device_get(part) for part in ahead(infer(e["x"]) for e in examples)])
        return {name: Code(c, inferred=found[name]) for name, c in self._controls.items() if name in found}


def _joined(parts: Iterable[Mapping[str, Array]]) -> dict[str, np.ndarray]:
    """What was inferred from each batch -> from all, [N, ...] each; NotFiniteError where it is not finite."""
    fetched = jax.device_get(list(parts))
    joined = {name: np.concatenate([part[name] for part in fetched]) for name in (fetched[0] if fetched else ())}
    for name, values in joined.items():
        if not np.isfinite(values).all():
            raise NotFiniteError(f"what the game recognises as {name} is not finite: its weights hold NaN or overflow")
    return joined
