"""The promises that every recipe keeps, checked on shipped recipes with their networks and batch made small.

`make test` takes recipes that stand for all others (representatives.py), `make contract` each one.
"""

import inspect
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from representatives import kinds, representatives

from gan_cli import build, datasets, recipe
from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Store
from gan_cli.engine import parallel
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.loop import Trainer
from gan_cli.engine.state import Experiment, State, initial_state, optimised
from gan_cli.games.networks import is_key

pytestmark = pytest.mark.contract

SMALL = {"width": 8, "hidden": [8, 8], "max_width": 16, "halvings": 1, "minibatch_kernels": 2, "code": 4, "blocks": 1}
SIDE = 8  # pixels: the smallest images that the networks take; a program grows with every halving
# of what is made here
SIDES = {"moving": SIDE, "phantoms": SIDE, "captioned": SIDE, "scans.lesions": 16, "scans.chest": 16, "facades": 24}
BATCH, STEPS = 8, 2
ALWAYS = ("width", "max_width", "hidden")  # made small also where the recipe leaves their defaults
EXTRA = sorted(map(str, (Path(__file__).parent / "recipes").glob("*.toml")))  # options that no shipped recipe uses
NAMES = [*recipe.shipped(), *EXTRA]
REPRESENTATIVES = representatives(NAMES)
PLAYS = {recipe.read_tables(recipe.find_recipe(name))["game"]["play"]: name for name in reversed(REPRESENTATIVES)}


def small(name: str) -> dict[str, Any]:
    """The recipe `name`, resolved, with small networks and a small batch."""
    path = recipe.find_recipe(name)
    tables = recipe.read_tables(path)
    for table in tables["networks"].values():
        options = inspect.signature(build.NETWORK.find(table["net"])).parameters
        table.update({key: value for key, value in SMALL.items() if key in table or (key in ALWAYS and key in options)})
        table |= {"halvings": 2} if "dropout" in table else {}  # there is none on the way to the image
    for data in datasets.data_tables(tables["data"]).values():
        data |= {"size": SIDE} if "size" in data else {}
        for view in data.get("input_views", ()):
            if "size" in view and isinstance(view, dict):
                view["size"] = SIDE // 2
    if "perceptual" in tables["game"]:
        tables["game"]["perceptual"] = tables["game"]["perceptual"][: SMALL["halvings"] + 1]  # maps that D shows then
    accumulate = tables.get("train", {}).get("accumulate", 1)
    tables["train"] = {**tables.get("train", {}), "batch": BATCH * accumulate, "steps_per_call": STEPS}
    return build.resolve(tables, str(path))


def fake_source(data: dict[str, Any]) -> Source:
    """Toys as they are; for images, noise of the recipe's size, so that no file is needed."""
    if data["source"] in SIDES:
        own = {"n": 64, "side": SIDES[data["source"]]}
        return datasets.load_source({**data, **own}, Store.from_environment(None))
    if "size" not in data:
        return datasets.load_source(data, Store.from_environment(None))
    shape = (64, data["size"], data["size"], data["channels"])
    labels = np.arange(64, dtype=np.int32) % 10
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    fewer = {"labelled": min(20, data["labelled"])} if data.get("labelled") else {}
    parts = {"input": x[::-1]} if data["source"].startswith("pairs.") else {}
    return datasets.transformed(in_memory("noise", x, labels, tuple("0123456789"), parts=parts), {**data, **fewer})


def test_representatives_show_every_kind_and_none_is_one_for_nothing():
    shown = {name: set(kinds(recipe.read_tables(recipe.find_recipe(name)))) for name in NAMES}
    assert set().union(*(shown[name] for name in REPRESENTATIVES)) == set().union(*shown.values())
    for i, name in enumerate(REPRESENTATIVES):
        assert shown[name] - set().union(*(shown[before] for before in REPRESENTATIVES[:i]))


COMPILED: list[str] = []  # an event for each program that was compiled, or found in the compilation cache
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: COMPILED.append(event) if event.endswith("backend_compile_duration") else None
)


class Case(NamedTuple):
    name: str
    experiment: Experiment
    trainer: Trainer
    feed: Any
    initial: State

    def start(self) -> State:
        return copy(self.initial)


