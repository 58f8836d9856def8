"""What training changes: one pytree, which is all that a checkpoint has to hold, and its leaves by name."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from gan_cli import media
from gan_cli.errors import InputError
from gan_cli.games.game import Game
from gan_cli.games.networks import Definition, Memory, Nets, Variables, define, initialise, is_key
from gan_cli.layers.layout import formulation
from gan_cli.recipe import Ema, Train
from gan_cli.types import Array, Batch, Key, Spec, Specs, X, leaves

if TYPE_CHECKING:
    import optax

T = TypeVar("T")
QUICKLY = {"xla_backend_optimization_level": 0}  # compiled in a fifth of the time: right for a program that runs once


class Experiment(NamedTuple):
    """A recipe as objects: all that the engine needs to know about a run except its data."""

    specs: Specs  # of the data
    game: Game
    definitions: Mapping[str, Definition]  # role -> network
    optimisers: Mapping[str, "optax.GradientTransformation"]  # table of [optimisers] -> optimiser
    train: Train
    ema: Ema
    identity: str = ""  # a digest of the recipe's tables, under which programs are kept; empty: they are not

    def made_by(self, ask: str = "") -> Spec | None:
        """The spec of what an ask makes, of the first one without a name; None: log-probabilities of a label."""
        like = self.game.ask(ask).like
        return like if isinstance(like, Spec) else leaves(self.specs)[like]

    def stream(self, ask: str = "") -> str:
        """The stream that what an ask makes belongs to; the first one where its results are like no data."""
        like, known = self.game.ask(ask).like, list(self.specs)
        if isinstance(like, Spec):
            return known[0]
        return next((name for name in known if like in leaves({name: self.specs[name]})), known[0])

    @property
    def spec(self) -> Spec:
        """The spec of what the first ask makes; where that is a label, of its stream's examples."""
        return self.made_by() or self.specs[self.stream()]


class State(NamedTuple):
    """Everything that a step reads and writes; the names of its leaves are those of the arrays in a checkpoint."""

    step: Array  # int32 []: steps done
    variables: dict[str, Variables]  # role -> weights
    optim: dict[str, Any]  # table of [optimisers] -> its state; turns with the same table share it
    average: dict[str, Variables]  # role -> averaged weights, for the roles that sampling uses
    memory: Memory
    key: Key  # the run's; a step's own key is folded in from its number


class Late(Mapping[str, T]):
    """What `make` makes, but not before something of it is asked for."""

    def __init__(self, make: Callable[[], Mapping[str, T]]):
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, T]:
        return self._make()

    def __getitem__(self, name: str) -> T:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def definitions(game: Game) -> dict[str, Definition]:
    """The game's networks, without weights; raises InputError when one of them is unfit for the game."""
    made = {role: define(build) for role, build in game.networks.items()}
    for role in game.per_example:
        if made[role].mixes:
            raise InputError(
                f"[networks.{role}]: with batch norm or minibatch discrimination one example's score depends on the "
                "others of its batch, and a penalty on its gradient has no meaning; without the latter, "
                'norm = "layer", "instance", "spectral" or "none" would do'
            )
    for copy in game.copies:
        own, other = (
            {leaf_name(path): x.shape for path, x in jax.tree_util.tree_leaves_with_path(made[role].shapes)}
            for role in (copy.target, copy.source)
        )
        if own != other:
            raise InputError(f"[networks.{copy.target}]: takes over the weights of {copy.source}, and has others")
    return made


def optimised(game: Game) -> dict[str, tuple[str, ...]]:
    """Table of [optimisers] -> the roles it moves. Raises ValueError when turns of the game contradict each other."""
    tables: dict[str, tuple[str, ...]] = {}
    for turn in game.turns:
        if tables.setdefault(turn.optimiser, turn.trains) != turn.trains:
            raise ValueError(f"turn {turn.name} shares optimiser {turn.optimiser} but not the roles that it trains")
    moved = [role for turn in game.turns for role in turn.trains]
    if game.simultaneous and len(moved) > len(set(moved)):
        raise ValueError("a role cannot be trained by two turns of a simultaneous game: one would undo the other")
    return tables


def initial_state(experiment: Experiment, seed: int) -> State:
    """The state before the first step, a pure function of the seed, computed in one compiled call."""
    return jax.jit(partial(fresh, experiment), compiler_options=QUICKLY)(jax.random.key(seed))


