"""`gan` and `python -m gan_cli`: run a command, and say what went wrong in one message."""

import sys
from typing import NoReturn

from gan_cli.errors import InputError, StorageError

BAD_INPUT, FAILED = 2, 1


def main() -> None:
    """The console script."""
    from gan_cli.cli.app import app

    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        _end(BAD_INPUT)
    except StorageError as error:
        print(f"error: {error}", file=sys.stderr)
        _end(FAILED)
    except SystemExit as end:
        _end(end.code)


def _end(code: int | str | None) -> NoReturn:
    if code and (processes := sys.modules.get("gan_cli.engine.processes")):
        processes.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
