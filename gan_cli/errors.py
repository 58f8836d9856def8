"""The one exception that means "the user can mend this"."""


class InputError(Exception):
    """Bad input: a recipe, a file, an option.

    The message says what is wrong, where (file, table, key) and what would be right. The command line prints it
    without a traceback and exits with code 2.
    """
