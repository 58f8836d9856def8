"""Unrolled GAN: its gradient against independent ones, and that it looks ahead as the discriminator really moves."""

from functools import partial
from typing import Any

import jax
import numpy as np
import optax
import pytest

from gan_cli import build, recipe
from gan_cli.engine.loop import Trainer
from gan_cli.engine.optim import is_smooth
from gan_cli.engine.state import Experiment, State, definitions, initial_state
from gan_cli.errors import InputError
from gan_cli.games.standard import standard
from gan_cli.games.unrolled import unrolled
from gan_cli.losses import adversarial
from gan_cli.nets import dcgan
from gan_cli.nets.mlp import mlp
from gan_cli.recipe import Ema, Train
from gan_cli.types import Spec

BATCH, RATE = 4, 0.5
LINE = partial(mlp, hidden=())  # one linear layer
POINTS = np.random.default_rng(0).normal(size=(BATCH, 2)).astype(np.float32)


class Data:
    """The same batch at every step."""

    def __init__(self, x: np.ndarray = POINTS):
        self.constants: dict[str, np.ndarray] = {}
        self.x = x

    def feed(self, start: int, n: int) -> dict[str, np.ndarray]:
        return {"x": np.repeat(self.x[None], n, axis=0)}

    def take(self, constants: Any, feed: Any) -> Any:
        return feed


def experiment(game: Any, discriminator: Any = None, shape: tuple[int, ...] = (2,), **train: Any) -> Experiment:
    """Generator gradients are read from its move: plain descent at rate 1."""
    optimisers = {"generator": optax.sgd(1.0), "discriminator": discriminator or optax.sgd(RATE)}
    options = Train(**{"batch": BATCH, "steps_per_call": 1, **train})
    return Experiment({"": Spec(shape)}, game, definitions(game), optimisers, options, Ema(decay=0.0))


def game(net: Any = LINE, k: int = 3, play: Any = unrolled, **options: Any) -> Any:
    options = {"loss": adversarial.minimax(), "simultaneous": True, **options}
    options = {**options, "unroll": k} if play is unrolled else options
    return play(Spec((2,)), net, net, latent=2, **options)


class Steps:
    """An experiment compiled once: the states before and after one step of it, and its sums."""

    def __init__(self, made: Experiment, x: np.ndarray = POINTS):
        self.made = made
        self._trainer = Trainer(made, Data(x), jax.devices()[:1])

    def __call__(self, before: State | None = None) -> tuple[State, State, Any]:
        before = initial_state(self.made, 0) if before is None else before
        given = self._trainer.place(jax.tree.map(lambda v: v.copy(), before))
        return before, *self._trainer.advance(given, int(before.step), 1)


def moves(before: State, after: State, role: str = "generator") -> list[np.ndarray]:
    trees = (jax.tree.leaves(s.variables[role].params) for s in (before, after))
    return [np.asarray(old) - np.asarray(new) for old, new in zip(*trees, strict=True)]


def latents(made: Experiment, state: State) -> np.ndarray:
    key, _ = jax.random.split(jax.random.fold_in(state.key, state.step))
    return np.asarray(made.game.draw(key, BATCH)["z"], np.float64)


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def line(state: State, role: str) -> tuple[np.ndarray, np.ndarray]:
    """Weight [I, O] and bias [O] of a linear network, float64."""
    leaves = [np.asarray(x, np.float64) for x in jax.tree.leaves(state.variables[role].params)]
    (weight,), (bias,) = ([x for x in leaves if x.ndim == n] for n in (2, 1))
    return weight, bias


def looked_ahead(w: np.ndarray, real: np.ndarray, fake: np.ndarray, k: int) -> np.ndarray:
    """θ_D after k steps of gradient descent of the linear discriminator s = x w, derived by hand."""
    for _ in range(k):
        gradient = (-sigmoid(-real @ w)[:, None] * real + sigmoid(fake @ w)[:, None] * fake).mean(axis=0)
        w = w - RATE * gradient
    return w


