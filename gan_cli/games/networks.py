"""A game's networks: how they are made without computing anything, and how a loss runs them.

The engine owns gradients, optimisers, devices, averaging and checkpoints; a game sees none of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_cli.errors import InputError
from gan_cli.types import Array, Key, Ports, Shape

# Flax is imported where networks are made: sampling with a kept program does without it.

Memory = Any  # a pytree of arrays that a game carries from step to step
NetFactory = Callable[[Ports, Any], Any]  # (ports, nnx.Rngs) -> nnx.Module; its options are already bound
Builder = Callable[[Any], Any]  # nnx.Rngs -> nnx.Module: a NetFactory whose ports the game has settled


class Definition(NamedTuple):
    """A network without its weights."""

    train: Any  # nnx.GraphDef in training mode
    eval: Any  # nnx.GraphDef in evaluation mode: running averages, no dropout
    rng: Any  # nnx.State of its random streams, shapes only: each call fills in its own key
    has_clock: bool  # whether it depends on the steps of training done (`layers.clock`)
    mixes: bool  # whether what it makes of one example depends on the others of the batch, as with batch norm
    shapes: "Variables"  # of its weights, shapes only


class Variables(NamedTuple):
    """The weights of one network."""

    params: Any  # nnx.State: what an optimiser moves
    rest: Any  # nnx.State: batch statistics, power-iteration vectors


def define(build: Builder) -> Definition:
    """The network that `build` makes, without computing any weight."""
    from flax import nnx

    from gan_cli.layers.clock import Clock

    module = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    train, params, rng, rest = _split(module)
    parts = [part for _, part in nnx.iter_graph(module)]
    has_clock, mixes = (
        any(isinstance(part, Clock) for part in parts),
        any(getattr(part, "mixes", False) for part in parts),
    )
    module.eval()
    return Definition(train, nnx.graphdef(module), rng, has_clock, mixes, Variables(params, rest))


def initialise(build: Builder, key: Key) -> Variables:
    """Fresh weights of the network that `build` makes, a pure function of the key."""
    from flax import nnx

    _, params, _, rest = _split(build(nnx.Rngs(key)))
    return Variables(params, rest)


def features_shape(build: Builder, example: Shape) -> Shape:
    """The shape, without a batch axis, of the "features" that a network makes of one example; computes nothing."""
    shape: Shape = shown(build, example)["features"].shape[1:]
    return shape


def shown(build: Builder, example: Shape) -> dict[str, Any]:
    """Shapes of what a network shows of its inside beside its output, of one example; computes nothing."""
    from flax import nnx

    def trace() -> dict[str, Any]:
        module: Any = build(nnx.Rngs(0))
        module.eval()
        inside: dict[str, Any] = module(jnp.zeros((1, *example)))[1]
        return inside

    return jax.eval_shape(trace)


def bounded_by(build: Builder, example: Shape) -> str:
    """The function that keeps a network's output within bounds, "tanh" or "logistic"; empty: none does.

    It is what the output was computed by last, but for being moved, scaled and shifted. Computes nothing.
    """
    from flax import nnx

    def trace(x: Array) -> Array:
        module: Any = build(nnx.Rngs(0))
        module.eval()
        made: Array = module(x)[0]
        return made

    traced = jax.make_jaxpr(trace)(jax.ShapeDtypeStruct((1, *example), jnp.float32))
    return _last_function(traced.jaxpr, traced.jaxpr.outvars[0])


PASSED = {"reshape", "transpose", "convert_element_type", "squeeze", "expand_dims", "slice", "rev", "copy"}
PASSED |= {"mul", "add", "sub", "neg", "div"}  # by numbers that are known


def _last_function(program: Any, variable: Any) -> str:
    """The function, "tanh" or "logistic", that a variable of a program comes from through PASSED alone, or nothing."""
    made_by = next((e for e in program.eqns if variable in e.outvars), None)
    if made_by is None:
        return ""
    name, unknown = made_by.primitive.name, [x for x in made_by.invars if not hasattr(x, "val")]
    inner = made_by.params.get("jaxpr") or made_by.params.get("call_jaxpr")
    if inner is not None:
        inner = getattr(inner, "jaxpr", inner)
        return _last_function(inner, inner.outvars[made_by.outvars.index(variable)])
    if name in PASSED and len(unknown) == 1:
        return _last_function(program, unknown[0])
    return name if name in ("tanh", "logistic") else ""


def _split(module: Any) -> tuple[Any, Any, Any, Any]:
    """Split into graph definition, parameters, random streams, and the rest: batch statistics and the like."""
    from flax import nnx

    parts: Any = nnx.split(module, nnx.Param, nnx.RngState, ...)
    return parts


class Descent(NamedTuple):
    """An optimiser's state and its next moves, for losses that look ahead."""

    state: Any  # moments, counters
    move: Callable[[Any, Any, Any], tuple[Any, Any]]  # (gradients, {role: params}, state) -> ({role: params}, state)


