"""Which files make up a run, by their names from its folder: `log.jsonl`, `checkpoints/4000/meta.json`."""

import re
from collections.abc import Iterable

from gan_cli.files import CHECKSUMS

RECIPE = "recipe.toml"
META = "meta.json"  # what a checkpoint says about itself, in its folder
CHECKPOINT = re.compile(r"checkpoints/([^/]+)/.")
LAST_STEP = 2**31 - 1  # that an int32 holds


def step_of(name: str) -> int | None:
    """The step of the checkpoint in a folder of this name; None: it is no checkpoint's ("0007", "٣", 200 digits)."""
    step = int(name) if re.fullmatch("0|[1-9][0-9]{0,9}", name) else LAST_STEP + 1
    return step if step <= LAST_STEP else None


def steps(names: Iterable[str]) -> list[int]:
    """The steps of the checkpoints among the names in a folder, ascending."""
    return sorted(step for name in names if (step := step_of(name)) is not None)


def checkpoints(names: Iterable[str]) -> dict[int, set[str]]:
    """The files of each checkpoint by its step; those that are not whole are among them."""
    found: dict[int, set[str]] = {}
    for name in names:
        if (match := CHECKPOINT.match(name)) and (step := step_of(match[1])) is not None:
            found.setdefault(step, set()).add(name)
    return found


def whole(names: Iterable[str]) -> dict[int, set[str]]:
    """The files of each whole checkpoint by its step; it is whole when it has checksums, which are written last."""
    return {step: files for step, files in checkpoints(names).items() if checksums(step) in files}


def checksums(step: int) -> str:
    """The name of the file that makes the checkpoint of a step whole, from the folder of the run."""
    return f"checkpoints/{step}/{CHECKSUMS}"


def loose(names: Iterable[str]) -> set[str]:
    """The files beside the checkpoints: recipe, logs, pictures.

    Hidden files are left out, and so are checkpoints that were set aside.
    """
    return {name for name in names if not re.match(r"checkpoints/|(.*/)?\.", name)}
