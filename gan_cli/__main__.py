"""`gan` and `python -m gan_cli`: run a command, and say what went wrong in one message."""

import sys
import traceback
from typing import NoReturn

from gan_cli.errors import InputError, LostError, StorageError

EXIT_CODES = {InputError: 2, StorageError: 1, LostError: 75}


def main() -> None:
    """The console script."""
    from gan_cli.cli.app import app

    try:
        app()
    except tuple(EXIT_CODES) as error:
        print(f"error: {error}", file=sys.stderr)
        _end(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind)))
    except SystemExit as end:
        _end(end.code)
    except Exception:
        traceback.print_exc()
        _end(1)  # of a job: at once, where Python's way out would wait for the others


def _end(code: int | str | None) -> NoReturn:
    if code and (processes := sys.modules.get("gan_cli.engine.processes")):
        processes.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
