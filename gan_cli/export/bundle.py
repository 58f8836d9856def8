"""`gan export`: a model in one of three forms, compared with what it was made of, as one file or a folder."""

import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np

from gan_cli.engine.state import flat
from gan_cli.errors import InputError
from gan_cli.export import onnx, reader, stablehlo, weights
from gan_cli.export.description import describe, recipe_text
from gan_cli.export.program import Example, example
from gan_cli.files import atomic, check_folder_of, make_folder
from gan_cli.runs.load import Loaded
from gan_cli.runs.weights import load_weights as load_weights

Format = Literal["stablehlo", "safetensors", "onnx"]
NAMES: dict[str, str] = {"stablehlo": "sampler.jaxexport", "safetensors": "weights.safetensors", "onnx": "sampler.onnx"}
DESCRIPTION, EXAMPLE, RECIPE, README = "sampler.json", "example.npz", "recipe.toml", "README.md"


class Exported(NamedTuple):
    """A model in one form."""

    form: Format
    data: bytes  # of its file
    description: dict[str, Any]  # of its inputs and outputs
    example: Example | None  # None: it was not compared
    difference: float | None  # the largest of its samples from this package's; of weights: from the checkpoint's


def check_form(form: Format, out: Path) -> None:
    """Raise InputError when a package for this form is missing, or the output does not fit or is not empty."""
    if form != "safetensors":
        (stablehlo if form == "stablehlo" else onnx).check()
    suffix = Path(NAMES[form]).suffix
    check_folder_of(out)
    if out.suffix and out.suffix != suffix:
        raise InputError(f"--out {out}: a file of --format {form} ends in {suffix}; a folder has no suffix")
    if out.suffix and out.is_dir():
        raise InputError(f"--out {out}: is a folder")
    if not out.suffix and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: exists and is not a folder")
    if not out.suffix and out.is_dir() and any(out.iterdir()):
        raise InputError(f"--out {out}: the folder is not empty; name a new one, so that old and new files do not mix")


def export(loaded: Loaded, form: Format, *, raw: bool, compare: bool) -> Exported:
    """The model in this form; `compare`: read it back and raise InputError unless it makes the same samples."""
    assert form in get_args(Format)
    description = describe(loaded, raw=raw)
    if form == "safetensors":
        data = weights.write(loaded, raw=raw)
        return Exported(form, data, description, None, _compare_weights(data, loaded, raw) if compare else None)
    wanted = example(loaded, raw=raw) if compare else None
    if form == "stablehlo":
        description |= {"platforms": list(stablehlo.PLATFORMS), "written_by": f"jax {jax.__version__}"}
        data = stablehlo.write(loaded, raw=raw)
        difference = stablehlo.compare(data, wanted, loaded) if wanted else None
    else:
        metadata = {"sampler": json.dumps(description), "recipe": recipe_text(loaded)}
        data = onnx.write(loaded, raw=raw, metadata=metadata)
        difference = onnx.compare(data, wanted, loaded) if wanted else None
    return Exported(form, data, description, wanted, difference)


def _compare_weights(data: bytes, loaded: Loaded, raw: bool) -> float:
    """Read the weights back into the networks of their recipe: the largest difference from the checkpoint's."""
    with tempfile.TemporaryDirectory(prefix="gan-") as folder:
        path = Path(folder) / NAMES["safetensors"]
        path.write_bytes(data)
        back = flat(load_weights(path).state.variables)
    own = flat({**loaded.state.variables, **({} if raw else loaded.state.average)})
    return max(
        float(np.abs(np.asarray(x, np.float64) - np.asarray(back[name])).max(initial=0)) for name, x in own.items()
    )


def contents(loaded: Loaded, made: Exported) -> dict[str, bytes]:
    """The files of a folder: the model, what its inputs mean, an example, the recipe, and how to use them."""
    name = NAMES[made.form]
    page = reader.page(made.form, name, made.description, made.difference)
    found = {name: made.data, README: page.encode(), RECIPE: recipe_text(loaded).encode()}
    if made.form != "safetensors":
        text = json.dumps({"file": name, **made.description}, indent=2, ensure_ascii=False)
        found[DESCRIPTION] = text.encode("utf-8", "replace")  # a class is a folder's name, which may be no text
    if made.example:
        found[EXAMPLE] = _npz(made.example)
    return found


def _npz(given: Example) -> bytes:
    stream = io.BytesIO()
    arrays: Any = {**{f"input.{name}": x for name, x in given.inputs.items()}, "samples": given.samples}
    np.savez(stream, **arrays)
    return stream.getvalue()


def save_bundle(out: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder's files, each whole or not at all. Raises InputError and StorageError."""
    make_folder(out)
    for name, data in files.items():
        save_file(out / name, data)


def save_file(path: Path, data: bytes) -> None:
    """Write one file, whole or not at all. Raises InputError and StorageError."""
    try:
        with atomic(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written: {error.strerror or error}") from None
