"""What can go wrong outside the program, for the command line to say in one message, without a traceback."""


class InputError(Exception):
    """Bad input: a recipe, a file, an option.

    The message says what is wrong, where (file, table, key) and what would be right.
    """

    exit_code = 2


class DamagedError(Exception):
    """A file is not what it should be; the message says what was expected and what was found."""


class StorageError(Exception):
    """What was to be kept cannot be written: the disk is full, read-only or broken."""

    exit_code = 1


class LostError(Exception):
    """Another process of the job is gone, and this one cannot go on without it."""

    exit_code = 75  # EX_TEMPFAIL: the same command goes on


def printable(text: object) -> str:
    """`text` without signs that a terminal obeys, or that turn the text around them: these are shown as escapes.

    For all that is printed: names of files, keys and values may come from strangers. Lines and tabs stay.
    """
    return "".join(sign if sign.isprintable() or sign in "\n\t" else _escape(sign) for sign in str(text))


def _escape(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":  # a byte of a file's name that is no text
        return f"\\x{ord(sign) & 0xFF:02x}"
    return sign.encode("unicode_escape").decode("ascii")
