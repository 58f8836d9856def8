"""Latents in an .npz file: what a generator was given for some samples, and whose it was.

The generator's inputs by their names (`z` [n, L], `class` [n]); `names`, what the samples are called; `model`, the
checksum of its weights; `made_by`, the same for a person.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan_cli.data.arrays import load_arrays
from gan_cli.engine.sampler import Inputs, drawn_shapes
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import atomic
from gan_cli.runs.load import Loaded
from gan_cli.sampling.latents import count
from gan_cli.sampling.request import Kept

NAMES, MODEL, MADE_BY = "names", "model", "made_by"


def write_latents(out: Path, inputs: Inputs, names: Sequence[str], loaded: Loaded, *, raw: bool) -> None:
    """Write the inputs of n samples [n, ...], called `names`, of a generator with these weights; raises InputError."""
    said = f"step {loaded.step:,} of {loaded.folder.path} ({'raw' if raw else 'averaged'} weights)"
    about = {NAMES: np.array(names), MODEL: np.array(_checksum(loaded, raw)), MADE_BY: np.array(said)}
    try:
        with atomic(out) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **about, **inputs)  # type: ignore[arg-type]
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror or error}") from None


def read_latents(paths: Sequence[Path], loaded: Loaded, *, raw: bool) -> Kept:
    """The latents in files, one after the other, for a generator with these weights.

    Files that do not say whose latents they hold, a person's own, are taken as they are. Raises InputError for files of
    another model, and for what is missing or of another shape.
    """
    parts = [_read(path, loaded, raw=raw) for path in paths]
    inputs = {name: np.concatenate([part.inputs[name] for part in parts]) for name in parts[0].inputs}
    return Kept(inputs, tuple(name for part in parts for name in part.names))


def _read(path: Path, loaded: Loaded, *, raw: bool) -> Kept:
    try:
        held = load_arrays(path)
    except (DamagedError, OSError) as error:
        raise InputError(f"{path}: cannot be read as latents: {getattr(error, 'strerror', None) or error}") from None
    if MODEL in held and str(held[MODEL]) != _checksum(loaded, raw):
        kind = "raw" if raw else "averaged"
        raise InputError(
            f"{path}: holds latents of another model, {held.get(MADE_BY, 'which it does not name')}; they mean nothing "
            f"to step {loaded.step:,} of {loaded.folder.path} ({kind} weights)"
        )
    drawn = drawn_shapes(loaded.experiment)
    inputs = {}
    for name, like in drawn.items():
        x = held.get(name)
        if x is None or x.shape[1:] != like.shape[1:] or x.ndim != like.ndim or not len(x):
            found = "missing" if x is None else f"{x.dtype} {list(x.shape)}"
            raise InputError(f"{path}: {name}: {like.dtype} {['n', *like.shape[1:]]} is wanted, not {found}")
        if x.dtype.kind not in "buif" or not np.isfinite(x).all():
            raise InputError(f"{path}: {name}: finite numbers are wanted, not {x.dtype}")
        control = loaded.experiment.game.controls.get(name)
        if control and control.categories and not np.isin(x, np.arange(control.categories)).all():
            raise InputError(f"{path}: {name}: whole numbers from 0 to {control.categories - 1} are wanted")
        inputs[name] = x.astype(like.dtype)
    n = count(inputs)
    if any(len(x) != n for x in inputs.values()):
        listed = ", ".join(f"{len(x)} of {name}" for name, x in inputs.items())
        raise InputError(f"{path}: as many of each are wanted, not {listed}")
    names = held.get(NAMES)
    if names is None or names.dtype.kind != "U" or names.shape != (n,):
        return Kept(inputs, tuple(f"{path.stem} {i}" for i in range(n)))
    return Kept(inputs, tuple(map(str, names)))


def _checksum(loaded: Loaded, raw: bool) -> str:
    """The SHA-256 of the weights that make samples."""
    made = hashlib.sha256()
    for name, x in sorted(loaded.leaves(raw).items()):
        made.update(name.encode() + np.asarray(x).tobytes())
    return made.hexdigest()
