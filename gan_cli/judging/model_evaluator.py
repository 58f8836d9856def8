"""Metrics of a model: real statistics once, then samples as often as asked."""

from collections.abc import Iterable, Iterator, Mapping

import jax
import numpy as np
from jax.tree_util import Partial

from gan_cli.data.pipeline import ahead
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.judging.evaluator import RECIPE, Evaluator, Verdict, Where, lens
from gan_cli.judging.reference import Reference
from gan_cli.judging.requirements import Subject
from gan_cli.metrics.collect import COMPOSITED, Images, NotFiniteError, composited_spec
from gan_cli.metrics.metric import Code, Decoder
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
        sampler.check_memory(experiment, options.n, copies=0)
        self._inputs = sampler.draw_many(experiment, seed, options.n)

    def __call__(self, variables: sampler.Weights) -> Verdict:
        """Draw samples with these weights and take every metric of them in one pass.

        They are the samples that `gan sample --seed SEED --n N` writes. Where a metric asks for it, the game recognises
        codes and classes in them, and in the real examples. Raises NotFiniteError where weights hold NaN or overflow.
        """
        needs, recogniser = self.evaluator.needs, self._recogniser
        infer = recogniser.bind(variables) if recogniser else None
        inferred: list[Mapping[str, Array]] = []

        def samples() -> Iterator[Images]:
            for batch in self.sampler.batches(variables, self._inputs):
                if infer and needs.recognition:
                    inferred.append(infer(batch))
                yield batch

        fake = self.evaluator.fake(samples())
        found = _joined(inferred)
        codes = {k: Code(c, self._inputs[k], found.get(k)) for k, c in self._controls.items()}
        decoder = Decoder(Partial(self._decode, variables), self._latent) if self._decode else None
        fake = fake._replace(codes=codes, decoder=decoder)
        real = self.evaluator.real()
        if real is not None and recogniser and infer and needs.recognition_real:
            examples = self.evaluator.examples(recogniser.batch)
            found = _joined([jax.device_get(part) for part in ahead(infer(e["x"]) for e in examples)])
            real = real._replace(codes={k: Code(c, inferred=found[k]) for k, c in self._controls.items() if k in found})
        return self.evaluator.verdict(real, fake, self._seed)


def _joined(parts: Iterable[Mapping[str, Array]]) -> dict[str, np.ndarray]:
    """Join what was inferred from each batch, by name, to arrays [N, ...]; NotFiniteError where it is not finite."""
    fetched = jax.device_get(list(parts))
    joined = {name: np.concatenate([part[name] for part in fetched]) for name in (fetched[0] if fetched else ())}
    for name, values in joined.items():
        if not np.isfinite(values).all():
            raise NotFiniteError(f"what the game recognises as {name} is not finite: its weights hold NaN or overflow")
    return joined
