"""`gan export`: a model in one of the formats, compared with what it was made of, as one file or a folder."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli.errors import InputError, require_package
from gan_cli.export import reader
from gan_cli.export.description import describe, recipe_text
from gan_cli.export.formats import Format, find_format
from gan_cli.export.markdown import Markup, render
from gan_cli.export.program import Example, agreement, example
from gan_cli.files import atomic, check_folder_of, make_folder
from gan_cli.runs.load import Loaded

DESCRIPTION, EXAMPLE, RECIPE, README = "sampler.json", "example.npz", "recipe.toml", "README.md"


class Exported(NamedTuple):
    """A model in one format."""

    form: Format
    data: bytes  # of its file
    description: dict[str, Any]  # of its inputs and outputs
    example: Example | None  # None: it was not compared, or is no program
    difference: float | None  # the largest of its samples from this package's; of weights: from the checkpoint's


def check_export(format_name: str, out: Path, ask: str = "") -> None:
    """Raise InputError for an unknown format, a missing package, or an output that does not fit or is not empty.

    Also for an ask of a format that holds weights: they are those of all.
    """
    form = find_format(format_name)
    if ask and not form.run:
        raise InputError(f"--ask {ask}: a file of --format {form.name} has the weights of all that can be asked")
    require_package(form.extra, f"--format {form.name}", *form.modules)
    suffix = Path(form.file).suffix
    check_folder_of(out)
    if out.suffix and out.suffix != suffix:
        raise InputError(f"--out {out}: a file of --format {form.name} ends in {suffix}; a folder has no suffix")
    if out.suffix and out.is_dir():
        raise InputError(f"--out {out}: is a folder")
    if not out.suffix and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: exists and is not a folder")
    if not out.suffix and out.is_dir() and any(out.iterdir()):
        raise InputError(f"--out {out}: the folder is not empty; name a new one, so that old and new files do not mix")


def export(loaded: Loaded, format_name: str, *, raw: bool, compare: bool, ask: str = "") -> Exported:
    """The model in this format; a program is one of its asks (`exported_ask`).

    `compare`: read it back, and raise InputError unless a program makes the same samples, up to rounding. Raises
    InputError for an unknown format or ask, too.
    """
    form = find_format(format_name)
    description = {**describe(loaded, ask, raw=raw), **form.facts}
    wanted = example(loaded, description["ask"], raw=raw) if compare and form.run else None
    data = form.write(loaded, raw, description)
    difference = None
    if wanted and form.run:
        made, precision = form.run(data, wanted.inputs), loaded.experiment.train.precision
        difference = agreement(made, wanted, precision, f"--format {form.name}")
    elif compare and form.difference:
        difference = form.difference(data, loaded, raw)
    return Exported(form, data, description, wanted, difference)


def contents(loaded: Loaded, made: Exported) -> dict[str, bytes]:
    """The files of a folder: the model, what its inputs mean, an example, the recipe, and how to use them."""
    form, description = made.form, made.description
    drawing = next((name for name, ask in loaded.experiment.game.asks.items() if not ask.given), None)
    use = "apply(examples)" if drawing is None else "sample(16, seed=0)"
    filled = {"file": form.file, "needs": form.needs, "use": use}
    page = render(
        "reader.md",
        about=Markup(form.about.format(**filled)),
        source=reader.code(form, description),
        is_program=form.run is not None,
        ending=Markup(form.ending.format(**filled)),
        rows=reader.rows(description),
        takes_examples=any("given" in meaning for meaning in description["inputs"].values()),
        step=description["step"],
        raw=description["weights"] == "raw",
        difference=made.difference,
    )
    found = {form.file: made.data, README: page.encode(), RECIPE: recipe_text(loaded).encode()}
    if form.run:
        text = json.dumps({"file": form.file, **description}, indent=2, ensure_ascii=False)
        found[DESCRIPTION] = text.encode("utf-8", "replace")  # a class is a folder's name, which may be no text
    if made.example:
        stream = io.BytesIO()
        arrays: Any = {f"input.{name}": x for name, x in made.example.inputs.items()}
        np.savez(stream, **arrays, samples=made.example.samples)
        found[EXAMPLE] = stream.getvalue()
    return found


def save_export(out: Path, loaded: Loaded, made: Exported) -> None:
    """Write the file alone where `out` has a suffix, and otherwise a folder that holds `contents`.

    Each file is written whole or not at all. Raises InputError and StorageError.
    """
    if out.suffix:
        save_file(out, made.data)
        return
    make_folder(out)
    for name, data in contents(loaded, made).items():
        save_file(out / name, data)


def save_file(path: Path, data: bytes) -> None:
    """Write one file, whole or not at all. Raises InputError and StorageError."""
    try:
        with atomic(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written: {error.strerror or error}") from None
