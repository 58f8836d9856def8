"""Fisher GAN: the critic's mean difference, measured in units of its own spread."""

import jax.numpy as jnp
from pydantic import PositiveFloat, PositiveInt

from gan_cli import devices
from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.standard import standard
from gan_cli.games.two_players import Prior
from gan_cli.losses.adversarial import wasserstein
from gan_cli.types import Array, Aux, Batch, Spec


def fisher(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    discriminator_steps: PositiveInt = 1,  # n_c: the critic's steps for each update of the generator
    rho: PositiveFloat = 1e-6,  # ρ: weight of the quadratic term, and step of the multiplier
) -> Game:
    """The critic maximises Ê = E s(x) - E s(G(z)) subject to Ω = ½ E s(x)² + ½ E s(G(z))² = 1; G minimises Ê.

    It climbs the augmented Lagrangian Ê + λ(1 - Ω) - ρ/2 (Ω - 1)², and after each of its updates λ ← λ - ρ(1 - Ω), from
    0: too wide a critic (Ω > 1) raises λ. https://arxiv.org/abs/1705.09675, algorithm 1. Means are over all devices.
    """
    base = standard(
        spec,
        generator,
        discriminator,
        loss=wasserstein(),
        latent=latent,
        prior=prior,
        discriminator_steps=discriminator_steps,
    )

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        fake, _ = nets["generator"](batch["z"])
        real_score, _ = nets["discriminator"](batch["x"])
        fake_score, _ = nets["discriminator"](fake)
        difference, omega = devices.mean(
            (real_score.mean() - fake_score.mean(), (jnp.mean(real_score**2) + jnp.mean(fake_score**2)) / 2)
        )
        lagrangian = difference + nets.memory["multiplier"] * (1 - omega) - rho / 2 * (omega - 1) ** 2
        return -lagrangian, {
            "accuracy": jnp.mean(real_score > fake_score),
            "ipm": difference / jnp.sqrt(omega + 1e-12),
            "omega": omega,
            "multiplier": nets.memory["multiplier"],
        }

    return base.with_turn("discriminator", loss=discriminator_loss)._replace(
        memory={"multiplier": 0.0},
        remember=lambda memory, reports: {
            "multiplier": memory["multiplier"] - rho * (1 - reports["discriminator"]["omega"])
        },
    )
