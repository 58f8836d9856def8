"""Metrics of a model: real statistics once, then samples, translations, answers or densities as often as asked."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from gan_cli import media
from gan_cli.data.pipeline import ahead
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.games.game import DENSITY
from gan_cli.judging.evaluator import RECIPE, Evaluator, Verdict, Where, lens
from gan_cli.judging.given import Given, check_beside, classifying_ask, making_ask, take_given
from gan_cli.judging.reference import Reference
from gan_cli.judging.requirements import Subject
from gan_cli.metrics.collect import COMPOSITED, Images, NotFiniteError, composited_spec
from gan_cli.metrics.metric import NOTHING, Code, Decoder
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
        game = experiment.game
        self.ask, self._classifying = making_ask(experiment, options.ask), classifying_ask(experiment, options.ask)
        self._given = self._take(experiment, self.ask, options, reference)
        made = (experiment.made_by(self.ask) if self.ask else None) or experiment.spec
        spec = composited_spec(made)
        check_beside(experiment, self.ask, options.beside)
        seen = lens(options, spec, outside=outside, where=where)
        answers = any(metric.needs_answers for metric in seen.metrics)
        about = self._classifying if answers else None
        self._asked_about = self._take(experiment, about, options, reference)
        recognises = any(metric.needs_recognition or metric.needs_recognition_real for metric in seen.metrics)
        subject = Subject(
            spec,
            self._given.n if self._given else options.n,
            controls=game.controls,
            recognised=sampler.recognised(experiment) if recognises else {},
            decodes=game.decode is not None,
            ask=self.ask or "",
            has_truth=bool(options.beside or (self._given and self._given.truth is not None)),
            given=self._given is not None,
            labels_given=bool(options.beside or (self._given and self._given.labels is not None)),
            classifies=bool(self._asked_about and self._asked_about.truth is not None),
            has_density=game.density is not None,
        )
        self.evaluator = Evaluator(subject, seen, options, reference, store, COMPOSITED if spec != made else "")
        self._seed = seed
        self._controls = game.controls
        self._latent = game.latent
        self._encode = media.of(made).encode
        needs, batch = self.evaluator.needs, self.evaluator.batch
        self.sampler = sampler.Sampler(experiment, batch, told=told, ask=self.ask or "")
        self._wants_labels = any(metric.needs_given_labels for metric in seen.metrics)
        self._beside = options.beside if needs.pairs or self._wants_labels else ""
        self._other = sampler.Sampler(experiment, batch, ask=self._beside) if self._beside else None
        self._classifier = sampler.Sampler(experiment, batch, ask=self._classifying or "") if needs.answers else None
        self._rater = sampler.Sampler(experiment, batch, ask=DENSITY) if needs.density else None
        self._recogniser = sampler.Recogniser(experiment, self.sampler.batch) if subject.recognised else None
        self._decode = sampler.decoding(experiment) if needs.decoder else None
        sampler.check_memory(experiment, subject.n, copies=0)
        self._inputs = sampler.draw_many(experiment, seed, subject.n)
        self._experiment, self._split = experiment, reference.called

    def _take(self, experiment: Experiment, ask: str | None, options: Eval, reference: Reference) -> Given | None:
        """The examples that an ask starts from; None for one that draws, and where there is none."""
        if ask is None or not experiment.game.ask(ask).given:
            return None
        return take_given(experiment, ask, reference.streams, options.n, paired=options.paired)

    def __call__(self, variables: sampler.Weights) -> Verdict:
        """Draw samples with these weights and take every metric of them in one pass.

        They are the samples that `gan sample --seed SEED --n N` writes. Where a metric asks for it, the game recognises
        codes and classes in them, and in the real examples, classifies examples and says how likely they are. Raises
        NotFiniteError where weights hold NaN or overflow.
        """
        needs, recogniser = self.evaluator.needs, self._recogniser
        infer = recogniser.bind(variables) if recogniser else None
        inferred: list[Mapping[str, Array]] = []
        comparing = self.evaluator.pairs
        compared: dict[str, list[np.ndarray]] = {name: [] for name in comparing}

        kept: list[np.ndarray] = []
        inputs = {**self._inputs, **(self._given.inputs if self._given else {})}
        truths, labels = self._expected(variables, inputs)

        def samples() -> Iterator[Images]:
            done = 0
            for batch in self.sampler.batches(variables, inputs):
                if infer and needs.recognition:
                    inferred.append(infer(batch))
                n = min(len(batch), self.evaluator.plan.n_fake - done)
                if comparing or needs.samples:
                    made = jnp.asarray(batch)[:n]
                    _check_finite(made, "what it makes")
                    stored = self._encode(made)
                    kept.extend([np.asarray(stored)] if needs.samples else [])
                for name, compare in comparing.items():
                    assert truths is not None
                    now = slice(done, done + n)
                    first = next(iter(self._given.inputs.values()))[now] if self._given else None
                    compared[name].append(np.asarray(compare(stored, truths[now], first)))
                done += n
                yield batch

        fake = NOTHING
        if needs.fakes:
            fake = self.evaluator.fake(samples())
        elif needs.pairs or needs.samples:
            for _ in samples():
                pass
        found = _joined(inferred)
        codes = {k: Code(c, self._inputs[k], found.get(k)) for k, c in self._controls.items()}
        decoder = Decoder(Partial(self._decode, variables), self._latent) if self._decode else None
        fake = fake._replace(
            codes=codes,
            decoder=decoder,
            pairs={name: np.concatenate(parts) for name, parts in compared.items()},
            labels=labels,
            samples=np.concatenate(kept) if kept else None,
            **self._answers(variables),
        )
        real = self.evaluator.real()
        if real is not None and recogniser and infer and needs.recognition_real:
            examples = self.evaluator.examples(recogniser.batch)
            found = _joined([jax.device_get(part) for part in ahead(infer(e["x"]) for e in examples)])
            real = real._replace(codes={k: Code(c, inferred=found[k]) for k, c in self._controls.items() if k in found})
        if self._rater:
            numbers = math.prod(self._experiment.specs[self._experiment.stream(DENSITY)].shape)
            real = (real or NOTHING)._replace(density=self._density(variables), numbers=numbers)
        if needs.samples:
            real = self.evaluator.with_examples(real or NOTHING)
        return self.evaluator.verdict(real, fake, self._seed, self._words())

    def _expected(
        self, variables: sampler.Weights, inputs: sampler.Inputs
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """What results should be, as stored, and the classes that they should be of, as far as these are known."""
        if self._other:
            parts = []
            for batch in self._other.batches(variables, inputs):
                _check_finite(jnp.asarray(batch), "what it makes beside")
                parts.append(np.asarray(self._encode(jnp.asarray(batch))))
            made = np.concatenate(parts)
            batches = (made[start : start + self.sampler.batch] for start in range(0, len(made), self.sampler.batch))
            return made, self.evaluator.fake(batches).classified if self._wants_labels else None
        return (self._given.truth, self._given.labels) if self._given else (None, None)

    def _answers(self, variables: sampler.Weights) -> dict[str, Any]:
        """What the game says of the classes of examples, and what these are: fields of a `Sample`."""
        if self._classifier is None:
            return {}
        asked = self._asked_about
        assert asked is not None
        drawn = sampler.draw_many(self._experiment, self._seed, asked.n)
        answers = self._classifier(variables, {**drawn, **asked.inputs})
        _check_finite(answers, "what the game says of classes")
        return {"answers": answers, "truths": asked.truth}

    def _density(self, variables: sampler.Weights) -> np.ndarray:
        """Log p of the real examples under the model, in nats, float64 [N]."""
        assert self._rater is not None
        x = np.concatenate([examples["x"] for examples in self.evaluator.examples(self._rater.batch)])
        drawn = sampler.draw_many(self._experiment, self._seed, len(x))
        density = self._rater(variables, {**drawn, "x": x}).astype(np.float64)
        if np.isnan(density).any():  # infinite it may be: of what cannot be
            raise NotFiniteError("the density of an example is not a number: the weights hold NaN or overflow")
        return density

    def _words(self) -> str:
        """What the game was asked about which examples, for the protocol; nothing where it only drew."""
        needs, said = self.evaluator.needs, []
        if self._given and (needs.fakes or needs.pairs):
            said.append(f"{self.ask} of {self._given.n} ({self._split})")
        if self._beside:
            said.append(f"{self.ask} beside {self._beside}")
        if self._classifier and self._asked_about:
            said.append(f"{self._classifying} of {self._asked_about.n} ({self._split})")
        if self._rater:
            said.append(f"density of {self.evaluator.plan.n_real} ({self._split})")
        return ", ".join(said)


def _check_finite(values: np.ndarray | Array, what: str) -> None:
    """Raise NotFiniteError where numbers are not finite: as levels they would look as if they were."""
    if jnp.issubdtype(values.dtype, jnp.floating) and not bool(jnp.isfinite(values).all()):
        raise NotFiniteError(f"{what} is not finite: its weights hold NaN or overflow")


def _joined(parts: Iterable[Mapping[str, Array]]) -> dict[str, np.ndarray]:
    """Join what was inferred from each batch, by name, to arrays [N, ...]; NotFiniteError where it is not finite."""
    fetched = jax.device_get(list(parts))
    joined = {name: np.concatenate([part[name] for part in fetched]) for name in (fetched[0] if fetched else ())}
    for name, values in joined.items():
        _check_finite(values, f"what the game recognises as {name}")
    return joined
