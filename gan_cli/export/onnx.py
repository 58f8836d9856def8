"""The sampler as an ONNX model, for runtimes without JAX: converted by jax2onnx, compared by ONNX Runtime."""

import logging
from collections.abc import Mapping

import jax
import numpy as np

from gan_cli.errors import require_package
from gan_cli.export.program import Example, agreement, function, input_shapes
from gan_cli.runs.load import Loaded
from gan_cli.types import Array

OUTPUT = "sample"


def check() -> None:
    """Raise InputError when a package is missing."""
    require_package("onnx", "--format onnx", "jax2onnx", "onnxruntime")


def write(loaded: Loaded, *, raw: bool, metadata: Mapping[str, str]) -> bytes:
    """An ONNX model: its inputs by name [batch, ...] -> "sample" float32 [batch, ...]. Arithmetic is float32."""
    from jax2onnx import to_onnx

    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it warns of shapes that it leaves out, by the dozen
    shapes = input_shapes(loaded.experiment)
    sample = function(loaded.experiment, loaded.weights(raw), "float32")

    def positional(*inputs: Array) -> Array:
        return sample(dict(zip(shapes, inputs, strict=True)))

    model = to_onnx(
        positional,
        [jax.ShapeDtypeStruct(("batch", *x.shape), x.dtype) for x in shapes.values()],
        model_name="generator",
        input_names=list(shapes),
        output_names=[OUTPUT],
    )
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    data: bytes = model.SerializeToString()
    return data


def compare(data: bytes, wanted: Example, loaded: Loaded) -> float:
    """Run the model by ONNX Runtime: its largest difference from this package's samples. Raises InputError."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (made,) = session.run([OUTPUT], dict(wanted.inputs))
    return agreement(np.asarray(made), wanted, loaded.experiment.train.precision, "--format onnx")
