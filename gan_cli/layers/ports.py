"""What networks demand of their ports, and how they say so."""

from collections.abc import Sequence

from gan_cli.errors import InputError
from gan_cli.types import Ports, Shape


def require_no_label(ports: Ports, net: str) -> None:
    """Raise InputError when the game gives a label to a network that takes none."""
    if ports.classes:
        raise InputError(
            f'net = "{net}" takes no label, but the game gives it one of {ports.classes} classes; '
            "choose a network that does, or a game without labels"
        )


def require_condition(ports: Ports, net: str, condition: str, ways: Sequence[str]) -> None:
    """Raise InputError unless a network says how a label enters exactly when the game gives it one.

    `condition` is its option of that name, `ways` the values it can have besides "none".
    """
    if ports.classes and condition == "none":
        quoted = [f'"{way}"' for way in ways]
        listed = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
        raise InputError(
            f'net = "{net}": the game gives it a label of {ports.classes} classes; set condition = {listed}'
        )
    if not ports.classes and condition != "none":
        raise InputError(
            f'net = "{net}": condition = "{condition}" says how a label enters, and this game gives it none; '
            'remove it, or take a game that does (play = "standard" with conditional = true)'
        )


def require_vector(shape: Shape, net: str, end: str) -> int:
    """The length of a vector port; InputError for anything else. `end` is "input" or "output"."""
    if len(shape) != 1:
        raise InputError(f'net = "{net}" has a vector at its {end}, not an array of shape {shape}')
    return shape[0]


def require_image(shape: Shape, net: str, end: str) -> tuple[int, int, int]:
    """(H, W, C) of an image port; InputError for anything else. `end` is "input" or "output"."""
    if len(shape) != 3:
        raise InputError(f'net = "{net}" has images (height, width, channels) at its {end}, not data of shape {shape}')
    return shape[0], shape[1], shape[2]
