"""Theory one can run: demonstrations that train or compute something small whose truth is known.

A new demonstration is one file with one factory of its own name: keyword-only options, and `Note` for its progress.
"""

import tomllib
from collections.abc import Iterable
from inspect import getdoc

from gan_cli.binding import Table, call, kind, validate_part
from gan_cli.errors import InputError
from gan_cli.lab.demonstration import Demonstration, Note

DEMONSTRATION = kind("demonstration", "demonstration", "gan_cli.lab", Demonstration, Note)


def names() -> dict[str, str]:
    """Name on the command line -> what is demonstrated, in one line; nothing is computed."""
    lines = {name: (getdoc(DEMONSTRATION.find(name)) or "").partition("\n")[0] for name in DEMONSTRATION.names()}
    return {name.replace("_", "-"): line for name, line in lines.items()}


def request(name: str, overrides: Iterable[str] = ()) -> Table:
    """A demonstration and its options, `option=value` each, checked and with defaults filled in; raises InputError."""
    return validate_part(DEMONSTRATION, {"demonstration": name.replace("-", "_"), **dict(map(option, overrides))})


def demonstrate(requested: Table, note: Note) -> Demonstration:
    """Run what `request` has checked; it may train for minutes, and tells `note` how far it is."""
    demonstration: Demonstration = call(DEMONSTRATION, requested, note)
    return demonstration


def option(override: str) -> tuple[str, object]:
    """`option=value` as a name and a TOML value; raises InputError."""
    key, equals, text = (part.strip() for part in override.partition("="))
    if not equals or not key:
        raise InputError(f"--set {override}: expected option=value, for example seeds=3")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text  # a bare word is a string
