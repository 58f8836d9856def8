"""SeqGAN: the generator of tokens is a policy, and the discriminator's opinion of what it ends up with its reward."""

from functools import partial
from typing import Annotated

import jax
import jax.numpy as jnp
from jax import lax
from pydantic import Field, NonNegativeInt, PositiveInt

from gan_cli import devices, media
from gan_cli.games.game import Ask, Copy, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.types import Adversarial, Array, Aux, Batch, Ports, Spec


def seqgan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    pretrain: NonNegativeInt = 2000,  # steps of maximum likelihood, before all else
    pretrain_discriminator: NonNegativeInt = 500,  # steps after them in which D alone is trained
    generator_steps: PositiveInt = 15,  # steps of D, each on a new batch, for each of G
    rollouts: PositiveInt = 16,  # N: endings of each beginning that D is shown
    lag: Annotated[float, Field(ge=0, lt=1)] = 0.8,  # share of its weights that the policy of endings keeps at each
) -> Game:
    """grad = E sum over t of Q(y_1..t) grad log G(y_t | y_1..t-1); Q is the mean of D over N endings of y_1..t.

    https://arxiv.org/abs/1609.05473, equations 4, 6 and 8. Endings are written by a policy that follows G: at
    each of its steps it keeps `lag` of its own weights. Departure: a baseline is subtracted, the batch's mean Q at each
    place.
    """
    if media.of(spec).dtype != "int32":
        raise ValueError(f'its data are tokens, source = "oracle" say, and these are {media.of(spec).many}')
    length, begins = spec.shape[0], pretrain + pretrain_discriminator
    policy = partial(generator, Ports(spec.shape, (*spec.shape, len(spec.words)), words=len(spec.words)))

    def log_p(nets: Nets, x: Array) -> Array:
        """log G of each token, given those before it: [B, T]."""
        logits, _ = nets["generator"](x)
        return jnp.take_along_axis(jax.nn.log_softmax(logits), x[..., None], axis=-1)[..., 0]

    def written(nets: Nets, batch: Batch) -> Array:
        u = batch["u"]
        return nets.frozen("generator", method="write")(u, jnp.zeros(u.shape, jnp.int32), jnp.int32(0))

    def opinion(nets: Nets, x: Array) -> Array:
        """How real sequences [..., T] look to D, in (0, 1): [...]."""
        score, _ = nets.frozen("discriminator")(x.reshape(-1, length))
        return jax.nn.sigmoid(score).reshape(x.shape[:-1])

    def worth(nets: Nets, batch: Batch, y: Array) -> Array:
        """Q of each beginning of the sequences y [B, T], that of all of it included: [B, T]."""
        known, end = jnp.arange(1, length), nets.frozen("rollout", method="write")

        def by_one_ending(number: Array) -> Array:
            keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), number))(batch["seed"])
            u = jax.vmap(lambda key: jax.random.uniform(key, (length - 1, length)))(keys)  # [B, T - 1, T]
            endings = jax.vmap(end, in_axes=(1, None, 0), out_axes=1)(u, y, known)  # [B, T - 1, T]
            return opinion(nets, endings)

        early = lax.map(by_one_ending, jnp.arange(rollouts)).mean(axis=0)  # [B, T - 1]
        return jnp.concatenate([early, opinion(nets, y)[:, None]], axis=1)

    def likelihood_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        nll = -log_p(nets, batch["x"]).mean()
        return nll, {"nll": nll}  # nats a token

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real, _ = nets["discriminator"](batch["x"])
        fake, _ = nets["discriminator"](written(nets, batch))
        return loss.discriminator(real, fake), {"accuracy": jnp.mean(real > fake)}

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        y = written(nets, batch)
        q = worth(nets, batch, y)
        advantage = lax.stop_gradient(q - devices.mean(q.mean(axis=0)))
        return -jnp.mean(advantage * log_p(nets, y)), {"reward": q[:, -1].mean()}

    def draw(key: Array, n: int) -> dict[str, Array]:
        seeds = jax.random.bits(jax.random.fold_in(key, 1), (n,))
        return {"u": jax.random.uniform(key, (n, length)), "seed": seeds}

    return Game(
        networks={
            "generator": policy,
            "rollout": policy,
            "discriminator": partial(discriminator, Ports(spec.shape, (), words=len(spec.words))),
        },
        turns=(
            Turn("likelihood", ("generator",), likelihood_loss, stop=pretrain),
            Turn("discriminator", ("discriminator",), discriminator_loss, start=pretrain),
            Turn("generator", ("generator",), generator_loss, every=generator_steps, start=begins),
        ),
        draw=draw,
        asks={"sample": Ask(written)},
        density=lambda nets, batch: log_p(nets, batch["x"]).sum(axis=1),
        copies=(Copy("generator", "rollout", every=generator_steps, keep=lag),),
    )
