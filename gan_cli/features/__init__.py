"""Feature networks: what metrics look at images through.

`find("digits")` is the function `digits` of `gan_cli/features/digits.py`, called. A new feature network is one file
with one factory of its own name. A person's own, outside of this package, is for `own.py` to load.
"""

from collections.abc import Callable
from typing import NamedTuple

from gan_cli.binding import call, check, kind
from gan_cli.errors import InputError
from gan_cli.types import Array, Shape, Spec


def anything(_: Spec) -> bool:
    """Whether a network was made for such images, where it was made for all."""
    return True


class Features(NamedTuple):
    """A fixed network from images to feature vectors, and what a number computed with it must state."""

    name: str
    hash: str  # SHA-256 of the weights file, hexadecimal; numbers from different hashes cannot be compared
    dim: int  # length of a feature vector; 0: that of its input
    classes: tuple[str, ...]  # names of the classes of its "logits", in their order; empty: it has none
    protocol: str  # in words: what is done to an image before the network sees it

    apply: Callable[[Array], dict[str, Array]]
    """images [B, H, W, C] in [-1, 1], or vectors [B, D] -> {"features": [B, dim], "logits": [B, classes]}, all float32.

    Pure and jittable, for any H and W and C = 1 or 3 (as `protocol` says); no "logits" when `classes` is empty.
    The same object each time, so that it is compiled once. Of weights that are too large to be constants of a program
    it is a `jax.tree_util.Partial`, whose arguments are handed to the program.
    """
    others: tuple[str, ...] = ()  # further outputs of `apply`, for metrics that are made for this network
    made_for: str = "any images"  # in words: "grey images of handwritten digits"
    suits: Callable[[Spec], bool] = anything  # False: images that look so, or are of such classes, are of another kind


FEATURES = kind("feature network", "features", "gan_cli.features", Features)
OWN = "`gan eval --features` takes one's own: package.module:function, file.py:function or file.jaxexport"


def find(name: str, *, outside: bool = False, shape: Shape = ()) -> Features:
    """The feature network of this name; InputError for an unknown name, with the nearest valid one.

    outside: whether the name may be of code or a file outside of this package (see `own.find`). Only for names that the
    person who runs the program has typed: what is named is run. shape: of the images (H, W, C), by which such a
    network is tried and measured.
    """
    if not outside or name in FEATURES.names():
        check_shipped(name)
        network: Features = call(FEATURES, check(FEATURES, name))
        return network
    from gan_cli.features import own

    return own.find(name, shape)


def check_shipped(name: str, where: str = "") -> None:
    """Raise InputError, which begins with `where`, unless it is a name that a recipe may have: no code from outside."""
    if name not in FEATURES.names() and is_outside(name):
        shipped = ", ".join(FEATURES.names())
        raise InputError(f"{where}features = {name!r}: a recipe can name only shipped networks ({shipped}); {OWN}")
    check(FEATURES, name, where)


def is_outside(name: str) -> bool:
    """Whether a name has the form of a path or of code, or is of a network that an installed package adds."""
    from gan_cli.features import own

    return any(sign in name for sign in ":/\\") or name.endswith((".py", own.SUFFIX)) or name in own.installed()
