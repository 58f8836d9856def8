"""The adversarial losses against hand-computed values, closed forms and the gradients that their papers state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import sigmoid
from scipy.integrate import quad
from scipy.stats import norm

from gan_cli.losses import adversarial

REAL = jnp.array([2.0, -1.0, 0.5])
FAKE = jnp.array([-3.0, 0.0, 1.5])
N = 3
LOG2 = np.log(2)

# name, options, D's loss and G's loss on REAL and FAKE, computed by hand (log1p of exp, to 6 digits)
CROSS_ENTROPY = (0.126928 + 1.313262 + 0.474077) / N + (0.048587 + 0.693147 + 1.701413) / N
CASES = [
    ("minimax", {}, CROSS_ENTROPY, -(0.048587 + 0.693147 + 1.701413) / N),
    ("non_saturating", {}, CROSS_ENTROPY, (3.048587 + 0.693147 + 0.201413) / N),
    ("maximum_likelihood", {}, CROSS_ENTROPY, -(0.049787 + 1.0 + 4.481689) / N),
    ("least_squares", {}, 0.5 * (1 + 4 + 0.25) / N + 0.5 * (9 + 0 + 2.25) / N, 0.5 * (16 + 1 + 0.25) / N),
    (
        "least_squares",
        {"fake_target": -1.0, "real_target": 1.0, "generator_target": 0.0},
        0.5 * (1 + 4 + 0.25) / N + 0.5 * (4 + 1 + 6.25) / N,
        0.5 * (9 + 0 + 2.25) / N,
    ),
    ("wasserstein", {}, -1.5 / N - 1.5 / N, 1.5 / N),
    ("hinge", {}, (0 + 2 + 0.5) / N + (0 + 1 + 2.5) / N, 1.5 / N),
]


@pytest.mark.parametrize(("name", "options", "discriminator", "generator"), CASES)
def test_hand_computed_values(name, options, discriminator, generator):
    loss = getattr(adversarial, name)(**options)
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), discriminator, rtol=1e-5)
    np.testing.assert_allclose(loss.generator(REAL, FAKE), generator, rtol=1e-5)


GENERATOR_GRADIENTS = {
    "minimax": lambda s: -sigmoid(s),
    "non_saturating": lambda s: -sigmoid(-s),
    "maximum_likelihood": lambda s: -jnp.exp(s),
    "wasserstein": lambda s: -jnp.ones_like(s),
    "hinge": lambda s: -jnp.ones_like(s),
    "least_squares": lambda s: s - 1,
}


@pytest.mark.parametrize("name", GENERATOR_GRADIENTS)
def test_gradient_of_the_generator_loss_with_respect_to_the_score(name):
    scores = jnp.linspace(-12, 6, 19)
    gradient = jax.grad(lambda s: getattr(adversarial, name)().generator(s, s))(scores) * len(scores)
    np.testing.assert_allclose(gradient, GENERATOR_GRADIENTS[name](scores), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", GENERATOR_GRADIENTS)
def test_finite_for_extreme_scores_and_indifferent_to_the_shape_of_scores(name):
    loss = getattr(adversarial, name)()
    scores = jnp.array([-80.0, 0.0, 80.0, 3.0])
    for side in loss:
        assert jnp.isfinite(side(scores, scores))
        assert jnp.isfinite(jax.grad(lambda s: side(s, s))(scores)).all()  # noqa: B023
        np.testing.assert_allclose(side(scores, scores), side(scores.reshape(2, 2, 1), scores.reshape(2, 2, 1)))


def test_value_of_the_game_at_equilibrium_is_minus_log_four():
    score = jnp.zeros(5)  # D = 1/2 everywhere
    value = -adversarial.minimax().discriminator(score, score)
    np.testing.assert_allclose(value, -2 * LOG2, rtol=1e-6)


def test_optimal_discriminator_is_the_density_ratio():
    """D minimises its loss at p / (p + q), that is at score log p / q: the gradient there is 0."""
    p, q = jnp.array([0.1, 0.2, 0.7]), jnp.array([0.5, 0.3, 0.2])

    def expected(score):
        return (p * jax.nn.softplus(-score) + q * jax.nn.softplus(score)).sum()

    np.testing.assert_allclose(jax.grad(expected)(jnp.log(p / q)), 0, atol=1e-6)
    np.testing.assert_allclose(sigmoid(jnp.log(p / q)), p / (p + q), rtol=1e-6)


def quantiles(mean, sd, n=20_000):
    """n points whose mean of f is E f of a Gaussian, up to the quadrature's error."""
    return norm.ppf((np.arange(n) + 0.5) / n, mean, sd)


@pytest.mark.parametrize("targets", [(-1.0, 1.0, 0.0), (0.0, 2.0, 1.0)])  # b - c = 1 and b - a = 2
@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (1.0, 1.5), (-2.0, 0.8)])
def test_least_squares_at_the_optimal_discriminator_is_the_pearson_chi_square(targets, mean, sd):
    """2 C(G) = χ²(p + q || 2q), theorem of https://arxiv.org/abs/1611.04076, p = N(0, 1) and q = N(mean, sd²).

    C(G) there has the term of real data too, which is no function of G for a given D.
    """
    p, q = norm(0, 1).pdf, norm(mean, sd).pdf
    a, b, c = targets
    loss = adversarial.least_squares(fake_target=a, real_target=b, generator_target=c)
    real, fake = quantiles(0, 1), quantiles(mean, sd)

    def optimal(x):
        return (b * p(x) + a * q(x)) / (p(x) + q(x))

    value = loss.discriminator(optimal(real), optimal(fake))
    for other in (lambda x: optimal(x) + 0.05, lambda x: optimal(x) + 0.05 * np.sin(3 * x), lambda x: 0 * x + c):
        assert loss.discriminator(other(real), other(fake)) >= value

    twice = 2 * (loss.generator(None, optimal(real)) + loss.generator(None, optimal(fake)))
    pearson = quad(lambda x: (2 * q(x) - (p(x) + q(x))) ** 2 / (p(x) + q(x)), -12, 12, limit=200)[0]
    assert float(twice) == pytest.approx(pearson, rel=2e-3, abs=1e-6)
