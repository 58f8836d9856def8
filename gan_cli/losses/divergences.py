"""f-GAN: the two players bound an f-divergence D_f(P || Q) = E_Q f(p/q) between data P and model Q from below.

F = E_P g_f(s) - E_Q f*(g_f(s)), https://arxiv.org/abs/1606.00709, equation 6: the discriminator maximises F. Its score
s becomes a point of f*'s domain by the output activation g_f of their table 2; F = D_f when g_f(s) = f'(p/q). The
generator minimises F (`objective = "saddle"`) or, by the trick of their section 3.2, maximises E_Q g_f(s) ("trick").
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import softplus

from gan_cli.types import Adversarial, Array

Objective = Literal["saddle", "trick"]
Map = Callable[[Array], Array]


class Divergence(NamedTuple):
    """An f-divergence as f-GAN needs it; all maps are elementwise."""

    f: Map  # u = p/q > 0 -> f(u), convex, f(1) = 0 but for "gan"
    activation: Map  # g_f: score -> the domain of f*
    conjugate: Map  # s -> f*(g_f(s)), written as a function of the score so that nothing overflows on the way


def _lambert(y: Array) -> Array:
    """W(e^y), the w > 0 with w + log w = y: Newton's method, then one step whose derivative is the exact one."""

    def newton(w: Array, y: Array) -> Array:
        return w * (1 + y - jnp.log(w)) / (1 + w)

    w = jnp.where(y > 1, jnp.maximum(y, 1.0), jnp.exp(jnp.minimum(y, 1.0)))
    for _ in range(8):
        w = jnp.maximum(newton(w, y), 1e-37)
    return newton(jax.lax.stop_gradient(w), y)  # at a root its derivative with respect to w is 0


def _jeffrey_conjugate(s: Array) -> Array:
    w = _lambert(1 - s)
    return w + jnp.exp(w - (1 - s)) + s - 2  # 1 / w = e^(w - y), as w + log w = y


DIVERGENCES = {
    "total_variation": Divergence(
        f=lambda u: jnp.abs(u - 1) / 2,
        activation=lambda s: jnp.tanh(s) / 2,
        conjugate=lambda s: jnp.tanh(s) / 2,
    ),
    "kl": Divergence(
        f=lambda u: u * jnp.log(u),
        activation=lambda s: s,
        conjugate=lambda s: jnp.exp(s - 1),
    ),
    "reverse_kl": Divergence(
        f=lambda u: -jnp.log(u),
        activation=lambda s: -jnp.exp(-s),
        conjugate=lambda s: s - 1,
    ),
    "pearson": Divergence(
        f=lambda u: (u - 1) ** 2,
        activation=lambda s: s,
        conjugate=lambda s: s**2 / 4 + s,
    ),
    "neyman": Divergence(
        f=lambda u: (1 - u) ** 2 / u,
        activation=lambda s: 1 - jnp.exp(-s),
        conjugate=lambda s: 2 - 2 * jnp.exp(-s / 2),
    ),
    "squared_hellinger": Divergence(
        f=lambda u: (jnp.sqrt(u) - 1) ** 2,
        activation=lambda s: 1 - jnp.exp(-s),
        conjugate=lambda s: jnp.expm1(s),
    ),
    "jeffrey": Divergence(
        f=lambda u: (u - 1) * jnp.log(u),
        activation=lambda s: s,
        conjugate=_jeffrey_conjugate,
    ),
    "jensen_shannon": Divergence(
        f=lambda u: -(u + 1) * jnp.log((1 + u) / 2) + u * jnp.log(u),
        activation=lambda s: jnp.log(2) - softplus(-s),
        conjugate=lambda s: softplus(s) - jnp.log(2),
    ),
    "gan": Divergence(
        f=lambda u: u * jnp.log(u) - (u + 1) * jnp.log(u + 1),
        activation=lambda s: -softplus(-s),
        conjugate=lambda s: softplus(s),
    ),
}


def bound(divergence: Divergence, real_score: Array, fake_score: Array) -> Array:
    """F, the lower bound of D_f that the scores give: []."""
    return jnp.mean(divergence.activation(real_score)) - jnp.mean(divergence.conjugate(fake_score))


def _players(name: str, objective: Objective) -> Adversarial:
    divergence = DIVERGENCES[name]

    def generator(_: Array, fake_score: Array) -> Array:
        if objective == "trick":
            return -jnp.mean(divergence.activation(fake_score))
        return -jnp.mean(divergence.conjugate(fake_score))

    return Adversarial(lambda real_score, fake_score: -bound(divergence, real_score, fake_score), generator)


def total_variation(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = |u - 1| / 2, the total variation distance: at most 1."""
    return _players("total_variation", objective)


def kl(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = u log u, KL(P || Q): covers the data."""
    return _players("kl", objective)


def reverse_kl(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = -log u, KL(Q || P): seeks a mode."""
    return _players("reverse_kl", objective)


def pearson(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (u - 1)², the Pearson chi-square divergence."""
    return _players("pearson", objective)


def neyman(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (1 - u)² / u, the Neyman chi-square divergence."""
    return _players("neyman", objective)


def squared_hellinger(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (√u - 1)², the squared Hellinger distance: at most 2."""
    return _players("squared_hellinger", objective)


def jeffrey(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (u - 1) log u, KL(P || Q) + KL(Q || P)."""
    return _players("jeffrey", objective)


def jensen_shannon(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = -(u + 1) log((1 + u) / 2) + u log u, twice the Jensen-Shannon divergence: at most 2 log 2."""
    return _players("jensen_shannon", objective)


def gan(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = u log u - (u + 1) log(u + 1), the 2014 game: Jensen-Shannon's minus log 4."""
    return _players("gan", objective)
