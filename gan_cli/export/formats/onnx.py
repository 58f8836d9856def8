"""The sampler as an ONNX model, for runtimes without JAX: converted by jax2onnx, compared by ONNX Runtime."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from gan_cli.engine.sampler import Inputs
from gan_cli.export.description import recipe_text
from gan_cli.export.formats import Format
from gan_cli.export.program import input_shapes, sampler_function
from gan_cli.runs.load import Loaded
from gan_cli.types import Array

OUTPUT = "sample"
ABOUT = """\
`{file}` is an ONNX model with its weights inside, for any batch size. `pip install {needs}`, and:"""


def onnx() -> Format:
    """A model for other runtimes."""
    return Format(
        name="onnx",
        file="sampler.onnx",
        write=write_model,
        about=ABOUT,
        opening="program = onnxruntime.InferenceSession({path})\n",
        imports=("import numpy as np", "import onnxruntime"),
        needs="onnxruntime numpy",
        extra="onnx",
        modules=("jax2onnx", "onnxruntime"),
        runtime="ONNX Runtime",
        call=f'program.run(["{OUTPUT}"], inputs)[0]',
        run=run_model,
    )


def write_model(loaded: Loaded, raw: bool, description: Mapping[str, Any]) -> bytes:
    """An ONNX model: its inputs by name [batch, ...] -> "sample" float32 [batch, ...]. Arithmetic is float32.

    Its metadata hold the description of the sampler, as JSON, and the recipe.
    """
    from jax2onnx import to_onnx

    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it warns of shapes that it leaves out, by the dozen
    ask = description["ask"]
    shapes = input_shapes(loaded.experiment, ask)
    sample = sampler_function(loaded.experiment, loaded.weights(raw), "float32", ask)

    def positional(*inputs: Array) -> Array:
        return sample(dict(zip(shapes, inputs, strict=True)))

    model = to_onnx(
        positional,
        [jax.ShapeDtypeStruct(("batch", *x.shape), x.dtype) for x in shapes.values()],
        model_name="generator",
        input_names=list(shapes),
        output_names=[OUTPUT],
    )
    for key, value in {"sampler": json.dumps(description), "recipe": recipe_text(loaded)}.items():
        model.metadata_props.add(key=key, value=value)
    data: bytes = model.SerializeToString()
    return data


def run_model(data: bytes, inputs: Inputs) -> np.ndarray:
    """What ONNX Runtime makes of the inputs with this model, leaves [n, ...]: samples float32 [n, ...]."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (made,) = session.run([OUTPUT], dict(inputs))
    return np.asarray(made)
