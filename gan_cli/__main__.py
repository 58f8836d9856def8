"""`gan` and `python -m gan_cli`: run a command, and say what went wrong in one message."""

import sys

from gan_cli.errors import InputError, StorageError

BAD_INPUT, FAILED = 2, 1


def main() -> None:
    """The console script."""
    from gan_cli.cli.app import app

    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except StorageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
