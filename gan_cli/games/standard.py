"""The standard game: a generator and a discriminator, one loss each, and penalties on the discriminator's gradient.

DCGAN, LSGAN, hinge GANs, WGAN, WGAN-GP, DRAGAN, R1, f-GAN, PacGAN and spectral normalisation are its recipes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from pydantic import Field, PositiveInt

from gan_cli.games.game import Game, Memory, NetFactory, Nets, Turn
from gan_cli.types import Adversarial, Array, Aux, Batch, Key, Penalty, Ports, Spec

Prior = Literal["normal", "uniform"]
Share = Annotated[float, Field(ge=0, lt=0.5)]


def standard(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    discriminator_steps: PositiveInt = 1,  # k: steps, each on a new batch, for each update of the generator
    thorough: bool = False,  # 100 steps before each of the generator's first 25 updates and every 500th, as WGAN's code
    penalties: tuple[Penalty, ...] = (),  # added to the discriminator's loss
    packing: PositiveInt = 1,  # m: examples that the discriminator scores together; divides the batch
    label_noise: Share = 0.0,  # share of pairs (real, fake) whose labels the discriminator is told the wrong way round
    simultaneous: bool = False,  # both players move from the same weights, instead of one after the other
) -> Game:
    """Two players: the discriminator tells real from fake, the generator is told how real its fakes look.

    https://arxiv.org/abs/1406.2661. A step is one update of the discriminator; the generator moves in every k-th.
    Packing is PacGAN, https://arxiv.org/abs/1712.04086; `thorough` is the critic's schedule of the authors' code of
    https://arxiv.org/abs/1701.07875.
    """
    if simultaneous and any(penalty.every > 1 for penalty in penalties):
        raise ValueError("a penalty with every > 1 is its own move; with simultaneous = true it must have every = 1")
    if thorough and discriminator_steps == 1:
        raise ValueError("thorough = true is for critics of several steps; discriminator_steps = 5 would do")
    seeded = bool(penalties) or label_noise > 0
    packed = partial(pack, size=packing)

    def scores(nets: Nets, batch: Batch) -> tuple[Array, Array, Array]:
        """Scores of reals and of fakes, and the fakes as the discriminator saw them."""
        fake = packed(nets["generator"](batch["z"])[0])
        real_score, _ = nets["discriminator"](packed(batch["x"]))
        fake_score, _ = nets["discriminator"](fake)
        return real_score, fake_score, fake

    def discriminator_loss(nets: Nets, batch: Batch, memory: Memory, key: Key) -> tuple[Array, Aux]:  # noqa: ARG001
        real_score, fake_score, fake = scores(nets, batch)
        report = {
            "real_score": real_score.mean(),
            "fake_score": fake_score.mean(),
            "accuracy": jnp.mean(real_score > fake_score),  # of telling which of a pair is real: 0.5 is guessing
        }
        if label_noise:
            real_score, fake_score = _swap(real_score, fake_score, label_noise, batch["seed"][::packing])
        value = loss.discriminator(real_score, fake_score)
        eager = [penalty for penalty in penalties if penalty.every == 1]
        if not eager:
            return value, report
        penalty = _penalty(eager, nets, packed(batch["x"]), fake, batch["seed"][::packing])
        return value + penalty, {**report, "penalty": penalty}

    def generator_loss(nets: Nets, batch: Batch, memory: Memory, key: Key) -> tuple[Array, Aux]:  # noqa: ARG001
        real_score, fake_score, _ = scores(nets, batch)  # reals: dropped by the compiler where the loss ignores them
        return loss.generator(real_score, fake_score), {}

    def penalty_loss(due: Sequence[Penalty], nets: Nets, batch: Batch, *_: object) -> tuple[Array, Aux]:
        fake = packed(nets["generator"](batch["z"])[0])
        return _penalty(due, nets, packed(batch["x"]), fake, batch["seed"][::packing]), {}

    def draw(key: Key, n: int) -> dict[str, Array]:
        drawn = {"z": draw_latent(key, n, latent, prior)}
        if not seeded:
            return drawn
        # a seed for each example, so that penalties and noise are the same on any number of devices
        return {**drawn, "seed": jax.random.bits(jax.random.fold_in(key, 1), (n,))}

    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape)),
            "discriminator": partial(discriminator, Ports((*spec.shape[:-1], packing * spec.shape[-1]), ())),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            *_lazy_turns(penalties, penalty_loss),
            Turn(
                "generator",
                ("generator",),
                generator_loss,
                every=discriminator_steps,
                when=partial(_wgan_schedule, every=discriminator_steps) if thorough else None,
            ),
        ),
        draw=draw,
        sample=lambda nets, inputs: {"sample": nets["generator"](inputs["z"])[0]},
        per_example=("discriminator",) if penalties else (),
        together=packing,
        simultaneous=simultaneous,
    )


def pack(x: Array, size: int) -> Array:
    """Each `size` examples after one another as one, along the last axis: [B, ..., C] -> [B / size, ..., size C]."""
    if size == 1:
        return x
    packs = x.reshape(-1, size, *x.shape[1:])  # [B / size, size, ..., C]
    return jnp.concatenate([packs[:, i] for i in range(size)], axis=-1)


def draw_latent(key: Key, n: int, size: int, prior: Prior) -> Array:
    """z ~ N(0, 1) or U(-1, 1): [n, size]."""
    if prior == "uniform":
        return jax.random.uniform(key, (n, size), minval=-1.0, maxval=1.0)
    return jax.random.normal(key, (n, size))


def _lazy_turns(penalties: Sequence[Penalty], loss: Callable[..., tuple[Array, Aux]]) -> list[Turn]:
    """A turn for the penalties of each `every` > 1, with the discriminator's own optimiser."""
    return [
        Turn(
            f"penalty_{every}",
            ("discriminator",),
            partial(loss, [penalty for penalty in penalties if penalty.every == every]),
            every=every,
            optim="discriminator",
        )
        for every in sorted({penalty.every for penalty in penalties} - {1})
    ]


def _penalty(penalties: Sequence[Penalty], nets: Nets, real: Array, fake: Array, seeds: Array) -> Array:
    """The sum of the penalties, each as many times as steps pass between two of it."""

    def critic(x: Array) -> Array:
        score: Array = nets.frozen("discriminator")(x)[0]
        return score

    keys = jax.vmap(jax.random.key)(seeds)  # [B]
    terms = [p.every * p.term(critic, real, fake, keys) for p in penalties]
    return jnp.stack(terms).sum()


def _swap(real_score: Array, fake_score: Array, share: float, seeds: Array) -> tuple[Array, Array]:
    """The scores of reals and fakes [B, ...], those of a random share of the pairs exchanged."""
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), 1))(seeds)  # apart from the penalties'
    swapped = jax.vmap(jax.random.uniform)(keys) < share  # [B]
    swapped = swapped.reshape(-1, *[1] * (real_score.ndim - 1))  # [B, ...]
    return jnp.where(swapped, fake_score, real_score), jnp.where(swapped, real_score, fake_score)


def _wgan_schedule(step: Array, every: int) -> Array:
    """Whether the generator moves at `step`: after 100 steps for its first 25 updates and every 500th, else `every`."""
    first = 25 * 100 + 475 * every  # steps before update 500
    at = (step - first) % (100 + 499 * every)  # since the last multiple of 500 updates
    early = jnp.where(step < 25 * 100, (step + 1) % 100 == 0, (step - 25 * 100 + 1) % every == 0)
    late = jnp.where(at < 100, at == 99, (at - 100 + 1) % every == 0)
    return jnp.where(step < first, early, late)
