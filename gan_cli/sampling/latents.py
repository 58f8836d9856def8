"""The latents of a request, under its conditions, and the programs that make samples of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gan_cli import media
from gan_cli.engine import sampler
from gan_cli.engine.sampler import Inputs, Sampler
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.runs.load import Loaded
from gan_cli.sampling.controls import resolve
from gan_cli.sampling.request import Conditions, Request

TRUNCATED = 64  # latents: numbers of them are filled up to multiples of this, since each is compiled for
Painter = Callable[[Inputs], np.ndarray]
"""Inputs [n, ...] -> samples as their medium stores them: images uint8 [n, H, W, C], points float32 [n, D]."""


class Latents(NamedTuple):
    """The game's inputs for the samples of a request, and what to call them."""

    inputs: Inputs  # leaves [n, ...]
    names: tuple[str, ...]  # "seed 3", "sample 0"
    heads: tuple[str, ...]  # what a picture says of them: the seeds that a person named, otherwise nothing


def draw_latents(experiment: Experiment, request: Request, default: int, prior: str) -> Latents:
    """The latents at hand, those of the request's seeds, or the first n of its seed; `default`: n where it says none.

    They are truncated, and those with conditions of their own have their classes and codes. Classes and codes of all
    samples are for `arrange`, which knows sweeps. Raises InputError for what this model cannot do, and for more
    samples of one seed than memory holds.
    """
    own = request.conditions
    if len(own) == 1:
        own = (own[0]._replace(controls=()),)
    if request.kept:
        return Latents(apply_conditions(experiment, request.kept.inputs, own, prior), *[request.kept.names] * 2)
    if request.seeds is not None:
        names = tuple(f"seed {seed}" for seed in request.seeds)
        drawn = sampler.draw(experiment, request.seeds)
        return Latents(apply_conditions(experiment, drawn, own, prior), names, names)
    n = default if request.n is None else request.n
    sampler.check_memory(experiment, n, copies=2)  # in parts, and joined
    drawn = sampler.draw_many(experiment, request.seed or 0, n)
    return Latents(apply_conditions(experiment, drawn, own, prior), tuple(f"sample {i}" for i in range(n)), ())


def apply_conditions(experiment: Experiment, drawn: Inputs, conditions: Sequence[Conditions], prior: str) -> Inputs:
    """Inputs [n, ...] under conditions: one for all, or one for each of n. None of them may sweep.

    `prior`: of the latents, since only "normal" ones can be truncated. Raises InputError for others, and for classes
    and codes that this model does not have.
    """
    if all(own == Conditions() for own in conditions):
        return drawn
    rows_under: dict[Conditions, list[int]] = {}
    for row, own in enumerate(conditions):
        rows_under.setdefault(own, []).append(row)
    changed = {name: np.array(x) for name, x in drawn.items()}
    for own, some in rows_under.items():
        rows = some if len(conditions) > 1 else slice(None)
        if own.truncation is not None:
            if not is_truncatable(drawn, prior):
                raise InputError(
                    "--truncation: the latents of this recipe are not normal, so there is nothing to truncate"
                )
            z = drawn["z"][rows]
            filled = np.concatenate([z, np.repeat(z[-1:], -len(z) % TRUNCATED, axis=0)])
            changed["z"][rows] = sampler.truncate(filled, own.truncation)[: len(z)]
        for setting in resolve(own.controls, experiment.game.controls):
            changed[setting.name][rows] = setting.values[0]
    return changed


def is_truncatable(inputs: Inputs, prior: str) -> bool:
    """Whether truncation means something for these inputs: there are latents, and they are normal."""
    return prior == "normal" and "z" in inputs


def is_points(experiment: Experiment) -> bool:
    """Whether samples are vectors, which are seen together in a plot and have no picture each."""
    return media.seen_together(experiment.spec)


def prior_of(loaded: Loaded) -> str:
    """Prior of the latents: "normal", "uniform", or "" where the recipe's game has none."""
    return str(loaded.meta.recipe["game"].get("prior", ""))


def number_controls(experiment: Experiment) -> list[str]:
    """The names of the controls that are numbers, not categories."""
    return [name for name, control in experiment.game.controls.items() if not control.categories]


def count(inputs: Inputs) -> int:
    """Number of samples that these inputs are for."""
    return len(next(iter(inputs.values())))


def painter(loaded: Loaded, *, raw: bool, batch: int, told: sampler.Told = sampler.untold, ask: str = "") -> Painter:
    """Makes samples with the checkpoint's weights, `batch` at once; compiled once for all its calls.

    `ask`: which of the things that the game can draw. Raises InputError where it draws none.
    """
    drawn = sampler.drawing_ask(loaded.experiment, ask)
    sampling, weights = Sampler(loaded.experiment, batch, told=told, ask=drawn), loaded.leaves(raw)
    return lambda inputs: sampling(weights, inputs)
