"""MAD-GAN: several generators, and a discriminator that also tells which of them made a fake."""

import math
from functools import partial
from typing import Annotated

import jax
import jax.numpy as jnp
from pydantic import Field, PositiveInt

from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Prior, draw_latent
from gan_cli.types import Array, Aux, Batch, Control, Key, Ports, Spec


def mad(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    generators: Annotated[int, Field(ge=2)] = 3,  # k
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    saturating: bool = False,  # G minimises log(1 - D) as in the paper's equation 2, not -log D
) -> Game:
    """k generators with a common trunk; D has k + 1 outputs, "made by generator i" and "real", by softmax.

    L_D = -E log D_real(x) - mean_i E log D_i(G_i(z)); each G_i wants D_real(G_i(z)) large, and D, which must tell the
    generators apart, drives them to different modes. https://arxiv.org/abs/1704.02906, section 3. The generator's
    network is told which one it is by a label (`mlp.branched`); each example's is drawn with equal chances.
    """
    real = generators  # D's output for "real"

    def log_probabilities(nets: Nets, x: Array) -> Array:
        return jax.nn.log_softmax(nets["discriminator"](x)[0])  # [B, k + 1]

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        fake, _ = nets["generator"](batch["z"], batch["branch"])
        on_real, on_fake = log_probabilities(nets, batch["x"]), log_probabilities(nets, fake)
        own = jnp.take_along_axis(on_fake, batch["branch"][:, None], axis=1)
        report = {
            "accuracy": jnp.mean(on_real[:, real] > on_fake[:, real]),
            "told_apart": jnp.mean(on_fake[:, :real].argmax(axis=1) == batch["branch"]),
        }
        return -on_real[:, real].mean() - own.mean(), report

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        fake, _ = nets["generator"](batch["z"], batch["branch"])
        on_fake = log_probabilities(nets, fake)
        if saturating:
            return jax.nn.logsumexp(on_fake[:, :real], axis=1).mean(), {}  # log(1 - D_real)
        return -on_fake[:, real].mean(), {}

    def draw(key: Key, n: int) -> dict[str, Array]:
        branch = jax.random.randint(jax.random.fold_in(key, 1), (n,), 0, generators)
        return {"z": draw_latent(key, n, latent, prior), "branch": branch}

    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape, classes=generators)),
            "discriminator": partial(discriminator, Ports(spec.shape, (generators + 1,))),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator",), generator_loss),
        ),
        draw=draw,
        asks={"sample": Ask(lambda nets, inputs: nets["generator"](inputs["z"], inputs["branch"])[0])},
        controls={"branch": Control(generators, entropy=math.log(generators))},
    )
