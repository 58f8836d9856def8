"""Turn, Ask, Game and Nets: the vocabulary in which every GAN of this package is written.

A game is an ordered tuple of turns. A turn is a pure loss and the roles it may move; all others are constants in it.
The engine owns gradients, optimisers, devices, averaging and checkpoints; a game sees none of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from gan_cli.errors import InputError
from gan_cli.types import Array, Aux, Batch, Control, Key, Ports, Shape, Spec, X

# Flax is imported where networks are made: sampling with a kept program does without it.

Memory = Any  # a pytree of arrays that a game carries from step to step
NetFactory = Callable[[Ports, Any], Any]  # (ports, nnx.Rngs) -> nnx.Module; its options are already bound
Labels = Literal["unused", "all", "some"]
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
    name, known = made_by.primitive.name, [x for x in made_by.invars if not hasattr(x, "val")]
    inner = made_by.params.get("jaxpr") or made_by.params.get("call_jaxpr")
    if inner is not None:
        inner = getattr(inner, "jaxpr", inner)
        return _last_function(inner, inner.outvars[made_by.outvars.index(variable)])
    if name in PASSED and len(known) == 1:
        return _last_function(program, known[0])
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


Loss = Callable[[Nets, Batch], tuple[Array, Aux]]
"""A turn's loss: a scalar to minimise, and what it reports. The batch holds this device's data and the game's draws,
leaves [B, ...].

All randomness is among the draws, a seed for each example where a loss needs more: a key of the step would give other
numbers on another number of devices.
"""


class Turn(NamedTuple):
    """One kind of update: which roles move to make which loss smaller, and when."""

    name: str
    trains: tuple[str, ...]
    loss: Loss
    every: int = 1  # steps between two of this turn; the first is at step start + every - 1
    start: int = 0  # first step at which it can run
    stop: int | None = None  # first step at which it no longer runs; None: never stops
    optim: str = ""  # the table of `[optimisers]` that it uses; empty: its own name
    when: Callable[[Array], Array] | None = None  # step -> whether it runs, in place of `every`

    @property
    def optimiser(self) -> str:
        """The name of its table in `[optimisers]`."""
        return self.optim or self.name

    @property
    def always(self) -> bool:
        """Whether it runs at every step."""
        return self.every == 1 and self.start == 0 and self.stop is None and self.when is None

    def due(self, step: Array) -> Array:
        """Whether it runs at `step` (from 0): a boolean scalar."""
        due = self.when(step) if self.when else (step - self.start + 1) % self.every == 0
        due &= step >= self.start
        return due if self.stop is None else due & (step < self.stop)


def keep(memory: Memory, reports: Mapping[str, Aux]) -> Memory:  # noqa: ARG001
    """The `remember` of games without memory."""
    return memory


class Ask(NamedTuple):
    """Something that a trained game can be asked: to draw, to translate, to segment, to classify, to reconstruct.

    Which of them it is follows from what is given and what the result is like. All chance is among the game's draws, a
    seed for each example where a result needs more, so that result i is a function of (seed, i) and of what is given.
    """

    do: Callable[[Nets, Batch], Array]  # the game's draws, and the leaves in `given`, [B, ...] each -> results [B, ...]
    given: tuple[str, ...] = ()  # the leaves of the data that it starts from; empty: it starts from nothing, and draws
    like: str | Spec = X
    """The leaf of the data that results are like, or a format of their own. Of a label (`y`) a result is the
    log-probabilities of its classes, float32 [B, K]."""


DENSITY = "density"  # what asking for `Game.density` is called


class Copy(NamedTuple):
    """Weights of one role that become another's: a teacher's, a target network's, a lagged policy's.

    The target begins with the weights that its source begins with.
    """

    source: str  # the role whose weights are copied
    target: str  # the role that has them then; no turn trains it
    every: int = 1  # steps between two copies; the first is after step `every`
    keep: float = 0.0  # share of its old weights that the target keeps: an average over copies


class Game(NamedTuple):
    """A GAN: its networks, its turns and what it can be asked."""

    networks: Mapping[str, Builder]  # role -> builds the Flax module
    turns: tuple[Turn, ...]
    draw: Callable[[Key, int], dict[str, Array]]  # (key, n) -> the game's own inputs, {"z": [n, L]}, beside the data's
    asks: Mapping[str, Ask]  # by name; the first one is shown in pictures and judged where nobody names another
    controls: Mapping[str, Control] = {}  # those of `draw`'s inputs that a person can set: "class", "c0"
    infer: Callable[[Nets, Array], Mapping[str, Array]] | None = None
    """Examples [B, ...] -> what a network of the game takes their controls to be, by name: log-probabilities [B, K] of
    K categories, or the mean and log standard deviation of a Gaussian [B, 2] for a number."""
    latent: int = 0  # numbers in the latent that `decode` takes
    decode: Callable[[Nets, Array], Array] | None = None
    """Latents [B, latent] of a standard normal prior -> samples [B, ...]; None: something else decides them, too."""
    encode: Callable[[Nets, Array], Mapping[str, Array]] | None = None
    """Examples [B, ...] -> those of `draw`'s inputs that an encoder of the game takes their samples to be made of."""
    maps: Callable[[Nets, Array, Batch], Mapping[str, Array]] | None = None
    """Examples [B, ...], with the inputs that samples like them have (their class) -> what a discriminator shows of its
    inside, by name, [B, ...] each: distances there are nearer to a person's than those of pixels. None: none shows
    any."""
    density: Callable[[Nets, Batch], Array] | None = None
    """Examples as games see them, with the game's draws -> log p(x) of the examples as they are stored, or a bound of
    it, in nats: [B]. None: the game has none."""
    copies: tuple[Copy, ...] = ()  # after the turns of a step, in order
    memory: Memory = ()  # BEGAN's k, Fisher's multiplier, ADA's p, CycleGAN's image pool
    remember: Callable[[Memory, Mapping[str, Aux]], Memory] = keep  # (memory, turn -> its report) -> memory
    labels: Labels | Mapping[str, Labels] = "unused"  # which labels the losses read, of which stream
    per_example: tuple[str, ...] = ()  # roles that must treat each example by itself: no batch statistics
    together: int = 1  # examples of a batch that belong together: they divide what a device sees at once
    differentiates: tuple[str, ...] = ()  # tables of [optimisers] through whose updates a loss is differentiated
    simultaneous: bool = False  # True: every turn sees the weights from before the step; False: turn after turn

    def ask(self, name: str = "") -> Ask:
        """The ask of that name, the first one without a name; raises KeyError. DENSITY is that of `density`."""
        if name == DENSITY and self.density:
            return Ask(self.density, (X,), Spec((1,)))
        return self.asks[name or next(iter(self.asks))]

    def labels_of(self, stream: str) -> Labels:
        """Which labels of a stream's data the losses read; some: `data/labelled.py`."""
        return self.labels.get(stream, "unused") if isinstance(self.labels, Mapping) else self.labels

    def turn(self, name: str) -> Turn:
        """The turn of that name; raises KeyError."""
        return {turn.name: turn for turn in self.turns}[name]

    def with_turn(self, name: str, **changes: Any) -> "Game":
        """The game with these fields of one turn replaced; all its other turns, those of penalties too, stay."""
        changed = self.turn(name)._replace(**changes)
        return self._replace(turns=tuple(changed if turn.name == name else turn for turn in self.turns))
