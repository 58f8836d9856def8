"""The sampler as a program that `jax.export` writes: StableHLO with the weights inside, for any batch size."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax import export

from gan_cli.engine.sampler import Inputs
from gan_cli.export.formats import Format
from gan_cli.export.program import input_shapes, sampler_function
from gan_cli.runs.load import Loaded

PLATFORMS = ("cpu", "cuda", "tpu")
WITHOUT_PLACES = "jax_traceback_in_locations_limit"  # how many lines of source a program says each operation is from
ABOUT = """\
`{file}` is a program with its weights inside, for any batch size, on CPU, CUDA and TPU: StableHLO as `jax.export`
writes it. `pip install {needs}`, and:"""
OPENING = """\
with open({path}, "rb") as file:
    program = export.deserialize(bytearray(file.read()))
"""


def stablehlo() -> Format:
    """A program that jax.export reads."""
    return Format(
        name="stablehlo",
        file="sampler.jaxexport",
        write=write_program,
        about=ABOUT,
        opening=OPENING,
        imports=("import numpy as np", "from jax import export"),
        needs="jax flatbuffers numpy",
        extra="jaxexport",
        modules=("flatbuffers",),
        runtime="JAX",
        call="np.asarray(program.call(inputs))",
        run=run_program,
        facts={"platforms": list(PLATFORMS), "written_by": f"jax {jax.__version__}"},
    )


def write_program(loaded: Loaded, raw: bool, description: Mapping[str, Any]) -> bytes:
    """The program {input: [B, ...]} -> samples float32 [B, ...], as `jax.export.deserialize` reads it."""
    experiment = loaded.experiment
    (batch,) = export.symbolic_shape("batch")
    ask = description["ask"]
    shapes = input_shapes(experiment, ask)
    inputs = {name: jax.ShapeDtypeStruct((batch, *x.shape), x.dtype) for name, x in shapes.items()}
    sample = sampler_function(experiment, loaded.weights(raw), experiment.train.precision, ask)
    # without the files and lines that operations come from: they are paths of this machine, and other ones each time
    before = getattr(jax.config, WITHOUT_PLACES)
    jax.config.update(WITHOUT_PLACES, 0)
    try:
        return bytes(export.export(jax.jit(sample), platforms=PLATFORMS)(inputs).serialize())
    finally:
        jax.config.update(WITHOUT_PLACES, before)


def run_program(data: bytes, inputs: Inputs) -> np.ndarray:
    """What the program makes of the inputs, leaves [n, ...]: samples float32 [n, ...]."""
    return np.asarray(export.deserialize(bytearray(data)).call(dict(inputs)))
