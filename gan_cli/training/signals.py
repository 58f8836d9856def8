"""Signals that ask a run to save and stop: those with which a shell, a terminal or a scheduler ends a program.

A second Ctrl-C stops it at once. SIGTSTP, SIGCONT and the like keep their meaning.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

KEYS = ("SIGINT", "SIGQUIT")  # Ctrl-C, Ctrl-\
# The keys; a terminal that has gone; kill and all schedulers; a scheduler's warning before its time limit (Slurm, Grid
# Engine, LSF); limits on CPU time and on time; an empty battery; Windows. No system has all of them.
ENDINGS = (*KEYS, "SIGHUP", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM", "SIGPWR", "SIGBREAK")
STOPPING = b"\nstopping: saving first; Ctrl-C (again) stops at once\n"
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar may have hidden it


class StopRequest:
    """Whether a signal has asked to stop, and which one was the first."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the signals in ENDINGS into a request while the block runs; a second one of KEYS ends the process."""
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        name = signal.Signals(number).name
        if request.signal is not None and name in KEYS:
            _say(SHOW_CURSOR if os.isatty(2) else b"")
            os._exit(128 + number)  # no clean-up that could hang; shells use this code
        if request.signal is None:  # a limit repeats its signal
            request.signal = signal.Signals(number)
            _say(STOPPING)

    with handling(ENDINGS, handle):
        yield request


@contextmanager
def handling(names: Iterable[str], handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle signals while the block runs, except those that our parent made us ignore: nohup, or a shell's `&`."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(message: bytes) -> None:
    """Write to stderr, which may have gone. Not by print: the signal may have interrupted another print."""
    with suppress(OSError):
        os.write(2, message)
