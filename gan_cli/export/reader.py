"""The ten lines that use an exported program, as text: what another project copies."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gan_cli.export.markdown import render

OPENING = {
    "stablehlo": """\
import numpy as np
from jax import export

with open("{file}", "rb") as file:
    program = export.deserialize(bytearray(file.read()))
""",
    "hub": """\
import numpy as np
from huggingface_hub import hf_hub_download
from jax import export

with open(hf_hub_download("{repo}", "{file}"), "rb") as file:
    program = export.deserialize(bytearray(file.read()))
""",
    "onnx": """\
import numpy as np
import onnxruntime

program = onnxruntime.InferenceSession("{file}")
""",
}
CALL = {
    "stablehlo": "np.asarray(program.call(inputs))",
    "hub": "np.asarray(program.call(inputs))",
    "onnx": 'program.run(["sample"], inputs)[0]',
}
WEIGHTS = """\
from safetensors.numpy import load_file

weights = load_file("{file}")  # name -> array
"""
NEEDS = {"stablehlo": "jax flatbuffers numpy", "onnx": "onnxruntime numpy"}
SHOWN = 100  # names of classes


def code(form: str, file: str, description: Mapping[str, Any], repo: str = "") -> str:
    """Python that reads the program and draws 16 samples; needs NEEDS[form] and nothing of this package.

    `form`: "stablehlo", "onnx", or "hub", the former in `repo` of the Hugging Face Hub.
    """
    inputs = "\n".join(f"    {name!r}: {_drawn(meaning)}," for name, meaning in description["inputs"].items())
    inputs = inputs.replace("'", '"')
    output = description["output"]
    shape = ", ".join(map(str, output["shape"][1:]))
    end = f"samples = {CALL[form]}  # float32 [n, {shape}]"
    if "range" in output:
        end += " in [-1, 1]\nimages = np.rint((samples.clip(-1, 1) + 1) * 127.5).astype(np.uint8)"
    opening = OPENING[form].format(file=file, repo=repo)
    return f"{opening}draw, n = np.random.default_rng(0), 16\ninputs = {{\n{inputs}\n}}\n{end}\n"


def _drawn(meaning: Mapping[str, Any]) -> str:
    """An expression for n values of an input, as in training where that is known."""
    size = ", ".join(map(str, ["n", *meaning["shape"][1:]])) + ("," if len(meaning["shape"]) == 1 else "")
    if "range" in meaning:
        return f"draw.integers(0, {meaning['range'][1] + 1}, n, dtype=np.{meaning['dtype']})"
    if meaning.get("distribution", "").startswith("standard normal"):
        return f"draw.standard_normal(({size}), np.float32)"
    low, high = meaning.get("usual_range", (-1, 1))
    return f"draw.uniform({low}, {high}, ({size})).astype(np.{meaning['dtype']})"


class Row(NamedTuple):
    """An input, in words."""

    name: str
    shape: str
    dtype: str
    values: str


def rows(description: Mapping[str, Any]) -> list[Row]:
    """The inputs, in words."""
    each = description["inputs"].items()
    return [Row(name, _product(meaning["shape"]), meaning["dtype"], _values(meaning)) for name, meaning in each]


def _product(shape: Sequence[Any]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _values(meaning: Mapping[str, Any]) -> str:
    if "range" in meaning:
        names = ", ".join(meaning.get("names", ())[:SHOWN])
        more = ", …" if len(meaning.get("names", ())) > SHOWN else ""
        return f"{meaning['range'][0]} to {meaning['range'][1]}{f': {names}{more}' if names else ''}"
    if "usual_range" in meaning:
        return f"usually {meaning['usual_range'][0]:g} to {meaning['usual_range'][1]:g}"
    return str(meaning.get("distribution", "as in example.npz"))


def page(form: str, file: str, description: Mapping[str, Any], difference: float | None) -> str:
    """The README of a folder that `gan export` writes: Markdown."""
    return render(
        "reader.md",
        form=form,
        file=file,
        needs=NEEDS.get(form, ""),
        source=code(form, file, description) if form in CALL else WEIGHTS.format(file=file),
        rows=rows(description),
        step=description["step"],
        raw=description["weights"] == "raw",
        difference=difference,
    )
