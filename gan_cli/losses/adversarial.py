"""What the discriminator and the generator minimise: pairs of scalar losses on raw scores s (logits).

Each function returns an `Adversarial`: two pure functions (real_score, fake_score) -> float32 scalar. Scores may be any
real numbers and have any shape ([B], or [B, h, w] for a patch discriminator); every loss is a mean over all of them.
The 2014 game is written with softplus: -log sigmoid(s) = softplus(-s) and -log(1 - sigmoid(s)) = softplus(s).
"""

from functools import partial
from typing import Annotated

import jax.numpy as jnp
from jax.nn import relu, softplus
from pydantic import Field

from gan_cli.types import Adversarial, Array

Target = Annotated[float, Field(gt=0.5, le=1)]


def _cross_entropy(real_score: Array, fake_score: Array, real_target: float) -> Array:
    """The discriminator's loss in the 2014 game, D = sigmoid(score): -E log D(x) - E log(1 - D(G(z))).

    One-sided label smoothing, https://arxiv.org/abs/1606.03498, section 3.4, gives reals the target t = `real_target`:
    -E [t log D(x) + (1 - t) log(1 - D(x))]. Fakes are never smoothed: the optimal D, (t p_data + β p_model) / (p_data +
    p_model), would then keep G where its samples already are.
    """
    real = real_target * softplus(-real_score) + (1 - real_target) * softplus(real_score)
    return jnp.mean(real) + jnp.mean(softplus(fake_score))


def minimax(*, real_target: Target = 1.0) -> Adversarial:  # what D wants for reals; below 1: one-sided label smoothing
    """The saturating game of the 2014 paper: G minimises E log(1 - D(G(z))); dL_G/ds = -sigmoid(s).

    L_D = -E log D(x) - E log(1 - D(G(z))). https://arxiv.org/abs/1406.2661, equation 1.
    """
    return Adversarial(
        partial(_cross_entropy, real_target=real_target), lambda _, fake_score: -jnp.mean(softplus(fake_score))
    )


def non_saturating(*, real_target: Target = 1.0) -> Adversarial:  # as for minimax
    """G maximises E log D(G(z)) instead, so that its gradient is strong when D wins; dL_G/ds = -sigmoid(-s).

    L_D as in `minimax`. https://arxiv.org/abs/1406.2661, section 3.
    """
    return Adversarial(
        partial(_cross_entropy, real_target=real_target), lambda _, fake_score: jnp.mean(softplus(-fake_score))
    )


def maximum_likelihood(*, real_target: Target = 1.0) -> Adversarial:  # as for minimax
    """G minimises -E exp(s), which is KL(p_data || p_model) in expectation when D is optimal; dL_G/ds = -exp(s).

    L_D as in `minimax`. https://arxiv.org/abs/1412.6515. The variance of exp(s) is large: expect unsteady training.
    """
    return Adversarial(
        partial(_cross_entropy, real_target=real_target), lambda _, fake_score: -jnp.mean(jnp.exp(fake_score))
    )


def least_squares(
    *,
    fake_target: float = 0.0,  # a: what D wants for fakes
    real_target: float = 1.0,  # b: what D wants for reals
    generator_target: float = 1.0,  # c: what G wants for fakes
) -> Adversarial:
    """LSGAN: both sides regress scores on targets (a, b, c); (-1, 1, 0) minimises the Pearson chi-square divergence.

    L_D = ½ E (s(x) - b)² + ½ E (s(G(z)) - a)², L_G = ½ E (s(G(z)) - c)². https://arxiv.org/abs/1611.04076, equation 2.
    """

    def discriminator(real_score: Array, fake_score: Array) -> Array:
        return 0.5 * (jnp.mean((real_score - real_target) ** 2) + jnp.mean((fake_score - fake_target) ** 2))

    return Adversarial(discriminator, lambda _, fake_score: 0.5 * jnp.mean((fake_score - generator_target) ** 2))


def wasserstein() -> Adversarial:
    """The critic estimates the earth mover's distance: L_D = E s(G(z)) - E s(x), L_G = -E s(G(z)).

    https://arxiv.org/abs/1701.07875, equation 3 and algorithm 1. The critic must be kept Lipschitz: clip its weights or
    penalise its gradient.
    """
    return Adversarial(
        lambda real_score, fake_score: jnp.mean(fake_score) - jnp.mean(real_score),
        lambda _, fake_score: -jnp.mean(fake_score),
    )


def hinge() -> Adversarial:
    """L_D = E max(0, 1 - s(x)) + E max(0, 1 + s(G(z))), L_G = -E s(G(z)).

    https://arxiv.org/abs/1705.02894 (geometric GAN); used by https://arxiv.org/abs/1802.05957 (SNGAN).
    """
    return Adversarial(
        lambda real_score, fake_score: jnp.mean(relu(1 - real_score)) + jnp.mean(relu(1 + fake_score)),
        lambda _, fake_score: -jnp.mean(fake_score),
    )
