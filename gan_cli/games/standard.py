"""The standard game: a generator and a discriminator, one loss each, and penalties on the discriminator's gradient.

DCGAN, LSGAN, hinge GANs, WGAN, WGAN-GP, DRAGAN and R1 are its recipes.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from pydantic import PositiveInt

from gan_cli.games.game import Game, Loss, Memory, NetFactory, Nets, Turn
from gan_cli.types import Adversarial, Array, Aux, Batch, Key, Penalty, Ports, Spec

Prior = Literal["normal", "uniform"]


def standard(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    discriminator_steps: PositiveInt = 1,  # k: steps, each on a new batch, for each update of the generator
    penalties: tuple[Penalty, ...] = (),  # added to the discriminator's loss
    simultaneous: bool = False,  # both players move from the same weights, instead of one after the other
) -> Game:
    """Two players: the discriminator tells real from fake, the generator is told how real its fakes look.

    https://arxiv.org/abs/1406.2661. A step is one update of the discriminator; the generator moves in every k-th.
    """
    if simultaneous and any(penalty.every > 1 for penalty in penalties):
        raise ValueError("a penalty with every > 1 is its own move; with simultaneous = true it must have every = 1")
    eager = [penalty for penalty in penalties if penalty.every == 1]

    def discriminator_loss(nets: Nets, batch: Batch, memory: Memory, key: Key) -> tuple[Array, Aux]:  # noqa: ARG001
        fake, _ = nets["generator"](batch["z"])
        real_score, _ = nets["discriminator"](batch["x"])
        fake_score, _ = nets["discriminator"](fake)
        value = loss.discriminator(real_score, fake_score)
        report = {"real_score": real_score.mean(), "fake_score": fake_score.mean()}
        if not eager:
            return value, report
        penalty = _penalty(eager, nets, batch, fake)
        return value + penalty, {**report, "penalty": penalty}

    def generator_loss(nets: Nets, batch: Batch, memory: Memory, key: Key) -> tuple[Array, Aux]:  # noqa: ARG001
        fake, _ = nets["generator"](batch["z"])
        real_score, _ = nets["discriminator"](batch["x"])  # dropped by the compiler where the loss ignores it
        fake_score, _ = nets["discriminator"](fake)
        return loss.generator(real_score, fake_score), {}

    def draw(key: Key, n: int) -> dict[str, Array]:
        drawn = {"z": draw_latent(key, n, latent, prior)}
        if not penalties:
            return drawn
        # a seed for each example, so that penalties draw the same on any number of devices
        return {**drawn, "seed": jax.random.bits(jax.random.fold_in(key, 1), (n,))}

    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape)),
            "discriminator": partial(discriminator, Ports(spec.shape, ())),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            *_lazy_turns(penalties),
            Turn("generator", ("generator",), generator_loss, every=discriminator_steps),
        ),
        draw=draw,
        sample=lambda nets, inputs: {"sample": nets["generator"](inputs["z"])[0]},
        per_example=("discriminator",) if penalties else (),
        simultaneous=simultaneous,
    )


def draw_latent(key: Key, n: int, size: int, prior: Prior) -> Array:
    """z ~ N(0, 1) or U(-1, 1): [n, size]."""
    if prior == "uniform":
        return jax.random.uniform(key, (n, size), minval=-1.0, maxval=1.0)
    return jax.random.normal(key, (n, size))


def _lazy_turns(penalties: Sequence[Penalty]) -> list[Turn]:
    """A turn for the penalties of each `every` > 1, with the discriminator's own optimiser."""

    def loss(due: Sequence[Penalty]) -> Loss:
        def value(nets: Nets, batch: Batch, memory: Memory, key: Key) -> tuple[Array, Aux]:  # noqa: ARG001
            fake, _ = nets["generator"](batch["z"])
            return _penalty(due, nets, batch, fake), {}

        return value

    lazy = sorted({penalty.every for penalty in penalties} - {1})
    return [
        Turn(
            f"penalty_{every}",
            ("discriminator",),
            loss([penalty for penalty in penalties if penalty.every == every]),
            every=every,
            optim="discriminator",
        )
        for every in lazy
    ]


def _penalty(penalties: Sequence[Penalty], nets: Nets, batch: Batch, fake: Array) -> Array:
    """The sum of the penalties, each as many times as steps pass between two of it."""

    def critic(x: Array) -> Array:
        score: Array = nets.frozen("discriminator")(x)[0]
        return score

    keys = jax.vmap(jax.random.key)(batch["seed"])  # [B]
    terms = [p.every * p.term(critic, batch["x"], fake, keys) for p in penalties]
    return jnp.stack(terms).sum()
