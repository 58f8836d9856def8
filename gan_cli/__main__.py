"""`gan` and `python -m gan_cli`: run a command, and say what went wrong in one message."""

import logging
import os
import signal
import sys
import traceback
import warnings
from threading import Timer
from typing import Any, NoReturn

from gan_cli import streams
from gan_cli.errors import InputError, LostError, StorageError, printable

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
AGAIN = 0.05  # seconds until a Ctrl-C that was lost is sent again


def main() -> None:
    """The console script."""
    streams.set_up()
    _quiet()
    sys.unraisablehook = _hear
    try:
        from gan_cli.backend import importing_jax
        from gan_cli.cli.app import app

        with importing_jax():
            app()
    except (InputError, StorageError, LostError) as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        _end(error.exit_code)
    except SystemExit as end:
        _end(end.code)
    except KeyboardInterrupt:
        _end(INTERRUPTED)
    except Exception:
        traceback.print_exc()
        _end(1)  # of a job: at once, where Python's way out would wait for the others


def _quiet() -> None:
    """Keep what libraries warn of to themselves, unless Python was told otherwise (-W, PYTHONWARNINGS)."""
    logging.lastResort = logging.NullHandler()
    if not sys.warnoptions:
        warnings.showwarning = lambda *_, **__: None


def _hear(unraisable: Any) -> None:
    """Send Ctrl-C again where it came in a place that lets nothing through, as a callback of the garbage collector."""
    if unraisable.exc_type is KeyboardInterrupt:
        Timer(AGAIN, os.kill, (os.getpid(), signal.SIGINT)).start()  # at once it would be lost here, too
    else:
        sys.__unraisablehook__(unraisable)


def _end(code: int | str | None) -> NoReturn:
    lost = streams.lost()
    code = code or lost
    if code and (processes := sys.modules.get("gan_cli.engine.processes")):
        processes.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
