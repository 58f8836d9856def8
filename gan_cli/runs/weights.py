"""Loads a model from a file of weights, as `gan export --format safetensors` writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from safetensors import SafetensorError, safe_open

from gan_cli import build, door, recipe_tables
from gan_cli.binding import shown
from gan_cli.engine.checkpoint import Meta
from gan_cli.engine.state import State, flat, placed, state_shapes, unflat
from gan_cli.errors import DamagedError, InputError
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.load import Loaded

SUFFIX = ".safetensors"
LONGEST_HEAD = 1 << 24  # bytes of the file's head
KEY = "gan-cli"  # the key of the file's metadata that holds ours, as JSON


def load_weights(path: Path) -> Loaded:
    """Load a model that can draw samples, but not be trained further; raises InputError.

    Whether averaged or raw weights are asked for, all roles have those of the file.
    """
    _check_head(path)
    try:
        with safe_open(path, framework="numpy") as arrays:
            step, meta = _about(arrays.metadata() or {})
            meta = meta._replace(recipe=build.resolve(meta.recipe, f"{path}: its recipe"))
            experiment = build.experiment(meta.recipe, meta.specs)
            shapes = state_shapes(experiment)
            wanted = flat(shapes.variables, abstract=True)
            _check_same(arrays, wanted)
            variables = unflat(placed({name: arrays.get_tensor(name) for name in wanted}), shapes.variables)
    except DamagedError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as safetensors: {reason}") from None
    average = {role: variables[role] for role in shapes.average}
    state = State(jnp.int32(step), variables, {}, average, experiment.game.memory, jax.random.key(0))
    return Loaded(RunFolder(path.parent), step, meta, experiment, flat(state))


def _check_head(path: Path) -> None:
    """Raise InputError unless a file's head is at most LONGEST_HEAD: the library trusts the length that it gives."""
    try:
        with door.opened(path, door.LARGEST) as file:
            length = int.from_bytes(file.read(8), "little")
    except DamagedError as error:
        raise InputError(str(error).replace("cannot be read", "cannot be read as safetensors", 1)) from None
    if length > LONGEST_HEAD:
        most = f"a head of {length:,} bytes; {LONGEST_HEAD:,} are the most"
        raise InputError(f"{path}: cannot be read as safetensors: {most}")


def _about(metadata: Mapping[str, str]) -> tuple[int, Meta]:
    """Return the step and a checkpoint's metadata from those of a file of weights; raises DamagedError."""
    if KEY not in metadata:
        raise DamagedError("holds no weights of gan-cli: `gan export --format safetensors` writes such files")
    try:
        about = door.parse_json(metadata[KEY])
        step = about["step"]
        given = {"recipe": recipe_tables.parse(about["recipe"].encode(), "its recipe"), "history": []}
        given |= {name: about[name] for name in ("spec", "fingerprint")}
        given |= {"streams": about["streams"]} if "streams" in about else {}
    except InputError as error:
        raise DamagedError(str(error)) from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedError(f"its metadata are not what was written ({type(error).__name__}: {error})") from None
    if type(step) is not int or not 0 <= step < 2**31:
        raise DamagedError(f"its metadata are not what was written: step {shown(step)}")
    return step, Meta.from_json(given)


def _check_same(arrays: Any, wanted: Mapping[str, Any]) -> None:
    """Raise DamagedError naming the first array in which a file and the networks of its recipe differ."""
    there = set(arrays.keys())
    for name in sorted(there ^ wanted.keys()):
        side = "is not one of the recipe's networks" if name in there else "is missing"
        raise DamagedError(f"{name} {side}")
    for name, x in wanted.items():
        found = tuple(arrays.get_slice(name).get_shape())
        if found != tuple(x.shape):
            raise DamagedError(f"{name} is {found}, not {tuple(x.shape)}")
        if (kind := arrays.get_slice(name).get_dtype()) != _DTYPES.get(str(x.dtype)):
            raise DamagedError(f"{name} is of type {kind}, not {x.dtype}")


_DTYPES = {"float32": "F32", "bfloat16": "BF16", "int32": "I32", "uint32": "U32", "bool": "BOOL"}
