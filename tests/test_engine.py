"""The engine on games small enough to compute by hand: two players with one number each."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy.stats import truncnorm

from gan_cli.engine import sampler
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.loop import Cadence, DivergedError, Hooks, Trainer, run
from gan_cli.engine.state import Experiment, State, definitions, initial_state, optimised, state_shapes
from gan_cli.errors import InputError
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.recipe import Ema, Train
from gan_cli.types import Spec
from gan_cli.version import versions

RATE = 0.1


class Number(nnx.Module):
    """A network with one weight, called with an ignored input."""

    def __init__(self, value: float):
        self.value = nnx.Param(jnp.float32(value))

    def __call__(self, x):
        return jnp.broadcast_to(self.value[...], x.shape), {}


class Data:
    """Batches whose x is the number of the example."""

    def __init__(self):
        self.constants: dict[str, np.ndarray] = {}

    def feed(self, start: int, n: int) -> dict[str, np.ndarray]:
        return {"x": np.arange(start * 4, (start + n) * 4, dtype=np.float32).reshape(n, 4)}

    def take(self, constants: Any, feed: Any) -> Any:
        return feed


def bilinear(**changes: Any) -> Game:
    """min over a, max over b of a * b: two turns, each the product or its negative."""

    def product(sign: float) -> Any:
        def loss(nets, batch):
            (a, _), (b, _) = nets["a"](batch["x"]), nets["b"](batch["x"])
            return sign * (a * b).mean(), {"x": batch["x"], "mean_x": batch["x"].mean()}

        return loss

    game = Game(
        networks={"a": lambda rngs: Number(1.0), "b": lambda rngs: Number(2.0)},
        turns=(Turn("a", ("a",), product(1.0)), Turn("b", ("b",), product(-1.0))),
        draw=lambda key, n: {"z": jax.random.normal(key, (n, 1))},
        asks={"sample": Ask(lambda nets, inputs: nets["a"](inputs["z"])[0])},
    )
    return game._replace(**changes)


def experiment(game: Game, *, decay: float = 0.0, **train: Any) -> Experiment:
    optimisers = {turn.name: optax.sgd(RATE) for turn in game.turns}
    options = Train(**{"batch": 4, "steps_per_call": 3, "steps": 3, **train})
    return Experiment({"": Spec((1,))}, game, definitions(game), optimisers, options, Ema(decay=decay, warmup=False))


def advance(made: Experiment, steps: int, devices: int = 1) -> tuple[State, Any]:
    trainer = Trainer(made, Data(), jax.devices()[:devices])
    return trainer.advance(trainer.place(initial_state(made, 0)), 0, steps)


def weights(variables: Any) -> dict[str, float]:
    return {role: float(jax.tree.leaves(v.params)[0]) for role, v in variables.items()}


def test_alternating_turns_see_each_other_and_simultaneous_ones_do_not():
    a, b = 1.0, 2.0
    state, _ = advance(experiment(bilinear()), 1)
    a1 = a - RATE * b
    assert weights(state.variables) == pytest.approx({"a": a1, "b": b + RATE * a1})
    state, _ = advance(experiment(bilinear(simultaneous=True)), 1)
    assert weights(state.variables) == pytest.approx({"a": a1, "b": b + RATE * a})


def test_every_start_and_stop_decide_when_a_turn_runs():
    first, second = bilinear().turns
    game = bilinear(turns=(first._replace(start=1, stop=2), second._replace(every=2)))
    made = experiment(game)
    history = [weights(advance(made, n)[0].variables) for n in (1, 2, 3)]
    assert [h["a"] for h in history] == pytest.approx([1.0, 0.8, 0.8])  # only step 1
    assert [h["b"] for h in history] == pytest.approx([2.0, 2.08, 2.08])  # steps 1 and 3 of 0, 1, 2, ...
    _, sums = advance(made, 3)
    assert {name: float(s["count"]) for name, s in sums.items()} == {"a": 1.0, "b": 1.0}


def test_average_of_the_roles_that_sampling_uses():
    made = experiment(bilinear(), decay=0.9)
    assert sorted(state_shapes(made).average) == ["a"]
    state, _ = advance(made, 2)
    (a1,) = (weights(advance(made, 1)[0].variables)["a"],)
    a2 = weights(state.variables)["a"]
    assert weights(state.average) == pytest.approx({"a": 0.9 * (0.9 * 1.0 + 0.1 * a1) + 0.1 * a2})


def regression(accumulate: int = 1, devices: int = 1) -> float:
    def loss(nets, batch):
        a, _ = nets["a"](batch["x"])
        return ((a - batch["x"]) ** 2).mean(), {}

    game = bilinear(turns=(Turn("a", ("a",), loss),))
    return weights(advance(experiment(game, accumulate=accumulate), 2, devices)[0].variables)["a"]


def test_micro_batches_and_devices_give_the_gradient_of_the_whole_batch():
    whole = regression()
    assert whole != 1.0
    assert regression(accumulate=2) == pytest.approx(whole)
    assert regression(devices=2) == pytest.approx(whole)
    assert regression(accumulate=2, devices=2) == pytest.approx(whole)


@pytest.mark.parametrize("devices", [1, 2])
def test_remember_gets_scalars_and_whole_arrays(devices):
    def remember(memory, reports):
        return {"last": reports["a"]["x"], "total": memory["total"] + reports["b"]["mean_x"]}

    game = bilinear(memory={"last": jnp.zeros(4), "total": jnp.zeros(())}, remember=remember)
    state, sums = advance(experiment(game), 2, devices)
    np.testing.assert_array_equal(state.memory["last"], [4, 5, 6, 7])
    assert float(state.memory["total"]) == pytest.approx(1.5 + 5.5)
    assert "x" not in sums["a"]


def test_batch_that_does_not_split_is_refused():
    with pytest.raises(InputError, match=r"batch = 4 cannot be split over 2 devices, accumulate = 4 .* multiple of 8"):
        Trainer(experiment(bilinear(), accumulate=4), Data(), jax.devices()[:2])


def test_cadence_names_the_next_step_at_which_anything_is_due():
    cadence = Cadence(log=4, sample=6, evaluate=0, checkpoint=10)
    steps, seen = 0, []
    while steps < 13:
        steps = cadence.next(steps, 13)
        seen.append(steps)
    assert seen == [4, 6, 8, 10, 12, 13]


class Recorder:
    """Hooks that write down what they are called with."""

    def __init__(self, stop_after: int | None = None):
        self.events: list[tuple[str, int]] = []
        self.stop_after = stop_after

    def hooks(self) -> Hooks:
        def note(name, result=None):
            return lambda step, *_: self.events.append((name, step)) or result

        def stop() -> bool:
            done = [step for name, step in self.events if name == "progress"]
            return self.stop_after is not None and bool(done) and done[-1] >= self.stop_after

        return Hooks(note("progress"), note("log"), note("sample"), note("evaluate", False), note("save"), stop)

    def steps(self, name: str) -> list[int]:
        return [step for event, step in self.events if event == name]


def test_loop_does_what_is_due_when_it_is_due():
    made, recorder = experiment(bilinear(), steps=7), Recorder()
    trainer = Trainer(made, Data(), jax.devices()[:1])
    state = run(trainer, initial_state(made, 0), 7, 3, Cadence(2, 4, 5, 6), recorder.hooks())
    assert int(state.step) == 7
    assert recorder.steps("log") == [2, 4, 6, 7]
    assert recorder.steps("sample") == [0, 4, 7]
    assert recorder.steps("evaluate") == [0, 5, 7]
    assert recorder.steps("save") == [6, 7]


def test_the_first_call_finds_what_was_compiled_beside_the_first_picture():
    """Nothing is traced again, the feed is asked once, and the numbers are the same."""
    asked: list[str] = []

    class Counted(Data):
        def feed(self, start, n):
            asked.append("feed")
            return super().feed(start, n)

        def take(self, constants, feed):
            asked.append("take")
            return feed

    made = experiment(bilinear())
    trainer = Trainer(made, Counted(), jax.devices()[:1])
    state = trainer.place(initial_state(made, 0))
    with trainer.compiling(state, 0, 3):
        pass
    assert asked == ["feed", "take"]
    state, sums = trainer.advance(state, 0, 3)
    assert asked == ["feed", "take"]
    plain, plain_sums = advance(made, 3)
    assert (weights(state.variables), int(state.step)) == (weights(plain.variables), 3)
    jax.tree.map(np.testing.assert_array_equal, sums, plain_sums)


def test_a_call_of_constant_length_can_be_compiled_beforehand_too(monkeypatch):
    """As on a GPU: `gan train --dry-run` compiles a step of any length before it makes calls of both kinds."""
    monkeypatch.setattr("gan_cli.engine.parallel.whole_calls", lambda per_call, _: per_call)
    made = experiment(bilinear(), steps_per_call=3)
    trainer = Trainer(made, Data(), jax.devices()[:1])
    state = trainer.place(initial_state(made, 0))
    programs = {n: trainer.compile(state, 0, n).as_text() for n in (1, 3)}
    assert programs[1] != programs[3]
    for step, n in ((0, 1), (1, 3)):
        state, _ = trainer.advance(state, step, n)
    assert int(state.step) == 4


def test_loop_saves_when_told_to_stop():
    made, recorder = experiment(bilinear(), steps=100), Recorder(stop_after=6)
    trainer = Trainer(made, Data(), jax.devices()[:1])
    state = run(trainer, initial_state(made, 0), 100, 3, Cadence(50, 0, 0, 0), recorder.hooks())
    assert recorder.steps("save") == [int(state.step)]
    assert 6 <= int(state.step) < 15


def test_loss_that_is_not_finite_stops_the_run_before_it_is_saved():
    def loss(nets, batch):
        a, _ = nets["a"](batch["x"])
        return jnp.log(a - batch["x"]).mean(), {}  # a logarithm of negative numbers from the first step

    made, recorder = experiment(bilinear(turns=(Turn("a", ("a",), loss),)), steps=9), Recorder()
    trainer = Trainer(made, Data(), jax.devices()[:1])
    with pytest.raises(DivergedError, match=r"the a's turn: its loss is no longer finite, at step 1$"):
        run(trainer, initial_state(made, 0), 9, 3, Cadence(3, 0, 0, 3), recorder.hooks())
    assert recorder.steps("save") == []


def test_sample_i_depends_on_the_seed_and_i_alone():
    made = experiment(bilinear())
    few, many = (sampler.draw_many(made, 5, n)["z"] for n in (3, 10))
    np.testing.assert_array_equal(few, many[:3])
    np.testing.assert_array_equal(sampler.draw(made, [9, 4])["z"][1], sampler.draw(made, [4])["z"][0])
    assert not np.array_equal(sampler.draw_many(made, 6, 3)["z"], few)


def test_inputs_are_drawn_by_one_program_whatever_their_number():
    made = experiment(bilinear())
    sampler.draw_many(made, 5, 3)
    program = sampler._drawing(made.game.draw, made.identity, one_seed=True)
    for seed, n in ((5, 10), (6, sampler.DRAWN + 1)):
        assert sampler.draw_many(made, seed, n)["z"].shape == (n, 1)
    assert program._cache_size() == 1


def test_the_last_batch_is_padded_and_not_compiled_again():
    made = experiment(bilinear())
    draw = sampler.Sampler(made, 4)
    inputs = {"z": np.arange(10.0, dtype=np.float32)[:, None]}
    average = initial_state(made, 0).average
    assert draw(average, inputs).shape == (10, 1)
    assert [len(part) for part in draw.batches(average, inputs)] == [4, 4, 2]
    assert draw._sample._cache_size() == 1


def test_several_devices_share_the_samples_of_a_batch():
    made = experiment(bilinear(asks={"sample": Ask(lambda nets, inputs: 3 * inputs["z"])}))
    inputs = {"z": np.arange(10.0, dtype=np.float32)[:, None]}
    average = initial_state(made, 0).average
    for devices, batch in ((1, 3), (2, 3), (2, 16)):
        samples = sampler.Sampler(made, batch, jax.devices()[:devices])(average, inputs)
        np.testing.assert_array_equal(samples, 3 * inputs["z"])


def test_images_are_rounded_to_eight_bits_before_they_are_fetched():
    values = jnp.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None, None, None]
    made = experiment(bilinear(asks={"sample": Ask(lambda nets, inputs: inputs["z"], like=Spec((1, 1, 1)))}))
    samples = sampler.Sampler(made, 8)(initial_state(made, 0).average, {"z": np.asarray(values)})
    np.testing.assert_array_equal(samples.ravel(), np.array([0, 0, 128, 255, 255], np.uint8))


def test_truncation_keeps_quantiles():
    z = jnp.linspace(-3, 3, 13)
    expected = truncnorm.ppf(jax.scipy.stats.norm.cdf(z), -0.7, 0.7)
    np.testing.assert_allclose(sampler.truncate(z, 0.7), expected, atol=2e-4)


META = Meta({"train": {"steps": 1}}, Spec((1,), ("a",)), "fingerprint", [{"step": 1, "fid": 2.0}])


def test_checkpoints_keep_the_newest_and_the_best(tmp_path):
    state = {"w": jnp.arange(3.0), "key": jax.random.key(7), "half": jnp.ones(2, jnp.bfloat16)}
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep_last=2)
    for step, score in ((1, -9.0), (2, -1.0), (3, -3.0), (4, None), (5, None)):
        checkpoints.save(step, state, META._replace(score=score))
    checkpoints.wait()
    assert checkpoints.steps() == [2, 4, 5]
    assert checkpoints.best() == 2
    assert checkpoints.meta(2) == META._replace(score=-1.0, versions=versions())
    restored = checkpoints.restore(2, jax.eval_shape(lambda: state))
    assert jax.random.key_data(restored["key"]).tolist() == jax.random.key_data(state["key"]).tolist()
    np.testing.assert_array_equal(restored["w"], state["w"])
    assert restored["half"].dtype == jnp.bfloat16
    with pytest.raises(InputError, match=r"another recipe: w is \(3,\), not \(4,\)"):
        checkpoints.restore(2, {**state, "w": jnp.zeros(4)})
    with pytest.raises(InputError, match="another recipe: extra is missing"):
        checkpoints.restore(2, {**state, "extra": jnp.zeros(4)})
    checkpoints.close()


def test_turns_with_the_same_optimiser_share_its_state():
    """Two turns pull the same number with momentum 0.5: the second goes on from the first one's momentum."""

    def pull(nets, batch):
        return nets["a"](batch["x"])[0].mean(), {}

    turns = (Turn("a", ("a",), pull), Turn("lazy", ("a",), pull, every=2, optim="a"))
    made = experiment(bilinear(turns=turns))._replace(optimisers={"a": optax.sgd(RATE, momentum=0.5)})
    state, _ = advance(made, 2)
    momenta = [1.0, 1.5, 1.75]  # of the moves at steps 0, 1 and 1
    assert weights(state.variables)["a"] == pytest.approx(1.0 - RATE * sum(momenta))
    assert list(state.optim) == ["a"]


