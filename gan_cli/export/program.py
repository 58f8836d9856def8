"""The sampler as one function of arrays with its weights inside, and whether an exported one makes the same samples."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli.engine.sampler import Inputs, Sampler, draw_many, drawing_ask
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.games.game import Nets, Variables
from gan_cli.layers.layers import formulation
from gan_cli.runs.load import Loaded
from gan_cli.types import Array

Function = Callable[[Mapping[str, Array]], Array]
EXAMPLES = 16  # samples that an export is compared by
BOUNDS = {"float32": 1e-3, "bfloat16": 0.1}  # of the difference, in units of the samples' reach


class Example(NamedTuple):
    """Inputs, and what this package makes of them."""

    inputs: Inputs  # leaves [n, ...]
    samples: np.ndarray  # float32 [n, ...], images in [-1, 1]


def sampler_function(experiment: Experiment, variables: Mapping[str, Variables], precision: str) -> Function:
    """The function from inputs as `Game.draw` names them, leaves [B, ...], to samples float32 [B, ...].

    `precision`: of the arithmetic, "float32" or "bfloat16". Convolutions are plain `lax` ones, which every platform
    knows. Each sample is made by itself, under `vmap`: so B may be symbolic, whatever a network asks of its batch.
    Raises InputError for a game that draws nothing.
    """
    asked = experiment.game.ask(drawing_ask(experiment))

    def one(inputs: Mapping[str, Array]) -> Array:
        nets = Nets(experiment.definitions, variables, dtype=jnp.dtype(precision))
        return asked.do(nets, {name: x[None] for name, x in inputs.items()})[0]

    def sample(inputs: Mapping[str, Array]) -> Array:
        with formulation("lax"):
            samples: Array = jax.vmap(one)(inputs)
            return samples

    return sample


def input_shapes(experiment: Experiment) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of the inputs of one sample, without the batch axis, sorted by name. Nothing is computed."""
    drawn = jax.eval_shape(lambda: experiment.game.draw(jax.random.key(0), 1))
    return {name: jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for name, x in sorted(drawn.items())}


def example(loaded: Loaded, *, raw: bool, n: int = EXAMPLES) -> Example:
    """The first n samples of seed 0, before they are rounded to 8 bits, with their inputs."""
    inputs = draw_many(loaded.experiment, 0, n)
    batches = Sampler(loaded.experiment, n, ask=drawing_ask(loaded.experiment)).batches(loaded.weights(raw), inputs)
    return Example(inputs, np.concatenate([np.asarray(batch) for batch in batches]))


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
