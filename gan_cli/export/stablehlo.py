"""The sampler as a program that `jax.export` writes: StableHLO with the weights inside, for any batch size."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax import export

from gan_cli.errors import require_package
from gan_cli.export.program import Example, agreement, function, input_shapes
from gan_cli.runs.load import Loaded

PLATFORMS = ("cpu", "cuda", "tpu")


def check() -> None:
    """Raise InputError when a package is missing."""
    require_package("jaxexport", "--format stablehlo", "flatbuffers")


def write(loaded: Loaded, *, raw: bool) -> bytes:
    """The program {input: [B, ...]} -> samples float32 [B, ...], as `jax.export.deserialize` reads it."""
    experiment = loaded.experiment
    (batch,) = export.symbolic_shape("batch")
    shapes = input_shapes(experiment)
    inputs = {name: jax.ShapeDtypeStruct((batch, *x.shape), x.dtype) for name, x in shapes.items()}
    sample = function(experiment, loaded.weights(raw), experiment.train.precision)
    with _without_places():
        program = export.export(jax.jit(sample), platforms=PLATFORMS)(inputs)
        return bytes(program.serialize())


@contextmanager
def _without_places() -> Iterator[None]:
    """Lower programs without the files and lines they come from: paths of this machine, and other ones each time."""
    option = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, option)
    jax.config.update(option, 0)
    try:
        yield
    finally:
        jax.config.update(option, before)


def compare(data: bytes, wanted: Example, loaded: Loaded) -> float:
    """Read the program back and run it: its largest difference from this package's samples. Raises InputError."""
    made = np.asarray(export.deserialize(bytearray(data)).call(dict(wanted.inputs)))
    return agreement(made, wanted, loaded.experiment.train.precision, "--format stablehlo")
