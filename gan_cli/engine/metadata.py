"""The checkpoints in RUN/checkpoints by what they say about themselves: steps, metadata, the best. Without JAX."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_cli import door, files
from gan_cli.errors import DamagedError
from gan_cli.remote import layout


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints, ascending; none where there is no folder. Raises OSError when it cannot be read."""
    names = os.listdir(folder) if folder.is_dir() else ()
    return [step for step in layout.steps(names) if (folder / str(step)).is_dir()]


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of the checkpoint at `path`, as JSON; raises DamagedError."""
    try:
        meta = door.parse_json(files.read_whole(path, layout.META, door.SMALL))
    except ValueError as error:
        raise DamagedError(f"{path / layout.META}: {error}") from None
    if not isinstance(meta, dict):
        raise DamagedError(f"{path / layout.META}: is not a checkpoint's metadata")
    return meta


def best(scores: Mapping[int, float | None]) -> int | None:
    """The step of the highest score, the first of equals; None when there is none, or none but NaN."""
    known = {step: score for step, score in scores.items() if score is not None and score == score}
    return max(known, key=lambda step: (known[step], -step), default=None)
