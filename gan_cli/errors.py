"""Errors from outside the program, which the command line reports in one message, without a traceback."""

from importlib.util import find_spec


class InputError(Exception):
    """Bad input: a recipe, a file, an option.

    The message says what is wrong, where (file, table, key) and what would be right.
    """

    exit_code = 2


class DamagedError(Exception):
    """A file that is not what it should be; the message says what was expected and what was found."""


class StorageError(Exception):
    """Data cannot be written: the disk is full, read-only or broken."""

    exit_code = 1


class LostError(Exception):
    """Another process of the job has gone, and this one cannot go on without it."""

    exit_code = 75  # EX_TEMPFAIL: the same command goes on


def require_package(extra: str, what: str, *modules: str) -> None:
    """Raise InputError, which names the pip extra to install, unless every module is there. `what` needs them."""
    for module in modules:
        if find_spec(module) is None:
            raise InputError(f"{what} needs the package {module}: pip install 'gan-cli[{extra}]'")


def printable(text: object) -> str:
    """Return `text` with escapes for characters that control a terminal or the direction of the text around them.

    Everything that is printed passes here: names of files, keys and values may come from strangers. Line breaks and
    tabs stay.
    """
    shown = []
    for sign in str(text):
        if sign.isprintable() or sign in "\n\t":
            shown.append(sign)
        elif "\udc80" <= sign <= "\udcff":  # a byte of a file name that is not valid UTF-8
            shown.append(f"\\x{ord(sign) & 0xFF:02x}")
        else:
            shown.append(sign.encode("unicode_escape").decode("ascii"))
    return "".join(shown)
