"""f-GAN's divergences: conjugates, bounds and optimal scores against definitions and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_cli.losses import divergences
from gan_cli.losses.divergences import DIVERGENCES, bound

NAMES = list(DIVERGENCES)
SMOOTH = [name for name in NAMES if name != "total_variation"]
RATIOS = np.geomspace(0.05, 20, 41)
UNIT = {**dict.fromkeys(NAMES, 0.0), "gan": -np.log(4)}  # D_f of equal distributions


def score_of(name, t):
    """The score whose activation is t, by bisection: every activation rises."""
    low, high = np.full_like(t, -60.0), np.full_like(t, 60.0)
    with jax.enable_x64():
        for _ in range(200):
            middle = (low + high) / 2
            below = np.asarray(DIVERGENCES[name].activation(jnp.asarray(middle))) < t
            low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def optimal_scores(name):
    with jax.enable_x64():
        slope = np.asarray(jax.vmap(jax.grad(DIVERGENCES[name].f))(jnp.asarray(RATIOS)))
    return score_of(name, slope), slope


@pytest.mark.parametrize("name", SMOOTH)
def test_the_conjugate_is_the_largest_value_of_ut_minus_f(name):
    scores, slope = optimal_scores(name)  # at t = f'(u) the supremum is taken at u
    with jax.enable_x64():
        conjugate = np.asarray(DIVERGENCES[name].conjugate(jnp.asarray(scores)))
        wanted = RATIOS * slope - np.asarray(DIVERGENCES[name].f(jnp.asarray(RATIOS)))
    np.testing.assert_allclose(conjugate, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_the_bound_of_equal_distributions_is_zero_and_of_the_2014_game_minus_log_4(name):
    assert float(DIVERGENCES[name].f(jnp.float32(1.0))) == pytest.approx(UNIT[name], abs=1e-6)
    scores = jnp.linspace(-8, 8, 4001)  # the best constant score
    values = jax.vmap(lambda s: bound(DIVERGENCES[name], s[None], s[None]))(scores)
    assert float(values.max()) == pytest.approx(UNIT[name], abs=1e-4)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_bound_at_the_optimal_scores_is_the_divergence(name):
    """P and Q on two points, P = (0.8, 0.2) and Q = (0.4, 0.6), drawn with those frequencies."""
    p, q = np.array([0.8, 0.2]), np.array([0.4, 0.6])
    with jax.enable_x64():
        divergence = DIVERGENCES[name]
        ratio = jnp.asarray(p / q)
        scores = score_of(name, np.asarray(jax.vmap(jax.grad(divergence.f))(ratio)))
        real, fake = jnp.repeat(scores, np.array([8, 2])), jnp.repeat(scores, np.array([4, 6]))
        truth = float((q * np.asarray(divergence.f(ratio))).sum())
        assert float(bound(divergence, real, fake)) == pytest.approx(truth, rel=1e-5)
        for shift in (-0.1, 0.1):
            assert float(bound(divergence, real + shift, fake + shift)) < truth


def test_total_variation_is_half_the_sum_of_absolute_differences():
    scores = jnp.array([20.0, -20.0])  # the sign of p - q
    real, fake = jnp.repeat(scores, np.array([8, 2])), jnp.repeat(scores, np.array([4, 6]))
    assert float(bound(DIVERGENCES["total_variation"], real, fake)) == pytest.approx(0.4)


def test_known_values():
    """KL, Pearson and Jensen-Shannon of (0.8, 0.2) and (0.4, 0.6) by their own definitions."""
    p, q = np.array([0.8, 0.2]), np.array([0.4, 0.6])
    m = (p + q) / 2
    kl = lambda a, b: float((a * np.log(a / b)).sum())  # noqa: E731
    wanted = {
        "kl": kl(p, q),
        "reverse_kl": kl(q, p),
        "jeffrey": kl(p, q) + kl(q, p),
        "pearson": float(((p - q) ** 2 / q).sum()),
        "neyman": float(((p - q) ** 2 / p).sum()),
        "squared_hellinger": float(((np.sqrt(p) - np.sqrt(q)) ** 2).sum()),
        "jensen_shannon": kl(p, m) + kl(q, m),
        "gan": kl(p, m) + kl(q, m) - np.log(4),
        "total_variation": 0.4,
    }
    for name, value in wanted.items():
        found = float((q * np.asarray(DIVERGENCES[name].f(jnp.asarray(p / q)))).sum())
        assert found == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("objective", ["saddle", "trick"])
def test_players_pull_in_the_right_direction_and_stay_finite(name, objective):
    loss = getattr(divergences, name)(objective=objective)
    scores = jnp.linspace(-15, 15, 7)
    up_real, up_fake = jax.grad(loss.discriminator, argnums=(0, 1))(scores, scores)
    assert np.isfinite(up_real).all()
    assert np.isfinite(up_fake).all()
    assert (up_real <= 0).all()  # D raises the scores of reals
    generator = jax.grad(lambda s: loss.generator(scores, s))(scores)
    assert np.isfinite(generator).all()
    if name != "pearson" or objective == "trick":  # s²/4 + s turns at s = -2, which no optimal score reaches
        assert (generator <= 0).all()  # and G those of fakes


def test_lambert_satisfies_its_equation_and_has_its_derivative():
    y = jnp.linspace(-30, 40, 71)
    w = divergences._lambert(y)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(w + np.log(w), y, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(jax.vmap(jax.grad(divergences._lambert))(y), w / (1 + w), rtol=1e-4, atol=1e-7)
