"""Gradient penalties: closed forms on critics simple enough for it, both formulations, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli import build, recipe
from gan_cli.engine import sampler
from gan_cli.engine.state import initial_state
from gan_cli.errors import InputError
from gan_cli.layers.layers import formulation
from gan_cli.losses import penalties
from gan_cli.nets import dcgan
from gan_cli.types import Ports, Spec

SLOPE = jnp.array([3.0, 4.0])  # of norm 5
REAL = jnp.array([[1.0, 0.0], [0.0, 2.0]])
FAKE = jnp.array([[0.0, 3.0], [4.0, 0.0]])
KEYS = jax.random.split(jax.random.key(0), 2)


def linear(x):
    return x @ SLOPE


def quadratic(x):
    """s = |x|² / 2, so ∇s = x."""
    return (x**2).sum(axis=1) / 2


# name, options, value for the linear critic, whose gradient has norm 5 everywhere
LINEAR = [
    ("wgan_gp", {}, 10 * 16),
    ("wgan_gp", {"weight": 0.1, "target": 5.0}, 0),
    ("dragan", {"weight": 2.0, "target": 3.0}, 2 * 4),
    ("r1", {"gamma": 4.0}, 2 * 25),
    ("r2", {}, 5 * 25),
    ("zero_centred", {"weight": 3.0}, 3 * 25),
]


@pytest.mark.parametrize(("name", "options", "value"), LINEAR)
def test_linear_critic(name, options, value):
    penalty = getattr(penalties, name)(**options)
    np.testing.assert_allclose(penalty.term(linear, REAL, FAKE, KEYS), value, rtol=1e-5, atol=1e-9)


def test_quadratic_critic():
    """|∇s(x)| = |x|: 1 and 2 on the reals, 3 and 4 on the fakes, |x̂| between them."""
    np.testing.assert_allclose(penalties.r1().term(quadratic, REAL, FAKE, KEYS), 5 * (1 + 4) / 2)
    np.testing.assert_allclose(penalties.r2().term(quadratic, REAL, FAKE, KEYS), 5 * (9 + 16) / 2)
    between = penalties.interpolate(REAL, FAKE, KEYS)
    norms = np.linalg.norm(between, axis=1)
    np.testing.assert_allclose(penalties.zero_centred().term(quadratic, REAL, FAKE, KEYS), 10 * (norms**2).mean(), 1e-5)
    np.testing.assert_allclose(
        penalties.wgan_gp().term(quadratic, REAL, FAKE, KEYS), 10 * ((norms - 1) ** 2).mean(), 1e-5
    )


def test_interpolates_have_one_epsilon_for_each_example_on_the_segment():
    real, fake = jnp.zeros((1000, 4, 4, 1)), jnp.ones((1000, 4, 4, 1))
    between = penalties.interpolate(real, fake, jax.random.split(jax.random.key(1), 1000))
    share = 1 - between[:, 0, 0, 0]
    np.testing.assert_array_equal(between, jnp.broadcast_to((1 - share)[:, None, None, None], between.shape))
    assert 0 <= share.min() < 0.01
    assert 0.99 < share.max() < 1
    assert abs(share.mean() - 0.5) < 0.03


def test_dragan_perturbs_real_data_by_normal_noise():
    """E|x + δ|² = d sd² at x = 0, seen through the quadratic critic with target 0; fakes play no part."""
    keys = jax.random.split(jax.random.key(2), 4000)
    value = penalties.dragan(weight=1.0, target=0.0, sd=0.3).term(quadratic, jnp.zeros((4000, 2)), jnp.nan, keys)
    np.testing.assert_allclose(value, 2 * 0.3**2, rtol=0.05)


def test_gradient_of_the_penalty_at_a_flat_critic_is_finite():
    def value(w):
        return penalties.wgan_gp().term(lambda x: x @ w, REAL, FAKE, KEYS)

    assert jnp.isfinite(jax.grad(value)(jnp.zeros(2))).all()


def test_the_mean_over_patches_counts():
    def patches(x):
        return jnp.broadcast_to(linear(x)[:, None, None], (len(x), 3, 3))

    np.testing.assert_allclose(penalties.r1().term(patches, REAL, FAKE, KEYS), 5 * 25, rtol=1e-6)


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.slow  # ten seconds of compilation
def test_both_formulations_of_convolutions_agree_to_the_second_order(norm):
    module = dcgan.discriminator(Ports((8, 8, 1), ()), nnx.Rngs(0), width=4, norm=norm)
    graph, params = nnx.split(module)
    params = jax.tree.map(lambda w: w * 5, params)  # N(0, 0.02²) gives gradients too small to compare
    real, fake = jax.random.normal(jax.random.key(3), (2, 4, 8, 8, 1))
    keys = jax.random.split(jax.random.key(4), 4)

    def gradient(form):
        def value(params):
            return penalties.wgan_gp().term(lambda x: nnx.merge(graph, params)(x)[0], real, fake, keys)

        with formulation(form):
            return jax.tree.leaves(jax.grad(value)(params))

    for a, b in zip(gradient("cpu"), gradient("lax"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * float(jnp.abs(b).max()) + 1e-7)


RING = recipe.find_recipe("ring")


def ring(*overrides):
    return build.resolve(recipe.read_tables(RING, overrides), "ring.toml")


def test_a_recipe_names_penalties_in_a_list():
    resolved = ring('game.penalties=[{ name = "penalties.r1", gamma = 2 }, "penalties.wgan_gp"]')
    assert resolved["game"]["penalties"] == [
        {"name": "penalties.r1", "gamma": 2.0, "every": 1},
        {"name": "penalties.wgan_gp", "weight": 10.0, "target": 1.0, "every": 1},
    ]
    assert build.resolve(resolved, "again") == resolved


REFUSED = [
    (
        "game.penalties=['penalties.rr1']",
        "penalties.0.name = 'penalties.rr1': no such penalty; did you mean 'penalties.r1'",
    ),
    ("game.penalties=[{name='penalties.r1', gama=1}]", "penalties.0.gama: unknown option; did you mean 'gamma'?"),
    ("game.penalties=[{name='penalties.r1', every=0}]", "penalties.0.every = 0: input should be greater than 0"),
    ("game.penalties=penalties.r1", "penalties = 'penalties.r1': expected a list of tables, [{ name = ... }]"),
]


@pytest.mark.parametrize(("override", "message"), REFUSED)
def test_refused_with_the_place_and_the_mend(override, message):
    with pytest.raises(InputError) as error:
        ring(override)
    assert f"ring.toml: [game] {message}" in str(error.value)


def test_samples_can_be_drawn_from_a_penalised_game():
    made = build.experiment(ring("game.penalties=['penalties.r1']"), Spec((2,)))
    drawn = sampler.draw_many(made, 0, 3)
    samples = sampler.Sampler(made, 2)(initial_state(made, 0).average, drawn)
    assert samples.shape == (3, 2)


def test_lazy_penalties_of_a_simultaneous_game_are_refused():
    with pytest.raises(InputError, match="with simultaneous = true it must have every = 1"):
        build.experiment(ring("game.penalties=[{name='penalties.r1', every=4}]", "game.simultaneous=true"), Spec((2,)))


def test_batch_norm_in_the_discriminator_is_refused_with_the_reason():
    resolved = ring("game.penalties=['penalties.r1']", "networks.discriminator.norm=batch")
    with pytest.raises(
        InputError,
        match=r"\[networks.discriminator\]: with batch norm or minibatch discrimination one example's score depends on",
    ):
        build.experiment(resolved, Spec((2,)))
    build.experiment(ring("game.penalties=['penalties.r1']", "networks.generator.norm=batch"), Spec((2,)))
