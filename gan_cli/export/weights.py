"""The weights of every role as one safetensors file, with the recipe in it: what `gan_cli.load` reads."""

import json

import jax
import numpy as np
from safetensors.numpy import save

from gan_cli.engine.state import flat
from gan_cli.export.description import recipe_text
from gan_cli.runs.load import Loaded
from gan_cli.runs.weights import KEY


def write(loaded: Loaded, *, raw: bool) -> bytes:
    """The file: "generator.params.…" and so on, named as in checkpoints; averaged where a role has an average."""
    average = {} if raw else loaded.state.average
    leaves = flat({**loaded.state.variables, **average})
    about = {
        "step": loaded.step,
        "weights": "raw" if raw else "average",
        "averaged": sorted(average),  # roles
        "recipe": recipe_text(loaded),
        "spec": loaded.meta.spec._asdict(),
        "fingerprint": loaded.meta.fingerprint,
    }
    metadata = {KEY: json.dumps(about)}  # one entry: several would be in another order each time
    return save({name: np.ascontiguousarray(x) for name, x in jax.device_get(leaves).items()}, metadata)
