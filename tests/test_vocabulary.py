"""Words of a game beside its turns and losses: what it can be asked, copies of weights, clocks, the step, densities."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from gan_cli.engine import sampler
from gan_cli.engine.loop import Trainer
from gan_cli.engine.state import Experiment, definitions, initial_state
from gan_cli.errors import InputError
from gan_cli.games.game import DENSITY, Ask, Copy, Game, Turn
from gan_cli.layers.clock import Clock
from gan_cli.recipe import Ema, Train
from gan_cli.types import Spec, leaf, leaves

CLASSES = ("even", "odd")


class Number(nnx.Module):
    """A network with one weight that counts the steps of training."""

    def __init__(self, value: float, rngs: nnx.Rngs):
        self.value = nnx.Param(jnp.float32(value))
        self.clock = Clock(jnp.int32(0))

    def __call__(self, x):
        return self.value[...] * x, {"clock": self.clock[...]}

    def halved(self, x):
        return self.value[...] * x / 2


class Data:
    """Batches whose x is the number of the example."""

    constants: dict[str, np.ndarray] = {}  # noqa: RUF012

    def feed(self, start: int, n: int) -> dict[str, np.ndarray]:
        return {"x": np.arange(start * 4, (start + n) * 4, dtype=np.float32).reshape(n, 4, 1)}

    def take(self, constants: Any, feed: Any) -> Any:
        return feed


def game(**changes: Any) -> Game:
    """A student whose one weight rises by 1 a step, and a teacher that takes it over."""

    def loss(nets, batch):
        made, seen = nets["student"](batch["x"])
        return -nets.variables["student"].params["value"][...] + 0 * made.mean(), {
            "clock": seen["clock"].astype(jnp.float32),
            "step": nets.step.astype(jnp.float32),
        }

    def classify(nets, batch):
        odd = nets.frozen("teacher", method="halved")(batch["x"])[:, 0] % 2
        return jax.nn.log_softmax(jnp.stack([1 - odd, odd], axis=1))

    made = Game(
        networks={"student": lambda rngs: Number(0.0, rngs), "teacher": lambda rngs: Number(9.0, rngs)},
        turns=(Turn("student", ("student",), loss),),
        draw=lambda key, n: {"z": jax.random.normal(key, (n, 1))},
        asks={
            "sample": Ask(lambda nets, batch: nets["student"](batch["z"])[0]),
            "translate": Ask(lambda nets, batch: nets["teacher"](batch["x"])[0] + batch["z"], ("x",)),
            "classify": Ask(classify, ("x",), like="y"),
        },
        density=lambda nets, batch: -(nets["teacher"](batch["x"])[0][:, 0] ** 2),
        copies=(Copy("student", "teacher", every=2),),
    )
    return made._replace(**changes)


def experiment(made: Game) -> Experiment:
    options = Train(batch=4, steps_per_call=5, steps=5)
    specs = {"": Spec((1,), CLASSES)}
    return Experiment(specs, made, definitions(made), {"student": optax.sgd(1.0)}, options, Ema(decay=0.0))


def trained(made: Experiment, steps: int):
    trainer = Trainer(made, Data(), jax.devices()[:1])
    return trainer.advance(trainer.place(initial_state(made, 0)), 0, steps)


def weight(state, role: str) -> float:
    return float(state.variables[role].params["value"][...])


@pytest.mark.parametrize(("keep", "wanted"), [(0.0, [0, 2, 2, 4, 4]), (0.75, [0, 0.5, 0.5, 1.375, 1.375])])
def test_a_teacher_begins_as_its_student_and_takes_its_weights_over(keep, wanted):
    made = experiment(game(copies=(Copy("student", "teacher", every=2, keep=keep),)))
    assert weight(initial_state(made, 0), "teacher") == 0
    assert [weight(trained(made, steps)[0], "teacher") for steps in range(1, 6)] == wanted


def test_a_teacher_must_be_the_same_network():
    class Larger(Number):
        def __init__(self, rngs):
            super().__init__(0.0, rngs)
            self.more = nnx.Param(jnp.zeros(3))

    networks = {"student": lambda rngs: Number(0.0, rngs), "teacher": Larger}
    with pytest.raises(InputError, match=r"\[networks.teacher\]: takes over the weights of student, and has others"):
        experiment(game(networks=networks))


def test_losses_and_clocks_know_the_step_and_a_clock_stays_with_the_weights():
    made = experiment(game())
    state, sums = trained(made, 5)
    assert float(sums["student"]["step"]) == float(sums["student"]["clock"]) == 0 + 1 + 2 + 3 + 4
    assert int(state.average["student"].rest["clock"][...]) == 4  # of the last step that was trained


def test_each_ask_does_its_own_and_all_that_they_run_is_averaged():
    made = experiment(game())
    state, _ = trained(made, 4)
    assert sorted(state.average) == ["student", "teacher"]
    x = np.float32([[1], [2], [3]])
    drawn = sampler.draw_many(made, 7, 3)
    np.testing.assert_allclose(sampler.Sampler(made, 2)(state.average, drawn), 4 * drawn["z"], rtol=1e-6)
    translate = sampler.Sampler(made, 2, ask="translate")
    whole = translate(state.average, {**drawn, "x": x})
    np.testing.assert_allclose(whole, 4 * x + drawn["z"], rtol=1e-6)
    alone = translate(state.average, {**sampler.draw_many(made, 7, 1), "x": x[:1]})
    np.testing.assert_array_equal(alone, whole[:1])
    answers = sampler.Sampler(made, 8, ask="classify")(state.average, {**drawn, "x": x})
    np.testing.assert_array_equal(np.asarray(answers).argmax(1), [0, 0, 0])  # 4 x / 2 is even
    np.testing.assert_allclose(np.exp(answers).sum(1), 1, rtol=1e-6)
    density = sampler.Sampler(made, 3, ask=DENSITY)(state.average, {**drawn, "x": x})
    np.testing.assert_allclose(density, -((4 * x[:, 0]) ** 2))


def test_asks_that_draw_are_told_from_those_that_are_given_something():
    made = experiment(game())
    assert sampler.drawing_ask(made) == "sample"
    with pytest.raises(InputError, match=r"--ask translate.*gan apply|'translate' starts from examples.*gan apply"):
        sampler.drawing_ask(made, "translate")
    with pytest.raises(InputError, match=r"--ask trans: .*did you mean 'translate'"):
        sampler.drawing_ask(made, "trans")


def test_leaves_are_named_by_stream_and_part():
    spec = Spec((2,), CLASSES, parts={"input": Spec((4, 4, 1))})
    assert list(leaves({"": spec})) == ["x", "input", "y"]
    assert leaves({"a": spec, "b": Spec((3,))}) == {
        "a_x": spec,
        "a_input": spec.parts["input"],
        "a_y": None,
        "b_x": Spec((3,)),
    }
    assert (leaf("", "x"), leaf("a", "input")) == ("x", "a_input")
