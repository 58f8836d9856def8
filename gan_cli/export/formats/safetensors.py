"""The weights of every role as one safetensors file, with the recipe in it: what `gan_cli.load` reads."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import save

from gan_cli.engine.state import flat
from gan_cli.export.description import recipe_text
from gan_cli.export.formats import Format
from gan_cli.runs.load import Loaded
from gan_cli.runs.weights import KEY, load_weights

FILE = "weights.safetensors"
ABOUT = "`{file}` holds the weights of every network, by name, and the recipe in its metadata:"
ENDING = """\
With `gan-cli` it is a model again:

```python
from gan_cli import load

load("{file}").{use}
```
"""


def safetensors() -> Format:
    """The weights."""
    return Format(
        name="safetensors",
        file=FILE,
        write=write_weights,
        about=ABOUT,
        opening="weights = load_file({path})  # name -> array\n",
        imports=("from safetensors.numpy import load_file",),
        needs="safetensors numpy",
        difference=largest_difference,
        ending=ENDING,
    )


def write_weights(loaded: Loaded, raw: bool, _description: Mapping[str, Any]) -> bytes:
    """The file: "generator.params.…" and so on, named as in checkpoints; averaged where a role has an average."""
    average = {} if raw else loaded.state.average
    leaves = flat({**loaded.state.variables, **average})
    streams = loaded.meta.streams
    about = {
        "step": loaded.step,
        "weights": "raw" if raw else "average",
        "averaged": sorted(average),  # roles
        "recipe": recipe_text(loaded),
        "spec": loaded.meta.spec.to_json(),
        **({"streams": {name: spec.to_json() for name, spec in streams.items()}} if streams else {}),
        "fingerprint": loaded.meta.fingerprint,
    }
    metadata = {KEY: json.dumps(about)}  # one entry: several would be in another order each time
    return save({name: np.ascontiguousarray(x) for name, x in jax.device_get(leaves).items()}, metadata)


def largest_difference(data: bytes, loaded: Loaded, raw: bool) -> float:
    """Read the file into the networks of its recipe: the largest difference of a weight from the checkpoint's."""
    with tempfile.TemporaryDirectory(prefix="gan-") as folder:
        path = Path(folder) / FILE
        path.write_bytes(data)
        back = flat(load_weights(path).state.variables)
    own = flat({**loaded.state.variables, **({} if raw else loaded.state.average)})
    return max(
        float(np.abs(np.asarray(x, np.float64) - np.asarray(back[name])).max(initial=0)) for name, x in own.items()
    )
