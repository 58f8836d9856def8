"""Mode-regularised GAN: an encoder shows the generator where the data are."""

from functools import partial

import jax.numpy as jnp
from jax.nn import softplus
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.standard import standard
from gan_cli.games.two_players import Prior
from gan_cli.types import Adversarial, Array, Aux, Batch, Ports, Spec


def mrgan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    encoder: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z, and of the encoder's output
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    reconstruction: NonNegativeFloat = 0.2,  # λ1, of the mean squared error between x and G(E(x))
    mode: NonNegativeFloat = 0.2,  # λ2, of -log D(G(E(x))): reconstructions of every mode are to look real
) -> Game:
    """The standard game; G and E together also minimise λ1 d(x, G(E(x))) - λ2 log D(G(E(x))).

    https://arxiv.org/abs/1612.02136, section 3.2 (Reg-GAN). As printed there the second term has the other sign, which
    would drive reconstructions away from the data; the text ("encourages") and this game mean -λ2 log D. Departure:
    encoder and generator move in one turn, with the optimiser [optimisers.generator].
    """
    base = standard(spec, generator, discriminator, loss=loss, latent=latent, prior=prior)
    standard_loss = base.turn("generator").loss

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        adversarial, report = standard_loss(nets, batch)
        code, _ = nets["encoder"](batch["x"])
        rebuilt, _ = nets.frozen("generator")(code)  # batch statistics are to be those of samples
        score, _ = nets["discriminator"](rebuilt)
        error = jnp.mean((rebuilt - batch["x"]) ** 2)
        looks = jnp.mean(softplus(-score))  # -log D
        return adversarial + reconstruction * error + mode * looks, {
            **report,
            "reconstruction": error,
            "rebuilt_score": score.mean(),
        }

    made = base.with_turn("generator", trains=("generator", "encoder"), loss=generator_loss)
    return made._replace(networks={**base.networks, "encoder": partial(encoder, Ports(spec.shape, (latent,)))})
