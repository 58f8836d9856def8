"""Energy-based GANs: the discriminator is an auto-encoder, and its reconstruction error the energy of an example.

An energy is the mean error over an example's values, squared or absolute; margins are in its units. D wants the data
to have low energy and fakes high; G wants its fakes low. The three games differ in how far up D pushes the fakes.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import jax.numpy as jnp
from jax.lax import rsqrt
from jax.nn import relu
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from gan_cli import devices
from gan_cli.games.game import Ask, Game, Loss, Turn
from gan_cli.games.networks import Memory, NetFactory, Nets
from gan_cli.games.two_players import Prior, decoder, draw_latent, require_numbers
from gan_cli.types import Array, Aux, Batch, Ports, Spec

Error = Literal["squared", "absolute"]
ERRORS = {"squared": jnp.square, "absolute": jnp.abs}
Ratio = Annotated[float, Field(gt=0, le=1)]


def ebgan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    margin: PositiveFloat = 1.0,  # m: energy up to which fakes are pushed
    pull_away: NonNegativeFloat = 0.0,  # weight of the pulling-away term; the paper's EBGAN-PT has 0.1
    error: Error = "squared",  # of a value
) -> Game:
    """L_D = D(x) + max(0, m - D(G(z))), L_G = D(G(z)), D the energy; at the equilibrium L_D = m.

    https://arxiv.org/abs/1609.03126, equations 1 and 2. The pulling-away term (equation 4) is the mean squared cosine
    between the codes of different fakes, over the batches of all devices.
    """

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real, fake, _ = _energies(nets, batch, error)
        return real.mean() + relu(margin - fake).mean(), _report(real, fake)

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        _, fake, code = _energies(nets, batch, error)
        similarity = pulling_away(code)
        value = fake.mean() + pull_away * similarity if pull_away else fake.mean()
        return value, {"similarity": similarity}

    return _game(spec, generator, discriminator, latent, prior, discriminator_loss, generator_loss)


def began(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    latent: PositiveInt = 64,  # size of the latent z
    prior: Prior = "uniform",  # z ~ N(0, 1) or U(-1, 1), independent components
    gamma: Ratio = 0.5,  # γ: E L(G(z)) / E L(x) at the equilibrium; small: good samples of little variety
    lambda_k: PositiveFloat = 1e-3,  # λ_k: how fast k follows
    error: Error = "absolute",  # of a value
) -> Game:
    """L_D = L(x) - k L(G(z)), L_G = L(G(z)), L the energy; k ← clip(k + λ_k (γ L(x) - L(G(z))), 0, 1), from 0.

    https://arxiv.org/abs/1703.10717, section 3.4. Reports the convergence measure M = L(x) + |γ L(x) - L(G(z))|, which
    falls as training goes on. Departure: both turns of a step see the same latents, the paper draws D's anew.
    """

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real, fake, _ = _energies(nets, batch, error)
        return real.mean() - nets.memory["k"] * fake.mean(), {**_report(real, fake), "k": nets.memory["k"]}

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real, fake, _ = _energies(nets, batch, error)
        real_mean, fake_mean = devices.mean((real.mean(), fake.mean()))
        balance = gamma * real_mean - fake_mean
        return fake.mean(), {"balance": balance, "measure": real_mean + jnp.abs(balance)}

    made = _game(spec, generator, discriminator, latent, prior, discriminator_loss, generator_loss)
    return made._replace(
        memory={"k": 0.0},
        remember=lambda memory, reports: {
            "k": jnp.clip(memory["k"] + lambda_k * reports["generator"]["balance"], 0.0, 1.0)
        },
    )


def magan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    pretrain: PositiveInt = 1000,  # steps in which the auto-encoder alone is trained; the paper has 2 epochs
    epoch: PositiveInt = 500,  # steps between two looks at the margin
    error: Error = "squared",  # of a value
) -> Game:
    """EBGAN whose margin m starts at E D(x) after pre-training, and falls to it after an epoch when G has caught up.

    After an epoch with mean energies e_x of data and e_z of fakes: m ← e_x if e_x < m, e_x < e_z and e_z is larger than
    an epoch before. https://arxiv.org/abs/1704.03817, algorithm 1. Departure: m0 is the mean over the last `epoch`
    steps of pre-training (over all of them if there are fewer), not a further pass over the data.
    """

    def pretrain_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        energy = _energy(nets, batch["x"], error)[0].mean()
        return energy, {"real_energy": energy}

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real, fake, _ = _energies(nets, batch, error)
        report = {**_report(real, fake), "margin": nets.memory["margin"]}
        return real.mean() + relu(nets.memory["margin"] - fake).mean(), report

    made = _game(
        spec,
        generator,
        discriminator,
        latent,
        prior,
        discriminator_loss,
        generator_loss=lambda nets, batch: (_energies(nets, batch, error)[1].mean(), {}),
    )
    made = made.with_turn("discriminator", start=pretrain).with_turn("generator", start=pretrain)
    warm = Turn("pretrain", ("discriminator",), pretrain_loss, stop=pretrain, optim="discriminator")
    zeros = dict.fromkeys(("margin", "step", "steps", "real", "fake", "fake_before"), 0.0)
    return made._replace(
        turns=(warm, *made.turns),
        memory=zeros,
        remember=partial(adapt_margin, pretrain=pretrain, epoch=epoch),
    )


def adapt_margin(memory: Mapping[str, Any], reports: Mapping[str, Aux], *, pretrain: int, epoch: int) -> Memory:
    """MAGAN's memory after a step: sums of energies since the last look, and the margin, in units of the energy.

    https://arxiv.org/abs/1704.03817, algorithm 1. `pretrain` and `epoch` are numbers of steps, as in `magan`.
    """
    warming = memory["step"] < pretrain
    played = reports["discriminator"]
    step, steps = memory["step"] + 1, memory["steps"] + 1
    real = memory["real"] + jnp.where(warming, reports["pretrain"]["real_energy"], played["real_energy"])
    fake = memory["fake"] + jnp.where(warming, 0.0, played["fake_energy"])
    mean_real, mean_fake = real / steps, fake / steps

    caught_up = (mean_real < memory["margin"]) & (mean_real < mean_fake) & (memory["fake_before"] < mean_fake)
    look = jnp.where(warming, (step == pretrain) | ((pretrain - step) % epoch == 0), (step - pretrain) % epoch == 0)
    margin = jnp.where(look & (warming | caught_up), mean_real, memory["margin"])
    return {
        "margin": margin,
        "step": step,
        "steps": jnp.where(look, 0.0, steps),
        "real": jnp.where(look, 0.0, real),
        "fake": jnp.where(look, 0.0, fake),
        "fake_before": jnp.where(look & jnp.logical_not(warming), mean_fake, memory["fake_before"]),
    }


def pulling_away(code: Array) -> Array:
    """Mean squared cosine between the codes [B, F] of different examples, over all devices: [].

    https://arxiv.org/abs/1609.03126, equation 4.
    """
    # the root of a square kept from 0: a code of zeros then has a gradient, and it is finite
    unit = code * rsqrt(jnp.maximum(jnp.sum(code**2, axis=1, keepdims=True), 1e-16))
    every = devices.gather(unit)  # [all B, F]
    n = len(every)
    squares = jnp.sum((unit @ every.T) ** 2) - jnp.sum(jnp.sum(unit**2, axis=1) ** 2)  # no code with itself
    return squares / (len(unit) * (n - 1))


def _energy(nets: Nets, x: Array, error: Error) -> tuple[Array, Array]:
    """The energies [B] and the codes [B, F] of examples."""
    rebuilt, seen = nets["discriminator"](x)
    return ERRORS[error](rebuilt - x).reshape(len(x), -1).mean(axis=1), seen["features"]


def _energies(nets: Nets, batch: Batch, error: Error) -> tuple[Array, Array, Array]:
    """The energies of reals [B] and of fakes [B], and the fakes' codes [B, F]."""
    fake, _ = nets["generator"](batch["z"])
    real_energy, _ = _energy(nets, batch["x"], error)
    fake_energy, code = _energy(nets, fake, error)
    return real_energy, fake_energy, code


def _report(real: Array, fake: Array) -> Aux:
    """Mean energies of reals and fakes [B], and the share of pairs that the energies tell apart."""
    return {"real_energy": real.mean(), "fake_energy": fake.mean(), "accuracy": jnp.mean(real < fake)}


def _game(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    latent: int,
    prior: Prior,
    discriminator_loss: Loss,
    generator_loss: Loss,
) -> Game:
    """A generator and an auto-encoder as its discriminator, each with a turn of its own at every step."""
    require_numbers(spec)
    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape)),
            "discriminator": partial(discriminator, Ports(spec.shape, spec.shape)),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator",), generator_loss),
        ),
        draw=lambda key, n: {"z": draw_latent(key, n, latent, prior)},
        asks={"sample": Ask(lambda nets, inputs: nets["generator"](inputs["z"])[0])},
        latent=latent,
        decode=decoder(prior),
    )
