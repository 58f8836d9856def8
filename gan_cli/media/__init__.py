"""What an example is: an image, a vector, a video, tokens. A medium is a file; `of` finds that of a spec."""

import importlib
from functools import cache

from gan_cli.errors import InputError
from gan_cli.media.medium import Medium, unchanged
from gan_cli.types import Spec

BY_RANK = {1: "vector", 3: "image"}  # of specs that name no medium, as those of older runs


def name_of(spec: Spec) -> str:
    """The name of a spec's medium: "image". Raises InputError for a shape that no medium without a name has."""
    if not spec.medium and len(spec.shape) not in BY_RANK:
        raise InputError(f"examples of shape {spec.shape} are neither images nor vectors, nothing says what they are")
    return spec.medium or BY_RANK[len(spec.shape)]


def of(spec: Spec) -> Medium:
    """The medium of examples that look like `spec`; raises InputError where there is none of that name."""
    return find(name_of(spec))


@cache
def find(name: str) -> Medium:
    """The medium in the file of that name; raises InputError where there is none."""
    try:
        module = importlib.import_module(f"gan_cli.media.{name}")
    except ImportError:
        raise InputError(f"there is no medium {name!r}") from None
    medium: Medium = module.MEDIUM
    return medium


def is_image(spec: Spec) -> bool:
    """Whether examples are images [H, W, C]."""
    return name_of(spec) == "image"


def check_shape(spec: Spec, longest: int) -> None:
    """Raise InputError unless the spec's shape is one that its medium can have, no side longer than `longest`."""
    axes = of(spec).axes
    if len(spec.shape) != len(axes) or not all(0 < length <= longest for length in spec.shape):
        raise InputError(f"{of(spec).many} of shape {list(spec.shape)}; right: {', '.join(axes)}")
    if spec.levels not in (0, *range(2, 257)):
        raise InputError(f"{of(spec).many} of {spec.levels} levels; right: 2 .. 256, or 0 for all")


__all__ = ["Medium", "check_shape", "find", "is_image", "name_of", "of", "unchanged"]
