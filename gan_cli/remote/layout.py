"""Which files make up a run, by their names from its folder: `log.jsonl`, `checkpoints/4000/meta.json`."""

import re
from collections.abc import Iterable

from gan_cli.files import CHECKSUMS

RECIPE = "recipe.toml"
META = "meta.json"  # what a checkpoint says about itself, in its folder
CHECKPOINT = re.compile(r"checkpoints/(\d+)/.")


def checkpoints(names: Iterable[str]) -> dict[int, set[str]]:
    """The files of each checkpoint by its step, of those that are not whole, too."""
    found: dict[int, set[str]] = {}
    for name in names:
        if match := CHECKPOINT.match(name):
            found.setdefault(int(match[1]), set()).add(name)
    return found


def whole(names: Iterable[str]) -> dict[int, set[str]]:
    """The files of each whole checkpoint by its step: of those with checksums, which are written last."""
    return {step: files for step, files in checkpoints(names).items() if checksums(step) in files}


def checksums(step: int) -> str:
    """The file that makes a checkpoint whole."""
    return f"checkpoints/{step}/{CHECKSUMS}"


def loose(names: Iterable[str]) -> set[str]:
    """The files beside the checkpoints: recipe, logs, pictures; not those that are hidden or set aside."""
    return {name for name in names if not re.match(r"checkpoints/|(.*/)?\.", name)}
