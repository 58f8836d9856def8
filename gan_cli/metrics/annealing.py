"""Annealed importance sampling from a standard normal to its product with a likelihood, by Hamiltonian Monte Carlo.

https://arxiv.org/abs/physics/9803008, with the path and the schedule of https://arxiv.org/abs/1611.04273. The
distributions on the way are N(u; 0, I) likelihood(u)^beta, beta from 0 to 1, or back for the reverse chains of
https://arxiv.org/abs/1511.02543. The sampler is pure JAX, for N problems with C chains each; sums over the
distributions are taken on the host in float64.

**Steering.** A step size that follows a chain's own past is no function of beta alone: its transitions no longer leave
the distributions invariant, and the estimate may lie above the truth. So the first chains of each problem are pilots:
they steer the step size of all, and only the others count. The reverse chains take the sizes of the forward ones,
backwards, for the same reason. Each chain's steps are longer or shorter than that at random, without which a direction
in which the trajectory is a whole number of swings does not move at all (https://arxiv.org/abs/1206.1901, section 3.2).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_cli.types import Array, Key

LogLikelihood = Callable[[Array], Array]  # latents [N, C, L] -> [N, C], up to a constant, each by itself

PILOTS = 4  # chains of each problem that steer
TARGET = 0.65  # acceptance that they steer towards
RATE = 0.5  # change of the logarithm of the step size by a transition, for a difference of 1 from it
JITTER = 0.2  # standard deviation of the logarithm of a step size about the pilots': no direction swings in resonance
SHORTEST, LONGEST = 1e-4, 0.5  # step sizes, where 1 is the prior's standard deviation
RADIUS = 4.0  # how much of the logistic function the schedule runs through, on either side
STAY = -1.0  # in the place of a beta: no transition
STEERED = 0.0  # in the place of a step size: the pilots'


class Chains(NamedTuple):
    """Positions of the chains, and how far they go next."""

    u: Array  # [N, C, L], pilots first
    size: Array  # [N]: step size of the leapfrog, at the start LONGEST


class Trace(NamedTuple):
    """Record of S transitions."""

    values: Array  # [N, C, S]: log-likelihood before each
    acceptance: Array  # [N, C, S]: probability that each was accepted
    sizes: Array  # [N, S]: step size of each


class _Point(NamedTuple):
    """Positions of the chains, and the log-likelihood there."""

    u: Array  # [N, C, L]
    value: Array  # [N, C]
    slope: Array  # [N, C, L]: the gradient


def schedule(steps: int) -> np.ndarray:
    """Betas: 0, those of `steps` distributions in between, and 1: [steps + 2] float32, dense at both ends.

    beta = (s(r (2 t / T - 1)) - s(-r)) / (s(r) - s(-r)), s the logistic function and r = 4, as in the paper's code.
    """
    s = 1 / (1 + np.exp(-np.linspace(-RADIUS, RADIUS, steps + 2)))
    return ((s - s[0]) / (s[-1] - s[0])).astype(np.float32)


def anneal(
    log_likelihood: LogLikelihood,
    chains: Chains,
    keys: Key,
    betas: Array,
    sizes: Array,
    first: Array | int,
    *,
    leapfrog: int,
) -> tuple[Chains, Trace]:
    """A transition at each of betas [S], none where it is STAY; jittable.

    keys [N]: one a problem. sizes [N, S]: step sizes, or STEERED. first: the number of the first transition, which
    together with the key decides its draws, so that a long way can be divided into several calls. leapfrog: steps of a
    transition.
    """

    def step(state: tuple[_Point, Array], now: tuple[Array, Array, Array]) -> tuple[tuple[_Point, Array], Trace]:
        (point, steered), (beta, given, number) = state, now
        size = jnp.where(given == STEERED, steered, given)

        def move(point: _Point) -> tuple[_Point, Array, Array]:
            draws = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
            moved, acceptance = _transition(log_likelihood, point, size, draws, beta, leapfrog)
            # the next step is longer when the pilots were accepted more often than they should
            pilots = acceptance[:, :PILOTS].mean(1)
            return moved, acceptance, (size * jnp.exp(RATE * (pilots - TARGET))).clip(SHORTEST, LONGEST)

        moved, acceptance, after = lax.cond(
            beta == STAY, lambda point: (point, jnp.zeros(point.value.shape), size), move, point
        )
        return (moved, after), Trace(point.value, acceptance, size)

    start = _evaluate(log_likelihood, chains.u), chains.size
    (point, size), trace = lax.scan(step, start, (betas, sizes.T, first + jnp.arange(len(betas))))
    return Chains(point.u, size), jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), trace)


def _transition(
    log_likelihood: LogLikelihood, start: _Point, size: Array, keys: Key, beta: Array, leapfrog: int
) -> tuple[_Point, Array]:
    """A transition of Hamiltonian Monte Carlo: the next state, and the proposal's probability [N, C] of acceptance.

    A proposal whose energy is not finite is rejected.
    """
    chains, latent = start.u.shape[1:]
    # momenta, thresholds (logarithms of uniform numbers) and factors of the step size, all from one draw, because each
    # takes a second to compile; half the squared length of two standard normal numbers is minus such a logarithm
    normal = jax.vmap(lambda key: jax.random.normal(key, (chains, latent + 3)))(keys)
    momentum, threshold = normal[..., :latent], -_energy(normal[..., latent:-1])  # [N, C, L], [N, C]
    step = (size[:, None] * jnp.exp(JITTER * normal[..., -1]))[..., None]

    def force(point: _Point) -> Array:
        return beta * point.slope - point.u

    def drift(_: int, state: tuple[_Point, Array]) -> tuple[_Point, Array]:
        point, p = state
        point = _evaluate(log_likelihood, point.u + step * p)
        return point, p + step * force(point)

    end, p = lax.fori_loop(0, leapfrog, drift, (start, momentum + step / 2 * force(start)))
    p = p - step / 2 * force(end)  # the last kick is half of one
    change = beta * (end.value - start.value) + _energy(start.u) - _energy(end.u) + _energy(momentum) - _energy(p)
    change = jnp.where(jnp.isfinite(change), change, -jnp.inf)
    moves = threshold < change  # [N, C]

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(moves.reshape(moves.shape + (1,) * (new.ndim - moves.ndim)), new, old)

    return jax.tree.map(choose, end, start), jnp.exp(jnp.minimum(change, 0))


def _evaluate(log_likelihood: LogLikelihood, u: Array) -> _Point:
    """The point at u [N, C, L], with the gradient of each chain's log-likelihood."""

    def total(u: Array) -> tuple[Array, Array]:
        values = log_likelihood(u)
        return values.sum(), values

    (_, values), slope = jax.value_and_grad(total, has_aux=True)(u)
    return _Point(u, values, slope)


def _energy(x: Array) -> Array:
    """Minus the log-density of a standard normal, up to a constant: [N, C, L] -> [N, C]."""
    return jnp.square(x).sum(-1) / 2


def estimate(values: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From log-likelihoods [N, C, T] before each move between betas [T + 1]: two numbers a problem, float64 [N].

    The log of the mean weight of the C chains, and their effective sample size, (sum of weights)² / sum of their
    squares: from 1 to C.
    """
    from scipy.special import logsumexp

    log_weights = values.astype(np.float64) @ np.diff(betas.astype(np.float64))  # [N, C]
    total = logsumexp(log_weights, axis=-1)
    effective = np.exp(2 * total - logsumexp(2 * log_weights, axis=-1))
    return np.asarray(total - np.log(log_weights.shape[-1])), np.asarray(effective)
