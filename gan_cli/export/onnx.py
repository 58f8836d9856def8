"""The sampler as an ONNX model, for runtimes without JAX: converted by jax2onnx, compared by ONNX Runtime."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal

from gan_cli.export.optional import require
from gan_cli.export.program import Example, agreement, function, input_shapes
from gan_cli.runs.load import Loaded
from gan_cli.types import Array

OUTPUT = "sample"
INNER = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr"}  # calls: where they keep their program


def check() -> None:
    """Raise InputError when a package is missing."""
    require("onnx", "--format onnx", "jax2onnx", "onnxruntime")


def write(loaded: Loaded, *, raw: bool, metadata: Mapping[str, str]) -> bytes:
    """An ONNX model: its inputs by name [batch, ...] -> "sample" float32 [batch, ...]. Arithmetic is float32."""
    from jax2onnx import to_onnx

    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it warns of shapes that it leaves out, by the dozen
    shapes = input_shapes(loaded.experiment)
    sample = function(loaded.experiment, loaded.weights(raw), "float32")

    def positional(*inputs: Array) -> Array:
        return sample(dict(zip(shapes, inputs, strict=True)))

    model = to_onnx(
        _kernels_inputs_first(positional),
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


def _kernels_inputs_first(f: Callable[..., Array]) -> Callable[..., Array]:
    """The same function with every convolution's kernel as [k, k, I, O]: jax2onnx does not know [k, k, O, I]."""

    def run(*inputs: Array) -> Array:
        (sample,) = _evaluate(jax.make_jaxpr(f)(*inputs), inputs)
        return sample

    return run


def _evaluate(program: ClosedJaxpr, inputs: Any) -> list[Any]:
    """Run a program equation by equation, those of its inner programs among them."""
    jaxpr = program.jaxpr
    values = dict(zip(jaxpr.constvars, program.consts, strict=True)) | dict(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        name = equation.primitive.name
        if equation.primitive is lax.conv_general_dilated_p:
            made = [_convolve(given, equation.params)]
        elif name in INNER:
            made = _evaluate(equation.params[INNER[name]], given)
        else:
            made = equation.primitive.bind(*given, **equation.params)
            made = made if equation.primitive.multiple_results else [made]
        values |= dict(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _convolve(given: list[Any], params: Mapping[str, Any]) -> Array:
    x, kernel = given
    numbers = params["dimension_numbers"]
    outputs, inputs, *space = numbers.rhs_spec
    numbers = numbers._replace(rhs_spec=(len(space) + 1, len(space), *range(len(space))))
    kernel = kernel.transpose(*space, inputs, outputs)
    convolved: Array = lax.conv_general_dilated_p.bind(x, kernel, **{**params, "dimension_numbers": numbers})
    return convolved
