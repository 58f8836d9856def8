"""Feature matching: the generator matches the mean of what the discriminator sees, not its verdict."""

import jax.numpy as jnp
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli import devices
from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.standard import standard
from gan_cli.games.two_players import Prior
from gan_cli.types import Adversarial, Array, Aux, Batch, Spec


def feature_matching(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    adversarial: NonNegativeFloat = 0.0,  # weight of the loss's own term of G; 0: feature matching alone, the paper's
) -> Game:
    """The standard game, but G minimises |E f(x) - E f(G(z))|², f the discriminator's last hidden layer.

    https://arxiv.org/abs/1606.03498, section 3.1. The means are over the batches of all devices.
    """
    base = standard(spec, generator, discriminator, loss=loss, latent=latent, prior=prior)

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        fake, _ = nets["generator"](batch["z"])
        real_score, real_seen = nets["discriminator"](batch["x"])
        fake_score, fake_seen = nets["discriminator"](fake)
        distance = feature_distance(real_seen["features"], fake_seen["features"])
        value = distance + adversarial * loss.generator(real_score, fake_score) if adversarial else distance
        return value, {"feature_distance": distance}

    return base.with_turn("generator", loss=generator_loss)


def feature_distance(real: Array, fake: Array) -> Array:
    """|E f(x) - E f(G(z))|² of features [B, F]; the means are over the batches of all devices: []."""
    difference = devices.mean(real.mean(axis=0) - fake.mean(axis=0))  # [F]
    return jnp.sum(difference**2)
