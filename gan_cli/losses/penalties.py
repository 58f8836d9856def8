"""Penalties on the gradient ∇s(x) of the critic's raw score with respect to its input, one norm for each example.

The critic must score each example by itself: with batch norm in it, one example's score moves with the others of the
batch, and the gradient of their sum is no longer a gradient for each (a game says so, see `Game.per_example`).
A patch discriminator's score of an example is the mean over its patches.

Each public function returns a `Penalty` with term(critic, real [B, ...], fake [B, ...], keys [B]) -> float32 scalar.

`every = N` applies a penalty at each N-th step only, with N times its weight: lazy regularisation,
https://arxiv.org/abs/1912.04958, appendix B. The paper also rescales Adam's learning rate and betas by N / (N + 1);
here that is for the recipe's optimiser to say. Norms are Euclidean, over all pixels and channels.
"""

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from gan_cli.types import Array, Critic, Penalty

TINY = 1e-12  # under the root: the norm of a gradient of zero then has a derivative, zero


def wgan_gp(
    *,
    weight: PositiveFloat = 10.0,  # λ; the authors' toys have 0.1
    target: NonNegativeFloat = 1.0,  # the norm that gradients are drawn to
    every: PositiveInt = 1,  # steps
) -> Penalty:
    """λ E(|∇s(x̂)| - 1)² at random points x̂ = εx + (1 - ε)G(z) between pairs, ε ~ U(0, 1) for each example.

    https://arxiv.org/abs/1704.00028, equation 3, where `target` is 1.
    """

    def term(critic: Critic, real: Array, fake: Array, keys: Array) -> Array:
        norms = jnp.sqrt(_squared_norms(critic, interpolate(real, fake, keys)) + TINY)
        return weight * jnp.mean((norms - target) ** 2)

    return Penalty(term, every)


def dragan(
    *,
    weight: PositiveFloat = 10.0,  # λ
    target: NonNegativeFloat = 1.0,  # k: the norm that gradients are drawn to
    sd: PositiveFloat = 0.5,  # √c: standard deviation of the perturbation, in units of the data (images: [-1, 1])
    every: PositiveInt = 1,  # steps
) -> Penalty:
    """λ E(|∇s(x + δ)| - k)² near the data only, δ ~ N(0, c).

    https://arxiv.org/abs/1705.07215, equation 2. The authors' notebook draws δ otherwise: half the batch's standard
    deviation times U(0, 1), never negative, times one more U(0, 1) for each example.
    """

    def term(critic: Critic, real: Array, fake: Array, keys: Array) -> Array:  # noqa: ARG001
        noise = jax.vmap(lambda key: jax.random.normal(key, real.shape[1:]))(keys)  # [B, ...]
        norms = jnp.sqrt(_squared_norms(critic, real + sd * noise) + TINY)
        return weight * jnp.mean((norms - target) ** 2)

    return Penalty(term, every)


def r1(
    *,
    gamma: PositiveFloat = 10.0,  # γ; half of it is the weight
    every: PositiveInt = 1,  # steps
) -> Penalty:
    """γ/2 E|∇s(x)|² on real data: the discriminator flattens where the generator has arrived.

    https://arxiv.org/abs/1801.04406, equation 9.
    """
    return Penalty(lambda critic, real, fake, keys: gamma / 2 * jnp.mean(_squared_norms(critic, real)), every)  # noqa: ARG005


def r2(
    *,
    gamma: PositiveFloat = 10.0,  # γ; half of it is the weight
    every: PositiveInt = 1,  # steps
) -> Penalty:
    """γ/2 E|∇s(G(z))|² on fakes.

    https://arxiv.org/abs/1801.04406, equation 10.
    """
    return Penalty(lambda critic, real, fake, keys: gamma / 2 * jnp.mean(_squared_norms(critic, fake)), every)  # noqa: ARG005


def zero_centred(
    *,
    weight: PositiveFloat = 10.0,  # λ
    every: PositiveInt = 1,  # steps
) -> Penalty:
    """λ E|∇s(x̂)|² at random points x̂ = εx + (1 - ε)G(z) between pairs, ε ~ U(0, 1) for each example.

    https://arxiv.org/abs/1902.03984: the discriminator generalises better than with norms drawn to 1.
    """

    def term(critic: Critic, real: Array, fake: Array, keys: Array) -> Array:
        return weight * jnp.mean(_squared_norms(critic, interpolate(real, fake, keys)))

    return Penalty(term, every)


def interpolate(real: Array, fake: Array, keys: Array) -> Array:
    """εx + (1 - ε)G(z) [B, ...] of pairs of a real x and a fake G(z), with one ε ~ U(0, 1) for each of the keys [B]."""
    epsilon = jax.vmap(jax.random.uniform)(keys)  # [B]
    epsilon = epsilon.reshape(-1, *[1] * (real.ndim - 1))  # [B, 1, ...]
    return epsilon * real + (1 - epsilon) * fake


def _squared_norms(critic: Critic, x: Array) -> Array:
    """|∇s(x)|² of each example: [B].

    Each score depends on its own example alone, so that one gradient of their sum is the gradient for every example.
    """
    gradients = jax.grad(lambda x: critic(x).reshape(len(x), -1).mean(axis=1).sum())(x)  # [B, ...]
    return jnp.sum(gradients**2, axis=tuple(range(1, x.ndim)))
