"""An ask as one function of arrays with its weights inside, and whether an exported one makes the same samples."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli import media
from gan_cli.binding import nearest
from gan_cli.engine.sampler import Inputs, Sampler, draw_many, drawn_shapes, seen
from gan_cli.engine.state import Experiment, seen_leaves, weight_shapes
from gan_cli.errors import InputError
from gan_cli.games.networks import Nets, Variables
from gan_cli.judging.given import stream_of
from gan_cli.layers.layers import formulation
from gan_cli.runs.load import Loaded
from gan_cli.types import Array, Spec, leaves

Function = Callable[[Mapping[str, Array]], Array]
EXAMPLES = 16  # samples that an export is compared by
BOUNDS = {"float32": 1e-3, "bfloat16": 0.1}  # of the difference, in units of the samples' reach


class Example(NamedTuple):
    """Inputs, and what this package makes of them."""

    inputs: Inputs  # leaves [n, ...], as games see them: images float32 in [-1, 1]
    samples: np.ndarray  # float32 [n, ...], images in [-1, 1]


def exported_ask(experiment: Experiment, named: str) -> str:
    """The named ask, or the first that draws, or the first; raises InputError for one that the game does not know."""
    asks = experiment.game.asks
    if named and named not in asks:
        raise InputError(f"--ask {named}: the game cannot be asked for that{nearest(named, asks)}")
    return named or next((name for name, ask in asks.items() if not ask.given), next(iter(asks)))


def sampler_function(experiment: Experiment, variables: Mapping[str, Variables], precision: str, ask: str) -> Function:
    """The function from the inputs of `input_shapes`, leaves [B, ...], to what the ask makes of them, [B, ...].

    `precision`: of the arithmetic, "float32" or "bfloat16". Convolutions are plain `lax` ones, which every platform
    knows. Each sample is made by itself, under `vmap`: so B may be symbolic, whatever a network asks of its batch.
    """
    asked = experiment.game.ask(ask)
    unused = {name: jnp.zeros((1, *x.shape), x.dtype) for name, x in _offered(experiment, ask).items()}

    def one(inputs: Mapping[str, Array]) -> Array:
        nets = Nets(experiment.definitions, variables, dtype=jnp.dtype(precision))
        return asked.do(nets, {**unused, **{name: x[None] for name, x in inputs.items()}})[0]

    def sample(inputs: Mapping[str, Array]) -> Array:
        with formulation("lax"):
            samples: Array = jax.vmap(one)(inputs)
            return samples

    return sample


def input_shapes(experiment: Experiment, ask: str) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of what one result is made of, without the batch axis, sorted by name. Nothing is computed.

    These are what is given, as games see it, and those of the game's draws that the ask looks at: others are for
    training.
    """
    offered = _offered(experiment, ask)
    batch = {name: jax.ShapeDtypeStruct((1, *x.shape), x.dtype) for name, x in offered.items()}
    with formulation("lax"):  # the quickest to trace
        traced = jax.make_jaxpr(
            lambda weights, inputs: experiment.game.ask(ask).do(Nets(experiment.definitions, weights), inputs)
        )(weight_shapes(experiment), batch)
    names = dict(zip(traced.jaxpr.invars[-len(batch) :], batch, strict=True))  # of a dict JAX sorts the leaves, too
    read = {id(x) for equation in traced.jaxpr.eqns for x in equation.invars} | {id(x) for x in traced.jaxpr.outvars}
    return {name: offered[name] for variable, name in names.items() if id(variable) in read}


def _offered(experiment: Experiment, ask: str) -> dict[str, jax.ShapeDtypeStruct]:
    """All that an ask could look at for one result: the game's draws and what is given, sorted by name."""
    examples, drawn = seen_leaves(experiment.specs), drawn_shapes(experiment)
    offered = {**drawn, **{name: examples[name] for name in experiment.game.ask(ask).given}}
    return {name: jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for name, x in sorted(offered.items())}


def example(loaded: Loaded, ask: str, *, raw: bool, n: int = EXAMPLES) -> Example:
    """The first n results of seed 0, before they are rounded to 8 bits, with their inputs; what is given is noise."""
    experiment = loaded.experiment
    specs, given = leaves(experiment.specs), experiment.game.ask(ask).given
    stored = {name: _noise(specs[name], len(classes_of(experiment, name)), n) for name in given}
    drawn = draw_many(experiment, 0, n)
    batches = Sampler(experiment, n, ask=ask).batches(loaded.weights(raw), {**drawn, **stored})
    offered = {**drawn, **{name: np.asarray(seen(specs[name], x)) for name, x in stored.items()}}
    inputs = {name: offered[name] for name in input_shapes(experiment, ask)}
    return Example(inputs, np.concatenate([np.asarray(batch) for batch in batches]))


def classes_of(experiment: Experiment, name: str) -> tuple[str, ...]:
    """The names of the classes of the stream to which a leaf of the data belongs."""
    return experiment.specs[stream_of(name, experiment.specs) or ""].classes


def _noise(spec: Spec | None, classes: int, n: int) -> np.ndarray:
    """n examples as stored that are nothing but noise; without a spec labels."""
    random, dtype = np.random.default_rng(0), media.of(spec).dtype if spec else "int32"
    shape = (n, *spec.shape) if spec else (n,)
    if dtype == "float32":
        return random.uniform(-1, 1, shape).astype(dtype)
    kinds = 256 if dtype == "uint8" else len(spec.words) if spec else classes
    return random.integers(0, kinds or 2, shape).astype(dtype)


def agreement(made: np.ndarray, wanted: Example, precision: str, where: str) -> float:
    """The largest absolute difference of an export's samples, float [n, ...], from this package's.

    `where` begins the message of the InputError that is raised where the difference is more than rounding makes.
    """
    difference = float(np.abs(made.astype(np.float64) - wanted.samples).max())
    reach = max(1.0, float(np.abs(wanted.samples).max()))
    if not difference <= BOUNDS[precision] * reach:  # also where it is not a number
        raise InputError(
            f"{where}: its samples differ by up to {difference:.3g} from those of this model, so it is not kept; "
            "--no-check keeps it, another --format may do better"
        )
    return difference
