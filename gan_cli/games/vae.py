"""Variational auto-encoder: an encoder and a decoder that together raise a lower bound of log p(x)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import logsumexp
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from gan_cli import media
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets, bounded_by
from gan_cli.types import Array, Aux, Batch, Key, Ports, Spec, X

LOG_2PI = math.log(2 * math.pi)
MOST_LOG_SD = 8.0  # of q, either way: exp of twice it is finite in any precision


def vae(
    spec: Spec,
    encoder: NetFactory,
    decoder: NetFactory,
    *,
    latent: PositiveInt = 20,  # size of the latent z, whose prior is N(0, I)
    observation: Literal["gaussian", "bernoulli"] = "gaussian",  # p(x|z): N(mean, width² I), or of black and white
    width: PositiveFloat = 0.1,  # the Gaussian's standard deviation, of pixels in [0, 1] or of vectors as they are
    beta: NonNegativeFloat = 1.0,  # weight of KL(q(z|x) || p(z)); 1: the bound itself
    ramp: NonNegativeInt = 0,  # steps in which that weight rises from 0
    importance: PositiveInt = 50,  # k: draws of z for each example whose density is asked for
) -> Game:
    """-ELBO = -E_q log p(x|z) + KL(q(z|x) || N(0, I)), q a Gaussian with diagonal covariance, one draw an example.

    https://arxiv.org/abs/1312.6114, equation 10. The decoder ends linearly ("mlp"): its output is the mean of x in
    [-1, 1] of a Gaussian, logits of a Bernoulli. Samples and reconstructions are means of p(x|z). The density is the
    importance-weighted bound, https://arxiv.org/abs/1509.00519, equation 8, which rises to log p(x) with k. A Bernoulli
    has one of images of two levels alone ([data] binarise): of greys it is a cross-entropy that nothing compares with.
    """
    see = observer(spec, observation, width)
    decoder_of = partial(decoder, Ports((latent,), spec.shape))
    if observation == "bernoulli" and (bound := bounded_by(decoder_of, (latent,))):
        raise ValueError(
            f'observation = "bernoulli" takes what the decoder makes for logits, and {bound} at its end keeps these '
            'within (-1, 1): [networks.decoder] net = "mlp", output = "linear" would do, or observation = "gaussian"'
        )

    def loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        q = posterior(nets["encoder"](batch["x"])[0])
        z = q.mean + jnp.exp(q.log_sd) * normal(batch["seed"], (latent,))
        fit = see.log_p(nets["decoder"](z)[0], batch["x"]).mean()
        kl = divergence(q).mean()
        weight = beta * jnp.minimum(1.0, (nets.step + 1) / ramp) if ramp else beta
        return weight * kl - fit, {"kl": kl, "fit": fit, "elbo": fit - kl}

    def density(nets: Nets, batch: Batch) -> Array:
        q = posterior(nets["encoder"](batch["x"])[0])
        decode, draws = nets.frozen("decoder"), normal(batch["seed"], (importance, latent))

        def log_weight(e: Array) -> Array:
            """log p(x, z) / q(z|x) of one z an example, from e [B, L]: [B]."""
            z = q.mean + jnp.exp(q.log_sd) * e
            ratio = jnp.sum(0.5 * (e**2 - z**2) + q.log_sd, axis=1)  # log p(z) / q(z|x)
            return ratio + see.log_p(decode(z)[0], batch["x"])

        each = lax.map(log_weight, draws.swapaxes(0, 1))  # [k, B]
        return logsumexp(each, axis=0) - math.log(importance) - see.unit

    def encode(nets: Nets, x: Array) -> dict[str, Array]:
        return {"z": posterior(nets["encoder"](x)[0]).mean}

    def decode(nets: Nets, z: Array) -> Array:
        return see.mean(nets["decoder"](z)[0])

    return Game(
        networks={
            "encoder": partial(encoder, Ports(spec.shape, (2 * latent,))),
            "decoder": decoder_of,
        },
        turns=(Turn("vae", ("encoder", "decoder"), loss),),
        draw=partial(draw, latent),
        asks={
            "sample": Ask(lambda nets, batch: decode(nets, batch["z"])),
            "reconstruct": Ask(lambda nets, batch: decode(nets, encode(nets, batch["x"])["z"]), (X,)),
        },
        latent=latent,
        decode=decode,
        encode=encode,
        density=density if see.is_likelihood else None,
    )


def draw(latent: int, key: Key, n: int) -> dict[str, Array]:
    """Latents of samples, and a seed for each example, of which its draws from q are made."""
    return {
        "z": jax.random.normal(key, (n, latent)),
        "seed": jax.random.bits(jax.random.fold_in(key, 1), (n,)),
    }


def normal(seeds: Array, shape: tuple[int, ...]) -> Array:
    """Draws from N(0, 1), those of each example from a seed of its own: [B, *shape]."""
    return jax.vmap(lambda seed: jax.random.normal(jax.random.key(seed), shape))(seeds)


class Posterior(NamedTuple):
    """q(z|x) = N(mean, sd² I) of each example: [B, L] each."""

    mean: Array
    log_sd: Array


def posterior(output: Array) -> Posterior:
    """What an encoder's output [B, 2 L] says of z."""
    mean, log_sd = jnp.split(output, 2, axis=1)
    return Posterior(mean, log_sd.clip(-MOST_LOG_SD, MOST_LOG_SD))


def divergence(q: Posterior) -> Array:
    """KL(q || N(0, I)) in nats: [B]."""
    return 0.5 * jnp.sum(q.mean**2 + jnp.exp(2 * q.log_sd) - 1 - 2 * q.log_sd, axis=1)


class Observer(NamedTuple):
    """How x is seen through a decoder's output."""

    log_p: Callable[[Array, Array], Array]  # (output, x) -> log p(x|z) in nats, x as games see it: [B]
    mean: Callable[[Array], Array]  # output -> the mean of x, as games make it
    unit: float  # to subtract from log p for that of an example as it is stored
    is_likelihood: bool  # whether log p is one of what is stored


def observer(spec: Spec, observation: Literal["gaussian", "bernoulli"], width: float) -> Observer:
    """The observation model for such examples; raises ValueError where it does not fit them."""
    stored = media.of(spec)
    is_grey = stored.dtype == "uint8"
    if stored.dtype == "int32" or (observation == "bernoulli" and not is_grey):
        raise ValueError(f'observation = "{observation}" is not for {stored.many}')
    if observation == "bernoulli":
        return Observer(_bernoulli, lambda output: 2 * jax.nn.sigmoid(output) - 1, 0.0, spec.levels == 2)
    sd = 2 * width if is_grey else width  # of x in [-1, 1]
    # a density counts per unit of x, and a stored level is 2 / (levels - 1) of them wide
    unit = math.prod(spec.shape) * math.log(((spec.levels or 256) - 1) / 2) if is_grey else 0.0
    return Observer(partial(_gaussian, sd), lambda output: output, unit, is_likelihood=True)


def _bernoulli(logits: Array, x: Array) -> Array:
    """Σ log p of x in [-1, 1], as the share of white in it: [B]."""
    each = (x + 1) / 2 * logits - jax.nn.softplus(logits)
    return each.reshape(len(x), -1).sum(axis=1)


def _gaussian(sd: float, mean: Array, x: Array) -> Array:
    each = -0.5 * ((x - mean) / sd) ** 2 - math.log(sd) - 0.5 * LOG_2PI
    return each.reshape(len(x), -1).sum(axis=1)
