"""Two run folders, compared to the last bit."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_cli.engine.checkpoint import Checkpoints
from gan_cli.errors import InputError
from gan_cli.runs.load import Loaded, load_run


def unreadable(folder: Path) -> list[str]:
    """A sentence for each checkpoint with its final name that cannot be read."""
    found = []
    for path in sorted((folder / "checkpoints").glob("[0-9]*")):
        if path.name.isdecimal():
            try:
                load_run(path)
            except InputError as error:
                found.append(str(error))
    return found


def differences(cut: Path, whole: Path, stops: Collection[int] = (), *, litter: bool = True) -> list[str]:
    """Where run `cut` differs from `whole`, a sentence each; none: not in a bit.

    stops: steps at which it was stopped by a signal and saved; the first log line after each covers fewer steps and is
    compared by its step alone.
    litter: files that only one of them has count as well.
    """
    found = [*checkpoints(cut, whole), *_logs(cut, whole, stops), *_samples(cut, whole)]
    if (cut / "metrics.jsonl").read_bytes() != (whole / "metrics.jsonl").read_bytes():
        found.append("metrics.jsonl differs")
    return found + (_litter(cut, whole) if litter else [])


def checkpoints(cut: Path, whole: Path) -> list[str]:
    """Where the checkpoints of two runs differ: which there are, their arrays, their history."""
    kept, wanted = (_steps(folder) for folder in (cut, whole))
    found = [] if kept == wanted else [f"checkpoints {kept} instead of {wanted}"]
    for step in sorted(set(kept) & set(wanted)):
        ours, theirs = (load_run(folder / "checkpoints" / str(step)) for folder in (cut, whole))
        found += [f"checkpoint {step}: {name} differs" for name in _leaves_that_differ(ours, theirs)]
        found += [f"checkpoint {step}: the history differs"] if ours.meta.history != theirs.meta.history else []
    return found


def _steps(folder: Path) -> list[int]:
    checkpoints = Checkpoints(folder / "checkpoints", read_only=True)
    try:
        return checkpoints.steps()
    finally:
        checkpoints.close()


def _leaves_that_differ(ours: Loaded, theirs: Loaded) -> list[str]:
    pairs = zip(leaves(ours), leaves(theirs), strict=True)
    return [name for (name, x), (_, y) in pairs if x.dtype != y.dtype or not np.array_equal(x, y)]


def leaves(loaded: Loaded) -> list[tuple[str, np.ndarray]]:
    """Every array of a checkpoint's state, by its path in the tree."""
    return [(jax.tree_util.keystr(path), _plain(x)) for path, x in jax.tree_util.tree_leaves_with_path(loaded.state)]


def _plain(x: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x)


def _logs(cut: Path, whole: Path, stops: Collection[int]) -> list[str]:
    ours, theirs = ((folder / "log.jsonl").read_bytes().splitlines() for folder in (cut, whole))
    if len(ours) != len(theirs):
        return [f"log.jsonl has {len(ours)} lines instead of {len(theirs)}"]
    shorter = _first_after(stops, [json.loads(line) for line in theirs])
    return [
        f"log.jsonl, line {i}: {one!r} instead of {other!r}"
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True), 1)
        if one != other and not (i in shorter and _alike(one, other))
    ]


def _first_after(stops: Collection[int], lines: list[dict[str, Any]]) -> set[int]:
    """Numbers of the training lines that cover a stop."""
    training = [(i, line["step"]) for i, line in enumerate(lines, 1) if "monitor" not in line]
    return {next(i for i, step in training if step > stop) for stop in stops if stop < training[-1][1]}


def _alike(ours: bytes, theirs: bytes) -> bool:
    """Whether two unequal lines are of the same step and tell the same numbers."""
    try:
        one, other = json.loads(ours), json.loads(theirs)
    except ValueError:
        return False
    return (one["step"], one.keys()) == (other["step"], other.keys())


def _samples(cut: Path, whole: Path) -> list[str]:
    pictures = {path.name: path.read_bytes() for path in (whole / "samples").glob("*.png")}
    ours = {path.name: path.read_bytes() for path in (cut / "samples").glob("*.png")}
    return [f"samples/{name} differs" for name in sorted(pictures | ours) if pictures.get(name) != ours.get(name)]


def _litter(cut: Path, whole: Path) -> list[str]:
    def names(folder: Path) -> set[str]:
        top = {path.name for path in folder.iterdir()}
        return top | {
            f"{part}/{path.name}" for part in ("samples", "checkpoints") for path in (folder / part).iterdir()
        }

    return [f"only one of them has {name}" for name in sorted(names(cut) ^ names(whole))]