@pytest.fixture(scope="module", params=NAMES, ids=lambda name: Path(name).stem)
def case(request, quick) -> Iterator[Case]:
    if quick and request.param not in REPRESENTATIVES:
        pytest.skip("others show all that this recipe is made of; make contract runs it")
    yield build_case(request.param, "lax" if quick else "")
    jax.clear_caches()  # a process can hold the programs of some hundred cases, not of all (see conftest.py)


def build_case(name: str, convolutions: str = "") -> Case:
    """The recipe `name`, ready to train; `make test` has convolutions as accelerators have them: half the program."""
    resolved = small(name)
    resolved["train"] |= {"convolutions": convolutions} if convolutions else {}
    sources = {stream: fake_source(table) for stream, table in datasets.data_tables(resolved["data"]).items()}
    experiment = build.experiment(resolved, {stream: source.spec for stream, source in sources.items()})
    feed = datasets.feed(resolved, sources)
    trainer = Trainer(experiment, feed, jax.devices()[:1])
    return Case(name, experiment, trainer, feed, trainer.place(initial_state(experiment, 0)))


def copy(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, tree)


def plain(tree: Any) -> list[np.ndarray]:
    keys = jax.tree.map(lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x, tree)
    return [np.asarray(x) for x in jax.tree.leaves(keys)]


def identical(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(plain(a), plain(b), strict=True))


def test_numbers_are_finite_and_the_second_call_compiles_nothing(case):
    state, sums = case.trainer.advance(case.start(), 0, STEPS)
    compiled = len(COMPILED)
    state, sums = case.trainer.advance(state, STEPS, STEPS)
    assert len(COMPILED) == compiled
    assert int(state.step) == 2 * STEPS
    for leaf in plain((state, sums)):
        assert np.isfinite(leaf).all()


class OneByOne(NamedTuple):
    """The recipe's game with plain gradient descent, its first turn alone at step 0, its second at step 1, ..."""

    experiment: Experiment
    initial: State

    def play(self, feed: Any, devices: int) -> list[State]:
        """The states before the first turn and after each, on so many devices."""
        trainer = Trainer(self.experiment, feed, jax.devices()[:devices])
        states = [self.initial]
        for step in range(len(self.experiment.game.turns)):
            state, _ = trainer.advance(trainer.place(copy(states[-1])), step, 1)
            states.append(jax.device_get(state._replace(key=jax.random.key_data(state.key))))
            states[-1] = states[-1]._replace(key=self.initial.key)
        return states


def one_by_one(case: Case, convolutions: str = "") -> OneByOne:
    """Not with the recipe's Adam: it makes steps of one size of gradients of any size, rounding errors included.

    `convolutions`: their formulation; "": the recipe's.
    """
    made = case.experiment
    turns = tuple(
        turn._replace(every=1, start=0, stop=None, when=partial(jnp.equal, i)) for i, turn in enumerate(made.game.turns)
    )
    game, descent = made.game._replace(turns=turns), optax.sgd(0.1)
    experiment = made._replace(
        game=game,
        optimisers=dict.fromkeys(made.optimisers, descent),
        train=made.train.model_copy(update={"convolutions": convolutions or made.train.convolutions}),
        identity="",
    )
    initial = case.start()
    weights = {role: variables.params for role, variables in initial.variables.items()}
    optim = {table: descent.init({role: weights[role] for role in roles}) for table, roles in optimised(game).items()}
    return OneByOne(experiment, initial._replace(optim=optim))


class Played(NamedTuple):
    one_by_one: OneByOne
    states: list[State]  # on one device


@pytest.fixture(scope="module")
def played(case, quick) -> Played:
    """In `make test` of the first recipe of each game."""
    if quick and case.name not in PLAYS.values():
        pytest.skip("another recipe shows its game; make contract runs this one")
    made = one_by_one(case)
    return Played(made, made.play(case.feed, devices=1))


def test_a_turn_moves_only_what_it_names(case, played):
    for turn, before, after in zip(case.experiment.game.turns, played.states, played.states[1:], strict=False):
        for role, variables in after.variables.items():
            moved = not identical(variables.params, before.variables[role].params)
            assert moved == (role in turn.trains), (turn.name, role)
            if role not in turn.trains:
                assert identical(variables.rest, before.variables[role].rest)


def movement(states: list[State]) -> list[np.ndarray]:
    """How far each weight has moved."""
    return [a - b for a, b in zip(plain(states[-1].variables), plain(states[0].variables), strict=True)]


