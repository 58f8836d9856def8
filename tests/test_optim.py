"""What the package adds to optax, step by step by hand: historical averaging, clipped weights, slowed optimisers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_cli.binding import call, validate_part
from gan_cli.engine.optim import OPTIMISER, slowed
from gan_cli.errors import InputError


def optimiser(**options):
    """Plain gradient descent by 0.1, with the package's options."""
    return call(OPTIMISER, validate_part(OPTIMISER, {"name": "sgd", "learning_rate": 0.1, **options}))


def walk(optimiser, gradients, start=1.0):
    """Where a number goes."""
    params, path = {"w": jnp.float32(start)}, []
    state = optimiser.init(params)
    for gradient in gradients:
        updates, state = jax.jit(optimiser.update)({"w": jnp.float32(gradient)}, state, params)
        params = optax.apply_updates(params, updates)
        path.append(float(params["w"]))
    return path


def test_historical_averaging_by_hand():
    """λ = 1/4: the gradient has 2λ (θ - mean of all θ so far, this one included) added to it."""
    one = 1 - 0.1 * (0.5 + 0.5 * (1 - 1))  # at first the mean is θ itself
    two = one - 0.1 * (0.5 + 0.5 * (one - (1 + one) / 2))
    three = two - 0.1 * (0.5 + 0.5 * (two - (1 + one + two) / 3))
    assert (one, two) == pytest.approx((0.95, 0.90125))
    assert walk(optimiser(historical_averaging=0.25), [0.5, 0.5, 0.5]) == pytest.approx([one, two, three])


def test_historical_averaging_draws_weights_back_to_where_they_were():
    """A push, then no gradient: θ goes from 2 towards the mean of 1 and 2."""
    assert walk(optimiser(historical_averaging=0.5), [-10.0, 0.0]) == pytest.approx([2, 2 - 0.1 * (2 - 1.5)])


def test_historical_averaging_is_a_term_of_the_loss_and_so_clipped_with_it():
    """At step 2 the gradient is 3 + 200 (0.9 - 0.95) = -7, clipped to -1."""
    both = optimiser(historical_averaging=100.0, clip_norm=1.0)
    assert walk(both, [3.0, 3.0]) == pytest.approx([0.9, 1.0])


def test_historical_averaging_remembers_every_weight_by_itself():
    made = optimiser(historical_averaging=0.5)
    params = {"a": jnp.array([1.0, -2.0]), "b": jnp.full((2, 2), 3.0)}
    state = made.init(params)
    for _ in range(2):
        updates, state = made.update(jax.tree.map(jnp.ones_like, params), state, params)
        params = optax.apply_updates(params, updates)
    for name, start in (("a", np.array([1.0, -2.0])), ("b", np.full((2, 2), 3.0))):
        one = start - 0.1
        np.testing.assert_allclose(params[name], one - 0.1 * (1 + (one - (start + one) / 2)), rtol=1e-6)


def test_clipped_weights_stay_in_their_box():
    assert walk(optimiser(clip_weights=0.3), [-1.0, -1.0, -1.0, 1.0], start=0.15) == pytest.approx(
        [0.25, 0.3, 0.3, 0.2]
    )
    assert walk(optimiser(clip_weights=0.3), [0.0], start=-5.0) == pytest.approx([-0.3])


@pytest.mark.parametrize("option", ["clip_norm", "clip_weights", "historical_averaging"])
@pytest.mark.parametrize("value", [0, -1.0, "x"])
def test_options_that_mean_nothing_are_refused(option, value):
    with pytest.raises(InputError, match=option):
        validate_part(OPTIMISER, {"name": "sgd", "learning_rate": 0.1, option: value})


@pytest.mark.parametrize(
    "table",
    [
        {"name": "adam", "learning_rate": 0.1, "b1": 0.5},
        {
            "name": "sgd",
            "learning_rate": {
                "schedule": "exponential_decay",
                "init_value": 1.0,
                "transition_steps": 1,
                "decay_rate": 0.5,
            },
            "momentum": 0.9,
        },
        {"name": "rmsprop", "learning_rate": 0.1, "clip_norm": 0.1, "historical_averaging": 0.5},
    ],
)
def test_a_slowed_optimiser_makes_half_the_steps_and_keeps_its_state(table):
    made = call(OPTIMISER, validate_part(OPTIMISER, table))
    half = slowed(made, 0.5)
    params = {"w": jnp.array([1.0, -2.0, 3.0])}
    state = other = made.init(params)
    assert jax.tree.structure(half.init(params)) == jax.tree.structure(state)  # a checkpoint fits either
    for gradient in ([1.0, 2.0, -3.0], [-0.1, 5.0, 0.0], [0.5, 0.5, 0.5]):
        updates, state = made.update({"w": jnp.array(gradient)}, state, params)
        halves, other = half.update({"w": jnp.array(gradient)}, other, params)
        np.testing.assert_allclose(halves["w"], updates["w"] / 2, rtol=1e-6)
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_slowed_optimiser_keeps_weights_in_their_box():
    path = walk(slowed(optimiser(clip_weights=0.3), 0.5), [-1.0, -4.0, -4.0], start=0.15)
    assert path == pytest.approx([0.2, 0.25, 0.275])  # half the way to 0.25, 0.3 and 0.3


def test_units_whose_weights_are_too_long_are_shortened_and_vectors_are_not():
    """Two units of a matrix [2, 2]: (3, 4) has norm 5 and is brought to 1, (0.3, 0.4) stays; so does the bias."""
    made = optimiser(bound_units=1.0)
    params = {"w": jnp.array([[3.0, 0.3], [4.0, 0.4]]), "b": jnp.array([7.0, 7.0])}
    updates, _ = made.update(jax.tree.map(jnp.zeros_like, params), made.init(params), params)
    moved = optax.apply_updates(params, updates)
    np.testing.assert_allclose(moved["w"], [[0.6, 0.3], [0.8, 0.4]], rtol=1e-6)
    np.testing.assert_array_equal(moved["b"], params["b"])
