"""SIGTERM and SIGINT ask a run to save and stop; a second Ctrl-C stops it at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = b"\nstopping: saving first; Ctrl-C (again) stops at once\n"
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar may have hidden it
INTERRUPTED = 130  # exit code after a second Ctrl-C, as shells have it


class StopRequest:
    """Set by the first signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn SIGTERM and SIGINT into a request for the length of the block."""
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if request.signal is not None and number == signal.SIGINT:
            os.write(2, SHOW_CURSOR if os.isatty(2) else b"")
            os._exit(INTERRUPTED)  # at once: no clean-up that could hang
        request.signal = signal.Signals(number)
        os.write(2, STOPPING)  # not print: the signal may have come in the middle of one

    previous = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
