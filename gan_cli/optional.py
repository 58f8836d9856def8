"""Packages that only some users need."""

from importlib.util import find_spec

from gan_cli.errors import InputError


def require(extra: str, what: str, *modules: str) -> None:
    """Raise InputError, which says how to get it, unless every module is installed. `what`: that needs it."""
    for module in modules:
        if find_spec(module) is None:
            raise InputError(f"{what} needs the package {module}: pip install 'gan-cli[{extra}]'")
