"""Feature networks: what metrics look at images through.

`find_network("digits")` calls `digits` of `gan_cli/features/digits.py`. A new feature network is one file with one
factory of the same name. A person's own network, outside of this package, is loaded by `custom.py`.
"""

import sys

from gan_cli import media
from gan_cli.binding import call, validate_part
from gan_cli.errors import InputError
from gan_cli.features import custom
from gan_cli.features.network import FEATURES, OWN, Features, Outline
from gan_cli.types import Shape, Spec

__all__ = [
    "FEATURES",
    "OWN",
    "Features",
    "Outline",
    "check_shipped",
    "decided",
    "find_network",
    "is_outside",
    "outline",
]

AUTO = "auto"  # in place of a name: the network is decided by what images look like


def decided(wanted: str, *specs: Spec) -> str:
    """The name that is `wanted`; in place of AUTO that of the network for examples that look like these.

    `photos` of images in colour, where its weights are installed, otherwise `digits`.
    """
    if wanted != AUTO:
        return wanted
    if not any(media.is_image(spec) and spec.shape[2] in (3, 4) for spec in specs):
        return "digits"
    from gan_cli.features import photos  # its network is imported with it, which grey images do without

    return "photos" if photos.installed() else "digits"


def find_network(name: str, *, outside: bool = False, shape: Shape = ()) -> Features:
    """The feature network of this name; InputError for an unknown name suggests the nearest one.

    outside: whether the name may be of code or a file outside of this package (see `custom.find_custom`). Only for
    names that the person who runs the program has typed: what is named is run. shape: (H, W, C) of the images, with
    which such a network is tried and measured.
    """
    if not outside or FEATURES.has(name):
        check_shipped(name)
        network: Features = call(FEATURES, validate_part(FEATURES, name))
        return network
    return custom.find_custom(name, shape)


def outline(name: str) -> Outline:
    """The outline of a shipped network: that of its file's own function `outline`, where the weights are imported."""
    own = getattr(sys.modules[FEATURES.find(name).__module__], "outline", None)
    if own is not None:
        made: Outline = own(name)
        return made
    found = find_network(name)
    weights = "none needed" if found.hash == "none" else "shipped"
    return Outline(found.dim, len(found.classes), found.protocol, weights)


def check_shipped(name: str, where: str = "") -> None:
    """Raise InputError, which begins with `where`, unless a recipe may have this name, or AUTO: no outside code."""
    if not FEATURES.has(name) and is_outside(name):
        shipped = ", ".join(FEATURES.names())
        raise InputError(f"{where}features = {name!r}: a recipe can name only shipped networks ({shipped}); {OWN}")
    if name != AUTO:
        validate_part(FEATURES, name, where)


def is_outside(name: str) -> bool:
    """Whether a name has the form of a path or of code, or is that of a network from an installed package."""
    return any(sign in name for sign in ":/\\") or name.endswith((".py", custom.SUFFIX)) or name in custom.installed()
