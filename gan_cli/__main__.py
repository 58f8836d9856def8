"""`gan` and `python -m gan_cli`: run a command, and say what went wrong in one message."""

import atexit
import gc
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
RARELY = (10_000, 50, 10)  # thresholds of `gc`: by Python's own, a start spends an eighth of its time on the search
AGAIN = 0.05  # seconds until a Ctrl-C that was lost is sent again


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its code.

    Exit codes: 0 done; 1 a failure; 2 bad input; 75 another process of the job has gone; 130 Ctrl-C; 141 the reader of
    stdout has gone. Commands add codes of their own (`gan train --help`).
    """
    streams.set_up()
    _quiet()
    gc.set_threshold(*RARELY)
    atexit.register(gc.freeze)  # the process ends: nobody need search what it holds for cycles, half a second for JAX's
    sys.unraisablehook = _resend_interrupt
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
        _end(1)  # in a job at once: Python's own way out would wait for the other processes


def _quiet() -> None:
    """Hide the warnings and logs of libraries, unless Python was told to show them (-W, PYTHONWARNINGS)."""
    logging.lastResort = logging.NullHandler()
    if not sys.warnoptions:
        warnings.showwarning = lambda *_, **__: None


def _resend_interrupt(unraisable: Any) -> None:
    """Send Ctrl-C again when it came where no exception gets through, as in a callback of the garbage collector."""
    if unraisable.exc_type is KeyboardInterrupt:
        Timer(AGAIN, os.kill, (os.getpid(), signal.SIGINT)).start()  # sent at once, it would be lost here, too
    else:
        sys.__unraisablehook__(unraisable)


def _end(code: int | str | None) -> NoReturn:
    """Exit with `code`, or where that is 0 with the code for output that could not be written."""
    lost = streams.lost()  # also writes out what is waiting
    code = code or lost
    if code and (processes := sys.modules.get("gan_cli.engine.processes")):
        processes.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
