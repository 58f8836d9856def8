"""The ten lines that use an exported model, as text: what another project copies."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gan_cli.export.formats import Format

FROM_HUB = "from huggingface_hub import hf_hub_download"
SHOWN = 100  # names of classes


def code(form: Format, description: Mapping[str, Any], repo: str = "") -> str:
    """Python that reads the file and runs a program on 16 inputs, noise where examples are given.

    It needs `form.needs` and nothing of this package.

    `description`: as in sampler.json. `repo`: of the Hugging Face Hub, where the file is; else beside the script.
    """
    lines = [*form.imports, FROM_HUB] if repo else form.imports
    imports = "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line)))
    path = f'hf_hub_download("{repo}", "{form.file}")' if repo else f'"{form.file}"'
    opening = f"{imports}\n\n{form.opening.format(path=path)}"
    if not form.call:
        return opening
    inputs = "\n".join(
        f'    "{name}": {_drawn(meaning)},{_yours(meaning)}' for name, meaning in description["inputs"].items()
    )
    output = description["output"]
    shape = ", ".join(map(str, output["shape"][1:]))
    end = f"samples = {form.call}  # {output['dtype']} [n, {shape}]"
    if "range" in output:
        end += " in [-1, 1]\nimages = np.rint((samples.clip(-1, 1) + 1) * 127.5).astype(np.uint8)"
    return f"{opening}draw, n = np.random.default_rng(0), 16\ninputs = {{\n{inputs}\n}}\n{end}\n"


def _drawn(meaning: Mapping[str, Any]) -> str:
    """An expression for n values of an input, with the distribution of the training where that is known."""
    size = ", ".join(map(str, ["n", *meaning["shape"][1:]])) + ("," if len(meaning["shape"]) == 1 else "")
    if "int" in meaning["dtype"] and "range" in meaning:
        whole = "n" if len(meaning["shape"]) == 1 else f"({size})"
        return f"draw.integers(0, {meaning['range'][1] + 1}, {whole}, dtype=np.{meaning['dtype']})"
    if meaning.get("distribution", "").startswith("standard normal"):
        return f"draw.standard_normal(({size}), np.float32)"
    low, high = meaning.get("usual_range", (-1, 1))
    return f"draw.uniform({low}, {high}, ({size})).astype(np.{meaning['dtype']})"


def _yours(meaning: Mapping[str, Any]) -> str:
    """What to put in the place of noise, as a comment."""
    if "given" not in meaning:
        return ""
    how = f": {meaning['from_uint8']} of levels uint8" if "from_uint8" in meaning else ""
    return f"  # noise in place of your {meaning['given']}{how}"


class Row(NamedTuple):
    """An input, in words."""

    name: str
    shape: str
    dtype: str
    values: str


def rows(description: Mapping[str, Any]) -> list[Row]:
    """The inputs of a program, in words; `description`: as in sampler.json."""
    found = []
    for name, meaning in description["inputs"].items():
        if "range" in meaning:
            low, high = meaning["range"]
            classes = meaning.get("names", ())
            more = ", …" if len(classes) > SHOWN else ""
            values = f"{low} to {high}" + (f": {', '.join(classes[:SHOWN])}{more}" if classes else "")
            values += f": {meaning['from_uint8']} of levels uint8" if "from_uint8" in meaning else ""
        elif "usual_range" in meaning:
            values = "usually {:g} to {:g}".format(*meaning["usual_range"])
        else:
            values = str(meaning.get("distribution", "as in example.npz"))
        if "given" in meaning:
            values = f"{meaning['given']} that you give; {values}"
        found.append(Row(name, f"[{', '.join(map(str, meaning['shape']))}]", meaning["dtype"], values))
    return found
