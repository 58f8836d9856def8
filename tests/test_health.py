"""A number that is no longer finite is named: the first step, turn, network and layer."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from gan_cli import build, recipe
from gan_cli.data.store import Store
from gan_cli.engine.health import BAD, PLACES, SMALL, first, observe
from gan_cli.engine.loop import Cadence, DivergedError, Hooks, Trainer, run
from gan_cli.engine.state import Experiment, definitions, initial_state
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import Variables
from gan_cli.recipe import Ema, Train
from gan_cli.training.train import train
from gan_cli.types import Spec

RING = "ring"


class Pair(nnx.Module):
    """A network with two weights, which it returns for an ignored input."""

    def __init__(self):
        self.first = nnx.Param(jnp.float32(4.0))
        self.second = nnx.Param(jnp.float32(1.0))

    def __call__(self, x):
        return jnp.stack([self.first[...], self.second[...]]), {}


class Ones:
    """Batches of ones."""

    constants: dict[str, np.ndarray] = {}  # noqa: RUF012

    def feed(self, start, n):
        return {"x": np.ones((n, 4), np.float32)}

    def take(self, constants, feed):
        return feed


def falling(nets, batch):
    """Moves the first weight by the learning rate, down."""
    return nets["a"](batch["x"])[0][0], {}


def root(nets, batch):
    """The distance of the second weight from 2 - a, which has no derivative where it is 0."""
    both, _ = nets["b"](batch["x"])
    return both[0] + jnp.sqrt(jnp.square(both[1] - 2 + nets["a"](batch["x"])[0][0])), {}


def ended(turns, rates, steps_per_call=4, devices=1) -> str:
    """What ends a training of games over the networks a and b."""
    game = Game(
        networks={"a": lambda rngs: Pair(), "b": lambda rngs: Pair()},
        turns=turns,
        draw=lambda key, n: {"z": jnp.zeros((n, 1))},
        asks={"sample": Ask(lambda nets, inputs: nets["a"](inputs["z"])[0])},
    )
    optimisers = {turn.name: optax.sgd(rates[turn.name]) for turn in turns}
    options = Train(batch=4, steps_per_call=steps_per_call, steps=12)
    made = Experiment({"": Spec((1,))}, game, definitions(game), optimisers, options, Ema(decay=0.0, warmup=False))
    trainer = Trainer(made, Ones(), jax.devices()[:devices])
    hooks = Hooks(*[lambda *_: None] * 5, stop=lambda: False)
    with pytest.raises(DivergedError) as error:
        run(trainer, initial_state(made, 0), 12, steps_per_call, Cadence(5, 0, 0, 5), hooks)
    return str(error.value)


@pytest.mark.parametrize(("steps_per_call", "devices"), [(1, 1), (4, 1), (12, 2)])
def test_a_gradient_that_is_not_finite_is_named(steps_per_call, devices):
    """The first network's weight is 4, 3, 2, 1: in step 3 the second's gradient is 0 divided by 0."""
    turns = (Turn("lower", ("a",), falling), Turn("root", ("b",), root))
    said = ended(turns, {"lower": 1.0, "root": 0.0}, steps_per_call, devices)
    assert said == "the root's turn: the gradient of b.second is no longer finite, at step 3"


def test_a_loss_that_is_not_finite_is_named_before_its_gradient():
    def loss(nets, batch):
        return jnp.log(nets["b"](batch["x"])[0][1] - 0.75), {}

    said = ended((Turn("log", ("b",), loss),), {"log": 0.125})
    assert said == "the log's turn: its loss is no longer finite, at step 2"


def test_a_weight_that_is_not_finite_is_named():
    """Finite gradients of 1 and a rate of 3e38: the second step takes the weights beyond what float32 holds."""
    said = ended((Turn("lower", ("a",), falling),), {"lower": 3e38})
    assert said == "the lower's turn: a.params.first is no longer finite, at step 2"


@pytest.mark.parametrize(
    ("leaf", "at", "place"),
    [
        ("gradients", "small", 2),
        ("gradients", "large", 1),
        ("params", "large", 3),
        ("params", "small", 4),
        ("rest", "mean", 5),
    ],
)
@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
def test_what_a_turn_reports_of_its_move(leaf, at, place, value):
    """Leaves in the order of their names: the loss is place 0."""
    rng = np.random.default_rng(0)
    like = {"large": SMALL + 1, "small": 3}
    gradients, updates, params = ({k: rng.normal(size=n).astype(np.float32) for k, n in like.items()} for _ in range(3))
    gradients["large"][:10] = 0
    gradients["small"][1] = 1e-13
    rest = {"count": np.int32(1), "mean": np.float32([0.5])}
    report = observe(jnp.float32(1), {"a": gradients}, {"a": updates}, {"a": Variables(params, rest)})
    assert report[BAD] == 0
    assert report["dead"] == pytest.approx(11 / (SMALL + 4))
    assert report["update_norm"] == pytest.approx(np.linalg.norm(np.concatenate([*updates.values()])))

    {"gradients": gradients, "params": params, "rest": rest}[leaf][at][0] = value
    assert observe(jnp.float32(1), {"a": gradients}, {"a": updates}, {"a": Variables(params, rest)})[BAD] == 1 + place


def test_a_square_that_overflows_is_no_bad_number():
    large = {"w": jnp.full(4, 1e30)}
    report = observe(jnp.float32(1), {"a": large}, {"a": large}, {"a": Variables(large, {})})
    assert report[BAD] == 0
    assert report["update_norm"] == jnp.inf


def test_the_first_turn_of_the_first_step_is_taken():
    sums = {"d": {"bad": 2 * PLACES + 1}, "g": {"bad": 1 * PLACES + 5}, "q": {"bad": 1 * PLACES + 2}, "e": {"bad": 0}}
    assert first(sums) == (1, "g", 4)
    assert first({"d": {"bad": 0}}) is None


class Told:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.notes: list[str] = []

    def note(self, message):
        self.notes.append(message)

    def start(self, step, steps, batch):
        pass

    def progress(self, step, means):
        pass

    def verdict(self, step, name, value):
        pass

    def alarm(self, step, messages):
        pass


def test_a_rollback_says_and_logs_which_layer_it_was(tmp_path):
    tables = recipe.read_tables(
        recipe.find_recipe(RING),
        [
            *("train.steps=20", "train.steps_per_call=5", "eval.every=0", "run.sample_every=0", "run.log_every=5"),
            *("optimisers.generator.learning_rate=1e30", "monitor.action=rollback", "monitor.rollbacks=1"),
        ],
    )
    prepared, told = build.prepare(tables, RING, Store()), Told()
    with pytest.raises(DivergedError) as error:
        train(prepared, tmp_path / "run", Store(), told)
    assert "'s turn: " in str(error.value)
    (line,) = [
        line for line in map(json.loads, (tmp_path / "run/log.jsonl").read_text().splitlines()) if "rollback" in line
    ]
    assert line["because"] in told.notes[-1]
    assert "no longer finite, at step" in line["because"]