class Nets:
    """The game's networks bound to one set of weights for the length of one loss call.

    `nets["generator"](z)` runs a role and keeps its new batch statistics for the next call and the next step; `seeds`,
    uint32 [B], are what a network's own chance comes from (`layers/chance.py`), where the game gives it some.
    `nets.frozen(role)` keeps nothing, and is what a loss uses inside its own grad, vmap or scan.
    Weights and float inputs are cast to `dtype` on the way in, outputs to float32 on the way out.
    """

    def __init__(
        self,
        definitions: Mapping[str, Definition],
        variables: Mapping[str, Variables],
        key: Key | None = None,  # for dropout and other noise inside networks; None: evaluation mode
        dtype: Any = jnp.float32,
        descents: Mapping[str, Descent] | None = None,  # for the tables in `Game.differentiates`
        memory: Memory = (),  # the game's, before this step
        remat: bool = False,  # whether what a call has computed inside is computed again for its derivative, not kept
        step: Array | None = None,  # steps done, in training
    ):
        self._definitions = definitions
        self.variables = dict(variables)  # role -> parameters, and batch statistics after the calls so far
        self._key = key
        self._dtype = dtype
        self._remat = remat
        self.descents = descents or {}  # table of `Game.differentiates` -> its optimiser as it stands before this turn
        self.memory = memory
        self.step = jnp.int32(0) if step is None else step  # for weights of terms that rise and fall
        self._is_training = step is not None
        self.called: list[str] = []  # the role of each call so far

    def __getitem__(self, role: str) -> Callable[..., Any]:
        """The role's network as a function; its new batch statistics replace the old ones."""

        def run(*inputs: Any, seeds: Array | None = None) -> Any:
            output, rest = self._apply(role, self.variables[role], inputs, seeds=seeds)
            self.variables[role] = self.variables[role]._replace(rest=rest)
            return output

        return run

    def frozen(self, role: str, params: Any = None, *, method: str = "__call__") -> Callable[..., Any]:
        """The role's network as a pure function, optionally with other parameters, or another of its methods.

        Its dropout is the same wherever the function is called again: in every turn of a loop, for one.
        """
        variables = self.variables[role]
        variables = variables if params is None else variables._replace(params=params)
        return lambda *inputs: self._apply(role, variables, inputs, method)[0]

    def _apply(
        self,
        role: str,
        variables: Variables,
        inputs: tuple[Any, ...],
        method: str = "__call__",
        seeds: Array | None = None,
    ) -> tuple[Any, Any]:
        from flax import nnx

        self.called.append(role)
        definition = self._definitions[role]
        graph = definition.eval if self._key is None else definition.train
        # Each call has a fresh key, which is the same one in every turn that makes the same calls.
        key = jax.random.key(0) if self._key is None else jax.random.fold_in(self._key, len(self.called))
        noise = _chance(definition.rng, key, seeds, role)

        def run(variables: Variables, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
            params = _cast(variables.params, self._dtype)
            kept = _wound(variables.rest, self.step) if definition.has_clock and self._is_training else variables.rest
            module = nnx.merge(graph, params, noise, kept, copy=True)
            output = getattr(module, method)(*_cast(inputs, self._dtype))
            _, _, _, rest = _split(module)
            return _cast(output, jnp.float32), rest

        made: tuple[Any, Any] = (jax.checkpoint(run) if self._remat else run)(variables, inputs)
        return made


def _chance(streams: Any, key: Key, seeds: Array | None, role: str) -> Any:
    """A network's random streams for one call; raises InputError where its chance wants seeds and there are none."""
    from gan_cli.layers.chance import Seeds

    def fill(x: Any) -> Any:
        if not isinstance(x, Seeds):
            return key if is_key(x) else jnp.zeros(x.shape, x.dtype)
        if seeds is None:
            raise InputError(
                f"[networks.{role}]: it drops values by a seed of each example, and this game gives it none: "
                'dropout = 0 there, or a game that does, play = "pix2pix"'
            )
        return x.replace(seeds)

    return jax.tree.map(fill, streams, is_leaf=lambda x: isinstance(x, Seeds))


def _wound(rest: Any, step: Array) -> Any:
    """What a network keeps beside its weights, every clock at `step`."""
    from gan_cli.layers.clock import Clock

    def wind(x: Any) -> Any:
        return x.replace(jnp.asarray(step, jnp.int32)) if isinstance(x, Clock) else x

    return jax.tree.map(wind, rest, is_leaf=lambda x: isinstance(x, Clock))


def is_key(x: Any) -> bool:
    """Whether an array holds typed PRNG keys."""
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(jnp.result_type(x), jnp.floating) else x, tree)
