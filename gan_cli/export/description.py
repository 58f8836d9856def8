"""What a program's inputs and outputs mean, for other programs to read; and what of a recipe others may see."""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import jax
import jax.numpy as jnp
import tomli_w

from gan_cli import datasets, door, media, recipe
from gan_cli.binding import Table
from gan_cli.engine.state import Experiment
from gan_cli.errors import DamagedError, InputError
from gan_cli.export.program import classes_of, exported_ask, input_shapes
from gan_cli.runs.load import Loaded
from gan_cli.sampling.latents import prior_of
from gan_cli.types import CLASS, Spec, leaves
from gan_cli.version import __version__

LATENT, UNIFORM = "z", "u"  # what games call latents, and the numbers by which a sampler decides
DISTRIBUTIONS = {"normal": "standard normal", "uniform": "uniform in [-1, 1]"}


def describe(loaded: Loaded, ask: str = "", *, raw: bool) -> dict[str, Any]:
    """Inputs and output of an ask: shapes, dtypes, ranges, class names, the prior. Plain JSON.

    `ask`: as in `exported_ask`, which raises InputError for one that the game does not know.
    """
    experiment, ask = loaded.experiment, exported_ask(loaded.experiment, ask)
    given = experiment.game.ask(ask).given
    inputs = {}
    for name, x in input_shapes(experiment, ask).items():
        meaning = _given(experiment, name) if name in given else _drawn(loaded, name, x)
        inputs[name] = {"shape": ["batch", *x.shape], "dtype": str(x.dtype), **meaning}
    return {
        "made_by": f"gan-cli {__version__}",
        "step": loaded.step,
        "weights": "raw" if raw else "average",
        "ask": ask,
        "inputs": inputs,
        "output": _output(experiment, ask),
    }


def _given(experiment: Experiment, name: str) -> dict[str, Any]:
    """What a leaf of the data means that a program is given."""
    spec = leaves(experiment.specs)[name]
    if spec is None:
        names = classes_of(experiment, name)
        return {"given": "classes", "range": [0, len(names) - 1], "names": list(names)}
    words = {"range": [0, len(spec.words) - 1]} if spec.words else {}
    levels = {"from_uint8": "(x - 127.5) / 127.5"} if media.has_levels(spec) else {}
    return {"given": media.of(spec).many, **_format(spec), **words, **levels}


def _drawn(loaded: Loaded, name: str, x: jax.ShapeDtypeStruct) -> dict[str, Any]:
    """What one of the game's draws means."""
    spec, game = loaded.experiment.spec, loaded.experiment.game
    control = game.controls.get(name)
    if control is not None and not control.categories:
        return {"usual_range": [control.low, control.high]}
    if control is not None:
        names = {"names": list(control.names)} if control.names else {}
        shares = {"shares": list(spec.shares)} if name == CLASS and spec.shares else {}
        return {"range": [0, control.categories - 1], **names, **shares}
    if x.dtype == jnp.uint32:
        return {"range": [0, 2**32 - 1]}  # a seed
    prior = prior_of(loaded) or ("normal" if game.decode else "")  # which is of a normal prior
    if name == LATENT and prior in DISTRIBUTIONS:
        return {"distribution": DISTRIBUTIONS[prior]}
    return {"usual_range": [0, 1]} if name == UNIFORM else {}


def _output(experiment: Experiment, ask: str) -> dict[str, Any]:
    """What an ask makes: shape, dtype and meaning."""
    spec = experiment.made_by(ask)
    if spec is None:
        names = experiment.specs[experiment.stream(ask)].classes
        about = {"axes": "batch, classes", "names": list(names), "meaning": "log-probabilities of the classes"}
        return {"shape": ["batch", len(names)], "dtype": "float32", **about}
    dtype = "int32" if media.of(spec).dtype == "int32" else "float32"
    levels = {"to_uint8": "round((x + 1) * 127.5)"} if media.has_levels(spec) else {}
    return {"shape": ["batch", *spec.shape], "dtype": dtype, **_format(spec), **levels}


def _format(spec: Spec) -> dict[str, Any]:
    """What the numbers of an example mean, as games see it."""
    return {
        **({} if media.seen_together(spec) else {"axes": ", ".join(("batch", *media.of(spec).axes))}),
        **({"range": [-1, 1]} if media.has_levels(spec) else {}),
        **({"words": list(spec.words)} if spec.words else {}),
        **({"rate": spec.rate} if spec.rate else {}),
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
