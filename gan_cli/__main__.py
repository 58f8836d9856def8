"""`gan` and `python -m gan_cli`: run a command, and say what went wrong in one message."""

import sys
import traceback
from typing import NoReturn

from gan_cli.errors import InputError, LostError, StorageError, printable


def main() -> None:
    """The console script."""
    from gan_cli.cli.app import app

    try:
        app()
    except (InputError, StorageError, LostError) as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        _end(error.exit_code)
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
