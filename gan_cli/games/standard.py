"""The standard game: a generator and a discriminator, one loss each. DCGAN, LSGAN and hinge GANs are its recipes."""

from functools import partial
from typing import Literal

import jax
from pydantic import PositiveInt

from gan_cli.games.game import Game, Memory, NetFactory, Nets, Turn
from gan_cli.types import Adversarial, Array, Aux, Batch, Key, Ports, Spec


def standard(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Literal["normal", "uniform"] = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    discriminator_steps: PositiveInt = 1,  # k: steps, each on a new batch, for each update of the generator
    simultaneous: bool = False,  # both players move from the same weights, instead of one after the other
) -> Game:
    """Two players: the discriminator tells real from fake, the generator is told how real its fakes look.

    https://arxiv.org/abs/1406.2661. A step is one update of the discriminator; the generator moves in every k-th.
    """

    def discriminator_loss(nets: Nets, batch: Batch, memory: Memory, key: Key) -> tuple[Array, Aux]:  # noqa: ARG001
        fake, _ = nets["generator"](batch["z"])
        real_score, _ = nets["discriminator"](batch["x"])
        fake_score, _ = nets["discriminator"](fake)
        report = {"real_score": real_score.mean(), "fake_score": fake_score.mean()}
        return loss.discriminator(real_score, fake_score), report

    def generator_loss(nets: Nets, batch: Batch, memory: Memory, key: Key) -> tuple[Array, Aux]:  # noqa: ARG001
        fake, _ = nets["generator"](batch["z"])
        real_score, _ = nets["discriminator"](batch["x"])  # dropped by the compiler where the loss ignores it
        fake_score, _ = nets["discriminator"](fake)
        return loss.generator(real_score, fake_score), {}

    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape)),
            "discriminator": partial(discriminator, Ports(spec.shape, ())),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator",), generator_loss, every=discriminator_steps),
        ),
        draw=lambda key, n: {"z": draw_latent(key, n, latent, prior)},
        sample=lambda nets, inputs: {"sample": nets["generator"](inputs["z"])[0]},
        simultaneous=simultaneous,
    )


def draw_latent(key: Key, n: int, size: int, prior: str) -> Array:
    """z ~ N(0, 1) or U(-1, 1): [n, size]."""
    if prior == "uniform":
        return jax.random.uniform(key, (n, size), minval=-1.0, maxval=1.0)
    return jax.random.normal(key, (n, size))
