"""The descent of `gan project`: from latents to others whose samples are nearer to an image, in one compiled loop."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_cli import media
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.sampling.controls import ControlOption
from gan_cli.sampling.latents import number_controls
from gan_cli.types import Array

MARGIN = 2.0  # by which a latent may be longer than the square root of its size: 99.7% of normal ones are not
LATENT = "z"  # what latents are called among the inputs of a game
DISTANCE = "distance"  # the name beside those of latents in what a descent returns

Rows = Mapping[str, Any]
"""A row a start: `inputs` of the generator, `target` [R, H, W, C] in [-1, 1], `known` [R, H, W, 1] of 0 and 1; of edits
also `near`, the latents that they stay near."""


class Projection(NamedTuple):
    """How latents are looked for."""

    controls: Sequence[tuple[ControlOption, ...]] = ((),)  # classes and codes that are set: one for all, or one each
    seed: int = 0  # of the samples among which the starts are chosen
    starts: int = 8  # descents an image, of which the best is kept; with `near` there is one
    steps: int = 300
    rate: float = 0.1  # Adam's at the first step, which falls to 0 as a cosine
    features: float = 0.1  # weight of the distance in the discriminator's maps
    stay: float = 0.01  # weight of the mean squared distance from `near`
    raw: bool = False  # the weights of the last step, not their average
    batch: int = 8  # images at once


def latent_names(experiment: Experiment) -> list[str]:
    """The inputs that a descent can move: latents, and codes that are numbers.

    Raises InputError where the model draws nothing, makes no images or has no such inputs.
    """
    sampler.drawing_ask(experiment)
    if not media.is_image(experiment.spec):
        raise InputError(f"samples of this recipe are {media.of(experiment.spec).many}, and images are projected")
    if LATENT not in sampler.drawn_shapes(experiment):
        raise InputError("this model has no latents: what its samples are drawn from cannot be moved little by little")
    return [LATENT, *number_controls(experiment)]


def descent(experiment: Experiment, wanted: Projection, prior: str) -> Callable[[Any, Rows], dict[str, Array]]:
    """(weights, rows) -> the latents at the end of Adam's steps [R, ...], and the distances of their samples [R]."""
    import optax

    distance, names = distances(experiment, wanted), latent_names(experiment)
    optimiser = optax.adam(optax.cosine_decay_schedule(wanted.rate, wanted.steps))

    def descend(weights: Any, rows: Rows) -> dict[str, Array]:
        def step(_: Any, carry: Any) -> Any:
            latents, state = carry
            gradients = jax.grad(lambda latents: distance(weights, latents, rows).sum())(latents)
            moves, state = optimiser.update(gradients, state)
            moved: Any = optax.apply_updates(latents, moves)
            return {name: _within(experiment, name, x, prior) for name, x in moved.items()}, state

        latents = {name: rows["inputs"][name] for name in names}
        latents, _ = lax.fori_loop(0, wanted.steps, step, (latents, optimiser.init(latents)))
        return {**latents, DISTANCE: distance(weights, latents, rows)}

    return descend


def _within(experiment: Experiment, name: str, x: Array, prior: str) -> Array:
    """Latents [R, L] or codes [R], brought back to where the generator has been trained."""
    if name in experiment.game.controls:
        control = experiment.game.controls[name]
        return x.clip(control.low, control.high)
    if prior == "uniform":
        return x.clip(-1, 1)
    lengths = jnp.linalg.norm(x.reshape(len(x), -1), axis=1).reshape(-1, *[1] * (x.ndim - 1))
    return x * jnp.minimum(1, (np.sqrt(x[0].size) + MARGIN) / jnp.maximum(lengths, 1e-6))


def distances(experiment: Experiment, wanted: Projection) -> Callable[[Any, Mapping[str, Array], Rows], Array]:
    """(weights, latents, rows) -> [R]: mean squared difference of known pixels in [0, 1], of maps, and from `near`.

    A discriminator looks at the image with the sample in its holes. What a map differs by is relative to its own mean
    square.
    """
    game, numbers = experiment.game, experiment.spec.shape[2]
    make = sampler.in_evaluation(experiment, game.ask(sampler.drawing_ask(experiment)).do)
    maps = game.maps if wanted.features else None
    look = sampler.in_evaluation(experiment, lambda nets, seen: maps(nets, *seen)) if maps else None

    def distance(weights: Any, latents: Mapping[str, Array], rows: Rows) -> Array:
        inputs = {**rows["inputs"], **latents}
        x, target, known = make(weights, inputs), media.of(experiment.spec).decode(rows["target"]), rows["known"]
        value = (known * (x - target) ** 2).sum((1, 2, 3)) / (4 * numbers * known.sum((1, 2, 3)))
        if look:
            whole = known * target + (1 - known) * x
            pairs = zip(*(jax.tree.leaves(look(weights, (some, inputs))) for some in (x, whole)), strict=True)
            value += wanted.features * sum(_relative(a.reshape(len(a), -1), b.reshape(len(b), -1)) for a, b in pairs)
        if "near" in rows:
            away = [jnp.square(latents[name] - x).reshape(len(x), -1).mean(1) for name, x in rows["near"].items()]
            value += wanted.stay * sum(away)
        return value

    return distance


def _relative(a: Array, b: Array) -> Array:
    """|a - b|² / |b|² of each row: [R]."""
    return jnp.square(a - b).sum(1) / (lax.stop_gradient(jnp.square(b).sum(1)) + 1e-6)