def test_turns_that_contradict_each_other_are_refused():
    first, second = bilinear().turns
    with pytest.raises(ValueError, match="turn b shares optimiser a but not the roles that it trains"):
        optimised(bilinear(turns=(first, second._replace(optim="a"))))
    twice = (first, first._replace(name="again"))
    assert optimised(bilinear(turns=twice)) == {"a": ("a",), "again": ("a",)}
    with pytest.raises(ValueError, match="a role cannot be trained by two turns of a simultaneous game"):
        optimised(bilinear(turns=twice, simultaneous=True))


def test_calls_over_several_cpu_devices_do_not_queue_up():
    """Collectives of two calls could wait for each other and abort: a call has ended before the next one begins."""
    made = experiment(bilinear(), steps_per_call=1)
    trainer = Trainer(made, Data(), jax.devices()[:2])
    state = trainer.place(initial_state(made, 0))
    for step in range(100):
        state, sums = trainer.advance(state, step, 1)
        assert all(x.is_ready() for x in jax.tree.leaves((state.variables, sums)))
    assert int(state.step) == 100
    assert (trainer.in_flight, Trainer(made, Data(), jax.devices()[:1]).in_flight) == (0, 1)


def test_average_warms_up():
    """Early averages forget the start: the decay of step t is at most (1 + t) / (10 + t)."""
    made = experiment(bilinear(), decay=0.9)
    made = made._replace(ema=Ema(decay=0.9, warmup=True))
    average = weights(initial_state(made, 0).average)["a"]
    for step in range(3):
        decay = (1 + step) / (10 + step)
        average = decay * average + (1 - decay) * weights(advance(made, step + 1)[0].variables)["a"]
    assert weights(advance(made, 3)[0].average)["a"] == pytest.approx(average)
    assert Ema().warmup  # the default


