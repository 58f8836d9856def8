"""f-GAN: the two players bound an f-divergence D_f(P || Q) = E_Q f(p/q) between data P and model Q from below.

F = E_P g_f(s) - E_Q f*(g_f(s)), https://arxiv.org/abs/1606.00709, equation 6: the discriminator maximises F. Its score
s becomes a point of f*'s domain by the output activation g_f of their table 2; F = D_f when g_f(s) = f'(p/q). The
generator minimises F (`objective = "saddle"`) or, by the trick of their section 3.2, maximises E_Q g_f(s) ("trick").

The public functions are the rows of their tables 1 and 2, and each returns an `Adversarial` on raw scores of any shape
([B], or [B, h, w] of patches); both losses are scalars, means over all scores.
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
    """Lambert's W(e^y), elementwise: the w > 0 with w + log w = y.

    Newton's method, then one more step, whose derivative is the exact one: at a root the derivative of a Newton step
    with respect to its starting point is 0.
    """
    w = jnp.where(y > 1, jnp.maximum(y, 1.0), jnp.exp(jnp.minimum(y, 1.0)))
    for _ in range(8):
        w = jnp.maximum(w * (1 + y - jnp.log(w)) / (1 + w), 1e-37)
    w = jax.lax.stop_gradient(w)
    return w * (1 + y - jnp.log(w)) / (1 + w)


def _jeffrey_conjugate(s: Array) -> Array:
    """f*(s) = 1 / w + w + s - 2 with w = W(e^(1 - s)), and 1 / w = e^(w - y) because w + log w = y."""
    w = _lambert(1 - s)
    return w + jnp.exp(w - (1 - s)) + s - 2


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
    """F, the lower bound on D_f that raw scores of data and of samples give: []."""
    return jnp.mean(divergence.activation(real_score)) - jnp.mean(divergence.conjugate(fake_score))


def _players(name: str, objective: Objective) -> Adversarial:
    divergence = DIVERGENCES[name]
    map_of_fakes = divergence.activation if objective == "trick" else divergence.conjugate
    return Adversarial(
        lambda real_score, fake_score: -bound(divergence, real_score, fake_score),
        lambda _, fake_score: -jnp.mean(map_of_fakes(fake_score)),
    )


def total_variation(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = |u - 1| / 2, the total variation distance: at most 1.

    g_f(s) = tanh(s) / 2, f*(t) = t.
    """
    return _players("total_variation", objective)


def kl(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = u log u, KL(P || Q): covers the data.

    g_f(s) = s, f*(t) = exp(t - 1). P is the distribution of the data, Q that of the samples.
    """
    return _players("kl", objective)


def reverse_kl(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = -log u, KL(Q || P): seeks a mode.

    g_f(s) = -exp(-s), f*(t) = -1 - log(-t).
    """
    return _players("reverse_kl", objective)


def pearson(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (u - 1)², the Pearson chi-square divergence.

    g_f(s) = s, f*(t) = t² / 4 + t.
    """
    return _players("pearson", objective)


def neyman(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (1 - u)² / u, the Neyman chi-square divergence.

    g_f(s) = 1 - exp(-s), f*(t) = 2 - 2 √(1 - t).
    """
    return _players("neyman", objective)


def squared_hellinger(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (√u - 1)², the squared Hellinger distance: at most 2.

    g_f(s) = 1 - exp(-s), f*(t) = t / (1 - t).
    """
    return _players("squared_hellinger", objective)


def jeffrey(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = (u - 1) log u, KL(P || Q) + KL(Q || P).

    g_f(s) = s, f*(t) = W(e^(1 - t)) + 1 / W(e^(1 - t)) + t - 2, W being Lambert's function.
    """
    return _players("jeffrey", objective)


def jensen_shannon(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = -(u + 1) log((1 + u) / 2) + u log u, twice the Jensen-Shannon divergence: at most 2 log 2.

    g_f(s) = log 2 - log(1 + exp(-s)), f*(t) = -log(2 - exp(t)).
    """
    return _players("jensen_shannon", objective)


def gan(*, objective: Objective = "saddle") -> Adversarial:
    """f(u) = u log u - (u + 1) log(u + 1), the 2014 game: Jensen-Shannon's minus log 4.

    g_f(s) = -log(1 + exp(-s)), f*(t) = -log(1 - exp(t)). With D = sigmoid(s), F = E log D(x) + E log(1 - D(G(z))).
    """
    return _players("gan", objective)
