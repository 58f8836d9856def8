"""Introspective adversarial network: a GAN whose discriminator's features are also where an encoder begins."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import head, require_numbers
from gan_cli.games.vae import divergence, draw, normal, posterior
from gan_cli.types import Array, Aux, Batch, Ports, Spec, X

REAL, DRAWN, REBUILT = range(3)  # what the discriminator takes an example for


class Seen(NamedTuple):
    """What a step makes of a batch, and what the discriminator says and shows of it."""

    rebuilt: Array  # [B, ...]
    says: Mapping[int, Array]  # logits [B, 3] of the real, the drawn and the rebuilt examples
    shows: Mapping[int, Mapping[str, Array]]
    kl: Array  # KL(q(z|x) || p(z)) in nats, [B]


def ian(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    encoder: NetFactory,
    *,
    latent: PositiveInt = 100,  # size of the latent z, whose prior is N(0, I)
    adversarial: NonNegativeFloat = 1.0,  # λ_adv, of what the discriminator takes drawn and rebuilt examples for
    pixels: NonNegativeFloat = 3.0,  # λ_img, of the mean absolute difference between examples and rebuilt ones
    features: NonNegativeFloat = 1.0,  # λ_feature, of the mean squared difference of what the discriminator shows
    kl: NonNegativeFloat = 1.0,  # of KL(q(z|x) || p(z)) / latent, the mean over the numbers of z
    introspective: bool = True,  # the encoder sees the discriminator's features; False: the examples themselves
) -> Game:
    """G and E minimise λ_adv L_adv + λ_img E|x - G(E(x))| + λ_feature ‖D_l(x) - D_l(G(E(x)))‖² + KL; D minimises L_D.

    https://arxiv.org/abs/1609.07093, section 3.2; what is a mean follows its authors' code. L_D is the cross-entropy of
    three classes, real, drawn and rebuilt; L_adv = -E log D_real(G(z)) - E log D_real(G(E(x))). D is not trained by
    the encoder's losses: what the encoder has of its own are the layers after D's features, of which `mlp` with
    `hidden = []` is the paper's. Departures: none of its dilated convolutions, orthogonal regularisation and
    autoregressive flow, which belong to the networks.
    """
    require_numbers(spec)

    def encoded(nets: Nets, x: Array, inside: Mapping[str, Array]) -> Array:
        output: Array = nets["encoder"](inside["features"] if introspective else x)[0]
        return output

    def look(nets: Nets, batch: Batch) -> Seen:
        x = batch["x"]
        says, shows = {}, {}
        says[REAL], shows[REAL] = nets["discriminator"](x)
        q = posterior(encoded(nets, x, shows[REAL]))
        rebuilt = nets["generator"](q.mean + jnp.exp(q.log_sd) * normal(batch["seed"], (latent,)))[0]
        drawn = nets["generator"](batch["z"])[0]
        for kind, made in ((DRAWN, drawn), (REBUILT, rebuilt)):
            says[kind], shows[kind] = nets["discriminator"](made)
        return Seen(rebuilt, says, shows, divergence(q))

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        says = look(nets, batch).says
        right = {kind: _log_probability(logits, kind) for kind, logits in says.items()}
        accuracy = jnp.mean(jnp.stack([logits.argmax(axis=1) == kind for kind, logits in says.items()]))
        return -sum(right.values(), jnp.zeros(())), {"accuracy": accuracy}

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        seen = look(nets, batch)
        fooled = sum((-_log_probability(seen.says[kind], REAL) for kind in (DRAWN, REBUILT)), jnp.zeros(()))
        difference = jnp.abs(batch["x"] - seen.rebuilt).mean()
        pairs = zip(*(jax.tree.leaves(seen.shows[kind]) for kind in (REAL, REBUILT)), strict=True)
        inside = jnp.stack([jnp.square(a - b).mean() for a, b in pairs]).mean()
        divergent = seen.kl.mean()
        value = adversarial * fooled + pixels * difference + features * inside + kl * divergent / latent
        return value, {"pixels": difference, "features": inside, "kl": divergent}

    def encode(nets: Nets, x: Array) -> Mapping[str, Array]:
        return {"z": posterior(encoded(nets, x, nets["discriminator"](x)[1] if introspective else {})).mean}

    def decode(nets: Nets, z: Array) -> Array:
        made: Array = nets["generator"](z)[0]
        return made

    looking = partial(discriminator, Ports(spec.shape, (3,)))
    of_images = partial(encoder, Ports(spec.shape, (2 * latent,)))
    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape)),
            "discriminator": looking,
            "encoder": head(encoder, discriminator, spec, 2 * latent) if introspective else of_images,
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator", "encoder"), generator_loss),
        ),
        draw=partial(draw, latent),
        asks={
            "sample": Ask(lambda nets, batch: decode(nets, batch["z"])),
            "reconstruct": Ask(lambda nets, batch: decode(nets, encode(nets, batch[X])["z"]), (X,)),
        },
        latent=latent,
        decode=decode,
        encode=encode,
        maps=lambda nets, x, _: nets["discriminator"](x)[1],
        simultaneous=True,
    )


def _log_probability(logits: Array, kind: int) -> Array:
    """Mean log-probability [] of one of the classes."""
    return jax.nn.log_softmax(logits)[:, kind].mean()