@pytest.mark.parametrize("decay", [0.05, 0.2])
def test_warming_up_ends_at_the_decay(decay):
    made = experiment(bilinear(), decay=decay)._replace(ema=Ema(decay=decay, warmup=True))
    a1 = weights(advance(made, 1)[0].variables)["a"]
    first = min(decay, 1 / 10)
    assert weights(advance(made, 1)[0].average)["a"] == pytest.approx(first * 1.0 + (1 - first) * a1)


def test_all_roles_that_infer_are_averaged():
    """The heads that tell a sample's controls, and what they stand on, are averaged as the generator is."""
    game = bilinear(infer=lambda nets, x: {"c": nets.frozen("b")(x)[0]})
    made = experiment(game, decay=0.9)
    assert sorted(state_shapes(made).average) == ["a", "b"]
    b0, b1 = 2.0, weights(advance(made, 1)[0].variables)["b"]
    assert weights(advance(made, 1)[0].average)["b"] == pytest.approx(0.9 * b0 + 0.1 * b1)


def test_sample_i_of_a_seed_is_the_same_in_all_releases():
    """Its key is that of the seed, folded with i: what a person has drawn can be drawn again."""
    drawn = sampler.draw_many(experiment(bilinear()), 3, 2)["z"]
    keys = [jax.random.fold_in(jax.random.key(3), i) for i in range(2)]
    np.testing.assert_array_equal(drawn, np.stack([jax.random.normal(key, (1, 1))[0] for key in keys]))
