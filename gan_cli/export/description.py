"""What a program's inputs and outputs mean, for other programs to read; and what of a recipe others may see."""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import tomli_w

from gan_cli import datasets, door, media, recipe
from gan_cli.binding import Table
from gan_cli.errors import DamagedError, InputError
from gan_cli.export.program import input_shapes
from gan_cli.runs.load import Loaded
from gan_cli.sampling.latents import prior_of
from gan_cli.types import CLASS
from gan_cli.version import __version__

LATENT = "z"
DISTRIBUTIONS = {"normal": "standard normal", "uniform": "uniform in [-1, 1]"}


def describe(loaded: Loaded, *, raw: bool) -> dict[str, Any]:
    """Inputs and output of the sampler: shapes, dtypes, ranges, class names, the prior. Plain JSON."""
    spec, controls = loaded.experiment.spec, loaded.experiment.game.controls
    inputs = {}
    for name, x in input_shapes(loaded.experiment).items():
        meaning: dict[str, Any] = {"shape": ["batch", *x.shape], "dtype": str(x.dtype)}
        control = controls.get(name)
        if control is None:
            known = DISTRIBUTIONS.get(prior_of(loaded)) if name == LATENT else None
            meaning |= {"distribution": known} if known else {}
        elif control.categories:
            meaning["range"] = [0, control.categories - 1]
            meaning |= {"names": list(control.names)} if control.names else {}
            meaning |= {"shares": list(spec.shares)} if name == CLASS and spec.shares else {}
        else:
            meaning["usual_range"] = [control.low, control.high]
        inputs[name] = meaning
    medium = media.of(spec)
    dtype = "int32" if medium.dtype == "int32" else "float32"
    output: dict[str, Any] = {"shape": ["batch", *spec.shape], "dtype": dtype}
    if not media.seen_together(spec):
        output |= {"axes": ", ".join(("batch", *medium.axes))}
    if media.has_levels(spec):
        output |= {"range": [-1, 1], "to_uint8": "round((x + 1) * 127.5)"}
    output |= {"words": list(spec.words)} if spec.words else {}
    output |= {"rate": spec.rate} if spec.rate else {}
    return {
        "made_by": f"gan-cli {__version__}",
        "step": loaded.step,
        "weights": "raw" if raw else "average",
        "inputs": inputs,
        "output": output,
    }


def public(resolved: Mapping[str, Any]) -> Table:
    """A recipe as others may see it: paths on this machine are cut to their last part; no run needs more."""
    tables = deepcopy(dict(resolved))
    places = [
        *((own, "path") for own in datasets.data_tables(tables["data"]).values()),
        (tables.get("eval", {}), "features"),
    ]
    for table, key in places:
        if key in table:
            table[key] = recipe.last_part(str(table[key]))
    return tables


def recipe_text(loaded: Loaded) -> str:
    """The text of a recipe file as others may see it (`public`), with the comment at the head of the run's own."""
    head = ""
    with suppress(DamagedError, InputError):  # a run folder without it, or with something else by its name
        door.check_inside(loaded.folder.recipe, loaded.folder.path)
        head = recipe.header(loaded.folder.recipe)
    comment = "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines())
    return f"{comment}\n{tomli_w.dumps(public(loaded.meta.recipe))}".lstrip("\n")
