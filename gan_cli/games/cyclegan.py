"""CycleGAN: two domains without pairs, each turned into the other and back."""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt

from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import Memory, NetFactory, Nets
from gan_cli.types import Adversarial, Array, Aux, Batch, Key, Ports, Spec


def cyclegan(
    a: Spec,
    b: Spec,
    g_ab: NetFactory,
    g_ba: NetFactory,
    d_a: NetFactory,
    d_b: NetFactory,
    *,
    loss: Adversarial,
    cycle: NonNegativeFloat = 10.0,  # λ, of the mean absolute difference after going there and back
    identity: NonNegativeFloat = 0.0,  # share of λ: what is of a domain already should stay as it is
    pool: NonNegativeInt = 50,  # earlier fakes of each domain of which the discriminators are shown some; 0: none
) -> Game:
    """Both adversarial losses + λ (E|G_ba(G_ab(a)) - a| + E|G_ab(G_ba(b)) - b|).

    https://arxiv.org/abs/1703.10593. Half of what the discriminators see as fakes come from a pool of earlier ones,
    which what they did not see now takes the place of. As in the authors' code both players move from the same weights.
    Raises ValueError for an identity term between domains of different shapes.
    """
    if identity and a.shape != b.shape:
        raise ValueError(f"identity = {identity} is for domains of one shape, and these have {a.shape} and {b.shape}")

    def generators_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real_a, real_b = batch["a_x"], batch["b_x"]
        fake_b, fake_a = nets["g_ab"](real_a)[0], nets["g_ba"](real_b)[0]
        adversarial = loss.generator(nets["d_b"](real_b)[0], nets["d_b"](fake_b)[0])
        adversarial += loss.generator(nets["d_a"](real_a)[0], nets["d_a"](fake_a)[0])
        back = _distance(nets["g_ba"](fake_b)[0], real_a) + _distance(nets["g_ab"](fake_a)[0], real_b)
        value = adversarial + cycle * back
        if identity:
            same = _distance(nets["g_ab"](real_b)[0], real_b) + _distance(nets["g_ba"](real_a)[0], real_a)
            value += identity * cycle * same
        return value, {"cycle": back, "adversarial": adversarial}

    def discriminators_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        made = {"a": nets["g_ba"](batch["b_x"])[0], "b": nets["g_ab"](batch["a_x"])[0]}
        value = jnp.zeros(())
        report: Aux = {}
        for domain, fakes in made.items():
            shown = _with_earlier(nets.memory, domain, fakes, batch) if pool else fakes
            real, fake = nets[f"d_{domain}"](batch[f"{domain}_x"])[0], nets[f"d_{domain}"](shown)[0]
            value += loss.discriminator(real, fake) / 2
            report |= {f"real_score_{domain}": real.mean(), f"fake_score_{domain}": fake.mean()}
        return value, {**report, **({**made, "coin": batch["coin"], "place": batch["place"]} if pool else {})}

    game = Game(
        networks={
            "g_ab": partial(g_ab, Ports(a.shape, b.shape)),
            "g_ba": partial(g_ba, Ports(b.shape, a.shape)),
            "d_a": partial(d_a, Ports(a.shape, ())),
            "d_b": partial(d_b, Ports(b.shape, ())),
        },
        turns=(
            Turn("generators", ("g_ab", "g_ba"), generators_loss),
            Turn("discriminators", ("d_a", "d_b"), discriminators_loss),
        ),
        draw=lambda key, n: _draw(key, n, pool) if pool else {},
        asks={
            "ab": Ask(lambda nets, batch: nets["g_ab"](batch["a_x"])[0], ("a_x",), like="b_x"),
            "ba": Ask(lambda nets, batch: nets["g_ba"](batch["b_x"])[0], ("b_x",), like="a_x"),
        },
        simultaneous=True,
    )
    if not pool:
        return game
    # of NumPy, whose zeros take no memory before a training begins
    empty = {
        **{name: np.zeros((pool, *own.shape), np.float32) for name, own in (("a", a), ("b", b))},
        "full": np.int32(0),
    }
    return game._replace(memory=empty, remember=_remembering(pool))


def _distance(made: Array, wanted: Array) -> Array:
    return jnp.abs(made - wanted).mean()


def _draw(key: Key, n: int, pool: int) -> dict[str, Array]:
    """For each example whether an earlier fake is shown in its fake's place, and which: no two the same one.

    A batch of more examples than the pool has places uses each place once.
    """
    coin, place = jax.random.split(key)
    return {
        "coin": jax.random.bernoulli(coin, 0.5, (n,)) & (jnp.arange(n) < pool),
        "place": jax.random.permutation(place, pool)[jnp.arange(n) % pool],
    }


def _with_earlier(memory: Memory, domain: str, fakes: Array, batch: Batch) -> Array:
    """The fakes [B, ...] with earlier ones in the place of some."""
    use = batch["coin"] & (batch["place"] < memory["full"])
    return jnp.where(use.reshape(-1, *[1] * (fakes.ndim - 1)), memory[domain][batch["place"]], fakes)


def _remembering(pool: int) -> Callable[[Memory, Mapping[str, Aux]], Memory]:
    """Fills the pool with fakes; when it is full, a fake takes the place of the one that was shown instead of it."""

    def remember(memory: Memory, reports: Mapping[str, Aux]) -> Memory:
        made = reports["discriminators"]
        n = len(made["place"])
        filling = memory["full"] < pool
        next_places = memory["full"] + jnp.arange(n)
        # past the end of the pool nothing is written
        at = jnp.where(filling, next_places, jnp.where(made["coin"], made["place"], pool))
        full = jnp.minimum(memory["full"] + n, pool)
        return {**{domain: memory[domain].at[at].set(made[domain], mode="drop") for domain in "ab"}, "full": full}

    return remember
