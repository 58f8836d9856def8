"""Unrolled GAN: the generator's loss is taken against the discriminator as it will be some updates later."""

from typing import Any, Literal

import jax
from jax import lax
from pydantic import NonNegativeInt, PositiveInt

from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.standard import standard
from gan_cli.games.two_players import Prior
from gan_cli.types import Adversarial, Array, Aux, Batch, Spec


def unrolled(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    unroll: NonNegativeInt = 5,  # k: updates of the discriminator that the generator looks ahead; 0: the standard game
    objective: Literal["saddle", "loss"] = "saddle",  # of G: minus the discriminator's loss (the paper's), or `loss`'s
    second_order: bool = True,  # False: the looked-ahead discriminator is a constant for the generator's gradient
    simultaneous: bool = False,  # both players move from the same weights, instead of one after the other
) -> Game:
    """G minimises f(θ_G, θ_D^k), θ_D^0 = θ_D, θ_D^(i+1) = what the discriminator's optimiser makes of θ_D^i.

    https://arxiv.org/abs/1611.02163, equations 7 and 8; all k updates see the step's batch and latents, as in the
    authors' code, and continue from the moments and counters at which the discriminator's optimiser stands. The
    gradient flows through the updates too (their equation 10, the second-order term); θ_D itself takes ordinary steps.
    """
    base = standard(spec, generator, discriminator, loss=loss, latent=latent, prior=prior, simultaneous=simultaneous)

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        fake, _ = nets["generator"](batch["z"])

        def scores(params: Any) -> tuple[Array, Array]:
            critic = nets.frozen("discriminator", params["discriminator"])
            return critic(batch["x"])[0], critic(fake)[0]

        def ahead(at: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
            params, state = at
            gradient = jax.grad(lambda p: loss.discriminator(*scores(p)))(params)
            return descent.move(gradient if second_order else lax.stop_gradient(gradient), params, state), None

        descent = nets.descents["discriminator"]
        now = {"discriminator": nets.variables["discriminator"].params}
        (params, _), _ = lax.scan(ahead, (now, descent.state), length=unroll)
        real_score, fake_score = scores(params)
        if objective == "saddle":
            return -loss.discriminator(real_score, fake_score), {}
        return loss.generator(real_score, fake_score), {}

    return base.with_turn("generator", loss=generator_loss)._replace(differentiates=("discriminator",))
