"""Feature networks: what metrics look at images through.

`find("digits")` is the function `digits` of `gan_cli/features/digits.py`, called. A new feature network is one file
with one factory of its own name. A person's own, outside of this package, is for `custom.py` to load.
"""

import sys

from gan_cli.binding import call, validate_part
from gan_cli.errors import InputError
from gan_cli.features import custom
from gan_cli.features.network import FEATURES, OWN, Features, Outline
from gan_cli.types import Shape

__all__ = ["FEATURES", "OWN", "Features", "Outline", "check_shipped", "find", "is_outside", "outline"]


def find_network(name: str, *, outside: bool = False, shape: Shape = ()) -> Features:
    """The feature network of this name; InputError for an unknown name, with the nearest valid one.

    outside: whether the name may be of code or a file outside of this package (see `custom.find_custom`). Only for
    names that the person who runs the program has typed: what is named is run. shape: of the images (H, W, C), by which
    such a network is tried and measured.
    """
    if not outside or name in FEATURES.names():
        check_shipped(name)
        network: Features = call(FEATURES, validate_part(FEATURES, name))
        return network
    return custom.find_custom(name, shape)


def outline(name: str) -> Outline:
    """A shipped network's; a file whose weights a person imports has an `outline` of its own, which needs none."""
    own = getattr(sys.modules[FEATURES.find(name).__module__], "outline", None)
    if own is not None:
        made: Outline = own(name)
        return made
    found = find_network(name)
    weights = "none needed" if found.hash == "none" else "shipped"
    return Outline(found.dim, len(found.classes), found.protocol, weights)


def check_shipped(name: str, where: str = "") -> None:
    """Raise InputError, which begins with `where`, unless it is a name that a recipe may have: no code from outside."""
    if name not in FEATURES.names() and is_outside(name):
        shipped = ", ".join(FEATURES.names())
        raise InputError(f"{where}features = {name!r}: a recipe can name only shipped networks ({shipped}); {OWN}")
    validate_part(FEATURES, name, where)


def is_outside(name: str) -> bool:
    """Whether a name has the form of a path or of code, or is of a network that an installed package adds."""
    return any(sign in name for sign in ":/\\") or name.endswith((".py", custom.SUFFIX)) or name in custom.installed()