def saddle(w: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
    return (np.log(sigmoid(real @ w)) + np.log(sigmoid(-fake @ w))).mean()


def finite_difference(function: Any, at: np.ndarray, h: float = 1e-6) -> np.ndarray:
    gradient = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        bump = np.zeros_like(at)
        bump[i] = h
        gradient[i] = (function(at + bump) - function(at - bump)) / (2 * h)
    return gradient


def with_ones(x: np.ndarray) -> np.ndarray:
    """A constant input, whose weight is the bias."""
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


@pytest.mark.parametrize("second_order", [True, False])
def test_gradient_equals_finite_differences_of_an_independent_float64_game(second_order):
    made = experiment(game(k=3, second_order=second_order))
    before, after, _ = Steps(made)()
    weight, bias = line(before, "generator")
    w = np.append(*line(before, "discriminator"))
    z, real = latents(made, before), with_ones(POINTS)
    constant = looked_ahead(w, real, with_ones(z @ weight + bias), 3)

    def value(weight: np.ndarray) -> float:
        fake = with_ones(z @ weight + bias)
        return saddle(looked_ahead(w, real, fake, 3) if second_order else constant, real, fake)

    (found,) = (move for move in moves(before, after) if move.ndim == 2)
    np.testing.assert_allclose(found, finite_difference(value, weight), rtol=1e-4, atol=1e-6)


def test_gradient_on_an_mlp_with_adam_equals_finite_differences():
    """Of the loss that the game reports, along the gradient: in float32, so to a few thousandths."""
    net = partial(mlp, hidden=(4,), activation="tanh", init="orthogonal")
    made = experiment(game(net, k=2), optax.adam(0.1, b1=0.5, eps_root=1e-8))
    step = Steps(made)
    _, start, _ = step()
    before, after, _ = step(start)  # with moments that are not zero
    params, tree = jax.tree.flatten(before.variables["generator"].params)
    gradient = moves(before, after)
    norm = np.sqrt(sum((g**2).sum() for g in gradient))

    def loss(h: float) -> float:
        moved = jax.tree.unflatten(tree, [p + h * g / norm for p, g in zip(params, gradient, strict=True)])
        variables = {**before.variables, "generator": before.variables["generator"]._replace(params=moved)}
        return float(step(before._replace(variables=variables))[2]["generator"]["loss"])

    h = 0.02
    np.testing.assert_allclose((loss(h) - loss(-h)) / (2 * h), norm, rtol=5e-3)


def test_the_discriminator_looked_ahead_to_is_the_one_that_its_optimiser_makes():
    """One update ahead is the update that D makes in this step: moments, bias correction and clipping included."""
    optimiser = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.05, b1=0.9, eps_root=1e-12))
    made = experiment(game(k=1), optimiser)
    step = Steps(made)
    _, before, _ = step()
    _, after, sums = step(before)
    weight, bias = line(before, "generator")
    fake = with_ones(latents(made, before) @ weight + bias)
    expected = saddle(np.append(*line(after, "discriminator")), with_ones(POINTS), fake)
    np.testing.assert_allclose(sums["generator"]["loss"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "objective"), [(adversarial.minimax(), "saddle"), (adversarial.non_saturating(), "loss")]
)
def test_without_unrolling_it_is_the_standard_game(loss, objective):
    _, ahead, _ = Steps(experiment(game(k=0, loss=loss, objective=objective)))()
    before, plain, _ = Steps(experiment(game(play=standard, loss=loss)))()
    for role in ("generator", "discriminator"):
        for a, b in zip(moves(before, ahead, role), moves(before, plain, role), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.slow  # eight seconds of compilation
def test_both_formulations_of_convolutions_agree():
    x = np.random.default_rng(1).uniform(-1, 1, (BATCH, 8, 8, 1)).astype(np.float32)
    nets = partial(dcgan.generator, width=4), partial(dcgan.discriminator, width=4, norm="none")
    made = unrolled(Spec((8, 8, 1)), *nets, loss=adversarial.minimax(), latent=2, unroll=2, simultaneous=True)

    def gradient(form):
        before, after, _ = Steps(experiment(made, shape=(8, 8, 1), convolutions=form), x)()
        return moves(before, after)

    for a, b in zip(gradient("cpu"), gradient("lax"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max() + 1e-7)


@pytest.mark.parametrize(
    ("optimiser", "smooth"),
    [
        (optax.sgd(0.1), True),
        (optax.sgd(0.1, momentum=0.9), True),
        (optax.rmsprop(0.1), True),
        (optax.adam(0.1), False),
        (optax.adam(0.1, eps_root=1e-12), True),
    ],
)
def test_which_updates_have_a_derivative_where_the_gradient_is_zero(optimiser, smooth):
    assert is_smooth(optimiser) == smooth


REFUSED = [
    (
        "optimisers.discriminator.eps_root=0.0",
        r"\[optimisers.discriminator\] name = 'adam': .* eps_root = 1e-12 would do",
    ),
    ("train.accumulate=2", r"\[train\] accumulate = 2: the game looks ahead .* accumulate = 1 would do"),
]


@pytest.mark.parametrize(("override", "message"), REFUSED)
def test_what_cannot_be_unrolled_is_refused_with_the_reason(override, message):
    path = recipe.find_recipe("collapse/unrolled")
    resolved = build.resolve(recipe.read_tables(path, [override]), "unrolled.toml")
    with pytest.raises(InputError, match=message):
        build.experiment(resolved, Spec((2,)))
