"""Signals that ask a run to save and stop: whatever a shell, a terminal or a scheduler ends a program with.

A second Ctrl-C stops it at once. SIGTSTP, SIGCONT and the like do what they always do.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

KEYS = ("SIGINT", "SIGQUIT")  # Ctrl-C, Ctrl-\
# A terminal that has gone; kill, and schedulers of every kind; a scheduler's warning before its time limit (Slurm, Grid
# Engine, LSF); limits on the time of the CPU and of the clock; a battery; Windows. No system has all of them.
ENDINGS = (*KEYS, "SIGHUP", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM", "SIGPWR", "SIGBREAK")
STOPPING = b"\nstopping: saving first; Ctrl-C (again) stops at once\n"
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar may have hidden it


class StopRequest:
    """Set by the first signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn ENDINGS into a request for the length of the block."""
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        name = signal.Signals(number).name
        if request.signal is not None and name in KEYS:
            _say(SHOW_CURSOR if os.isatty(2) else b"")
            os._exit(128 + number)  # at once: no clean-up that could hang. The code is the shells'
        if request.signal is None:  # a limit repeats its signal
            request.signal = signal.Signals(number)
            _say(STOPPING)

    with handling(ENDINGS, handle):
        yield request


@contextmanager
def handling(names: Iterable[str], handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle signals for the length of the block, but for those that whoever started us ignores: nohup, a shell's &."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(message: bytes) -> None:
    """On stderr, which may have gone; not by print: the signal may have come in the middle of one."""
    with suppress(OSError):
        os.write(2, message)