def state_shapes(experiment: Experiment) -> State:
    """Shapes and dtypes of every state of the experiment; computes nothing."""
    variables = weight_shapes(experiment)
    shapes: State = jax.eval_shape(lambda some: _with_weights(experiment, some, jax.random.key(0)), variables)
    return shapes


def weight_shapes(experiment: Experiment) -> dict[str, Variables]:
    """Shapes and dtypes of the weights, by role."""
    return {role: made.shapes for role, made in experiment.definitions.items()}


def fresh(experiment: Experiment, key: Key) -> State:
    """The state before the first step of the run that starts from `key`; jittable."""
    game = experiment.game
    run_key, *keys = jax.random.split(key, 1 + len(game.networks))
    variables = {role: initialise(build, k) for (role, build), k in zip(game.networks.items(), keys, strict=True)}
    variables |= {copy.target: jax.tree.map(jnp.copy, variables[copy.source]) for copy in game.copies}
    return _with_weights(experiment, variables, run_key)


def _with_weights(experiment: Experiment, variables: dict[str, Variables], key: Key) -> State:
    """The state of a run before its first step, from its networks' weights and its key; jittable."""
    game = experiment.game
    optim = {
        table: experiment.optimisers[table].init({role: variables[role].params for role in trains})
        for table, trains in optimised(game).items()
    }
    average = {role: jax.tree.map(jnp.copy, variables[role]) for role in sampling_roles(experiment, variables)}
    # with types of their own, not "weak" ones, which a step would not give back: its second call would compile again
    memory = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), game.memory)
    return State(jnp.zeros((), jnp.int32), variables, optim, average, memory, key)


def sampling_roles(experiment: Experiment, variables: Mapping[str, Variables]) -> list[str]:
    """The roles that a trained game runs when it is asked something: found by tracing that, nothing is computed."""
    game, called = experiment.game, set()
    examples = seen_leaves(experiment.specs)

    def trace(variables: Mapping[str, Variables], examples: Batch, key: Key) -> Any:
        nets, drawn = Nets(experiment.definitions, variables), game.draw(key, 2)
        made: list[Any] = [
            ask.do(nets, {**drawn, **{name: examples[name] for name in ask.given}}) for ask in game.asks.values()
        ]
        made += [game.infer(nets, examples[X])] if game.infer else []
        made += [game.density(nets, {**drawn, **examples})] if game.density else []
        called.update(nets.called)
        return made

    with formulation("lax"):  # the quickest to trace
        jax.eval_shape(trace, variables, examples, jax.random.key(0))
    return sorted(called)


def seen_leaves(specs: Specs, n: int = 2) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and types of n examples' leaves as games see them, by name."""

    def seen(spec: Spec | None) -> jax.ShapeDtypeStruct:
        if spec is None:
            return jax.ShapeDtypeStruct((n,), jnp.int32)
        medium = media.of(spec)
        decoded: jax.ShapeDtypeStruct = jax.eval_shape(
            medium.decode, jax.ShapeDtypeStruct((n, *spec.shape), jnp.dtype(medium.dtype))
        )
        return decoded

    return {name: seen(spec) for name, spec in leaves(specs).items()}


def leaf_name(path: Any) -> str:
    """The path of a leaf as "variables.generator.params.out.kernel.value"."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def flat(tree: Any, abstract: bool = False) -> dict[str, Any]:
    """The leaves of a pytree by name, PRNG keys as their raw data: as they are saved, and told to other processes.

    `abstract`: the tree may hold shapes only, and the result does.
    """
    leaves = {leaf_name(path): x for path, x in jax.tree_util.tree_leaves_with_path(tree)}
    for name, x in leaves.items():
        if is_key(x):
            leaves[name] = jax.eval_shape(jax.random.key_data, x) if abstract else jax.random.key_data(x)
    return leaves


def unflat(leaves: Mapping[str, Any], like: Any) -> Any:
    """The inverse of `flat`, for a tree like `like`, of arrays of any kind."""

    def leaf(path: Any, x: Any) -> Any:
        value = leaves[leaf_name(path)]
        return jax.random.wrap_key_data(value) if is_key(x) else value

    return jax.tree_util.tree_map_with_path(leaf, like)


def placed(leaves: Mapping[str, Any]) -> dict[str, Array]:
    """Leaves by name, copied to the device in one call: a step may then overwrite them."""
    there: dict[str, Array] = jax.device_put(dict(leaves), may_alias=False)
    return there