def agree(one: list[np.ndarray], two: list[np.ndarray], precision: str = "float32") -> bool:
    """Whether every weight moved equally far, to 1e-3 of the farthest in its layer (bfloat16: 0.2, 6e-2 seen).

    A bias before a batch norm has no gradient but rounding errors, whose size is the processor's: 5e-6 is nothing
    (1.9e-6 seen).
    """
    share = {"float32": 1e-3, "bfloat16": 0.2}[precision]
    return all(np.abs(a - b).max() <= share * np.abs(a).max() + 5e-6 for a, b in zip(one, two, strict=True))


def test_two_devices_with_half_the_batch_each_agree_with_one(case, played):
    if any(is_key(x) for d in case.experiment.definitions.values() for x in jax.tree.leaves(d.rng)):
        pytest.skip("dropout masks are drawn for each device")
    two = played.one_by_one.play(case.feed, devices=2)
    assert agree(movement(played.states), movement(two), case.experiment.train.precision)


def test_two_devices_agree_with_one_in_the_formulation_of_processors_too():
    made = build_case("dcgan_digits")
    alone = one_by_one(made, "cpu")
    assert agree(*(movement(alone.play(made.feed, devices)) for devices in (1, 2)))


@pytest.mark.parametrize("name", ["ring", pytest.param("dcgan_digits", marks=pytest.mark.slow)])
def test_two_devices_compute_the_same_bit_for_bit_by_shard_map_as_by_pmap(name, monkeypatch):
    made = build_case(name)

    def trained(twin: bool) -> State:
        monkeypatch.setattr("gan_cli.devices.TWIN", twin)
        trainer = Trainer(made.experiment, made.feed, jax.devices()[:2])
        state, _ = trainer.advance(trainer.place(initial_state(made.experiment, 0)), 0, STEPS)
        compiled = len(COMPILED)
        state, _ = trainer.advance(state, STEPS, STEPS)
        assert len(COMPILED) == compiled
        return state

    assert identical(trained(twin=False), trained(twin=True))


def test_devices_that_do_not_average_gradients_are_noticed(monkeypatch):
    made = build_case("ring")
    alone = one_by_one(made)
    one = alone.play(made.feed, devices=1)
    monkeypatch.setattr("gan_cli.engine.parallel.mean", lambda tree: tree)
    assert not agree(movement(one), movement(alone.play(made.feed, devices=2)))


def test_resumed_equals_uninterrupted_bit_for_bit(case, tmp_path):
    uninterrupted, _ = case.trainer.advance(case.start(), 0, STEPS)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(STEPS, uninterrupted, Meta({}, case.experiment.spec, "", []))
    uninterrupted, _ = case.trainer.advance(uninterrupted, STEPS, STEPS)
    checkpoints.wait()
    resumed = checkpoints.restore(STEPS, jax.eval_shape(case.start))
    checkpoints.close()
    resumed, _ = case.trainer.advance(case.trainer.place(resumed), STEPS, STEPS)
    assert identical(uninterrupted, resumed)


def products(case: Case) -> int:
    """Matrix products and convolutions in the optimised program of a step."""
    feed = parallel.padded(dict(case.feed.feed(0, STEPS)), STEPS)
    given = (case.trainer._constants, parallel.split(feed, 1), jnp.int32(STEPS))
    program = case.trainer._steps.lower(case.initial, *given).compile().as_text()
    return len(re.findall(r"= \S+ (?:dot|convolution)\(", program))


@pytest.mark.parametrize("name", ["ring", pytest.param("dcgan_digits", marks=pytest.mark.slow)])
def test_the_generator_runs_forward_once_a_step_although_two_turns_use_it(name):
    made = build_case(name)
    discriminator, generator = made.experiment.game.turns

    def other_latents(nets, batch):
        return generator.loss(nets, {**batch, "z": batch["z"] + 1})

    game = made.experiment.game._replace(turns=(discriminator, generator._replace(loss=other_latents)))
    experiment = made.experiment._replace(game=game, identity="")
    unshared = made._replace(experiment=experiment, trainer=Trainer(experiment, made.feed, jax.devices()[:1]))
    weights = jax.tree.leaves(made.initial.variables["generator"].params)
    layers = sum(weight.ndim > 1 for weight in weights)  # kernels; biases and norms are vectors
    assert products(unshared) - products(made) == layers
