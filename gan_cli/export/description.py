"""What a program's inputs and outputs mean, for other programs to read; and what of a recipe others may see."""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

from gan_cli import door, recipe
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
    shape = loaded.experiment.spec.shape
    image = len(shape) == 3
    inputs = {
        name: {"shape": ["batch", *x.shape], "dtype": str(x.dtype), **_meaning(loaded, name)}
        for name, x in input_shapes(loaded.experiment).items()
    }
    output: dict[str, Any] = {"shape": ["batch", *shape], "dtype": "float32"}
    if image:
        output |= {"axes": "batch, height, width, channels", "range": [-1, 1], "to_uint8": "round((x + 1) * 127.5)"}
    return {
        "made_by": f"gan-cli {__version__}",
        "step": loaded.step,
        "weights": "raw" if raw else "average",
        "inputs": inputs,
        "output": output,
    }


def _meaning(loaded: Loaded, name: str) -> dict[str, Any]:
    """What an input's values are."""
    control = loaded.experiment.game.controls.get(name)
    if control is None:
        known = DISTRIBUTIONS.get(prior_of(loaded)) if name == LATENT else None
        return {"distribution": known} if known else {}
    if not control.categories:
        return {"usual_range": [control.low, control.high]}
    meaning: dict[str, Any] = {"range": [0, control.categories - 1]}
    if control.names:
        meaning["names"] = list(control.names)
    if name == CLASS and loaded.experiment.spec.shares:
        meaning["shares"] = list(loaded.experiment.spec.shares)
    return meaning


def public(resolved: Mapping[str, Any]) -> Table:
    """A recipe as others may see it: of paths on this machine only the last part, which a run does not need."""
    tables = deepcopy(dict(resolved))
    for table, key in (("data", "path"), ("eval", "features")):
        if key in tables.get(table, {}):
            tables[table][key] = recipe.last_part(str(tables[table][key]))
    return tables


def recipe_text(loaded: Loaded) -> str:
    """The recipe as a file, as others may see it, with the comment at the head of the run's own."""
    head = ""
    with suppress(DamagedError, InputError):  # a run folder without it, or with something else by its name
        door.check_inside(loaded.folder.recipe, loaded.folder.path)
        head = recipe.header(loaded.folder.recipe)
    comment = "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines())
    return f"{comment}\n{recipe.to_toml(public(loaded.meta.recipe))}".lstrip("\n")
