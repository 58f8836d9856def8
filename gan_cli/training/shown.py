"""What a training shows again and again: samples of fixed latents, or fixed examples beside what is made of them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gan_cli import media
from gan_cli.data.source import Source
from gan_cli.engine import sampler
from gan_cli.engine.sampler import Inputs
from gan_cli.engine.state import Experiment
from gan_cli.judging.given import take_given
from gan_cli.sampling.plan import overview, plan_samples
from gan_cli.sampling.results import compared
from gan_cli.sampling.writing import Drawn

EXAMPLES = 16  # given ones, beside what is made of them


class Shown(NamedTuple):
    """Fixed inputs of the game's first ask, and what a picture shows of its results."""

    inputs: Inputs
    drawn: Callable[[np.ndarray], Drawn]


def shown_again(
    experiment: Experiment, sources: Mapping[str, Source], seed: int, grid: int, *, paired: bool
) -> Shown | None:
    """`grid` samples or EXAMPLES translations; None of a game whose first ask makes labels: there is nothing to see.

    `paired`: see `judging.given.take_given`.
    """
    made = experiment.made_by()
    if made is None:
        return None
    if not experiment.game.ask().given:
        plan = plan_samples(experiment, overview(experiment, seed, media.in_a_picture(made, grid)))
        return Shown(plan.inputs, lambda samples: Drawn(samples, made, sheet=plan.sheet))
    ask = next(iter(experiment.game.asks))
    given = take_given(experiment, ask, sources, EXAMPLES, paired=paired)
    drawn = sampler.draw_many(experiment, seed, given.n)
    return Shown({**drawn, **given.inputs}, lambda results: compared(experiment, ask, given, results))


def fixed_inputs(experiment: Experiment, sources: Mapping[str, Source], seed: int, n: int) -> Inputs:
    """Inputs of the first ask for n results: of n samples, or of at most n examples of the data."""
    if not experiment.game.ask().given:
        return sampler.draw_many(experiment, seed, n)
    given = take_given(experiment, next(iter(experiment.game.asks)), sources, n)
    return {**sampler.draw_many(experiment, seed, given.n), **given.inputs}
