"""How far a long drawing is, and how long it will still take: a line now and then, on stderr."""

import time

from gan_cli.cli.console import SECONDS_BETWEEN_LINES
from gan_cli.cli.options import notice
from gan_cli.text import duration, figure


class Pace:
    """Is told how many samples are drawn, of how many; says so every `seconds`, and nothing of what is done sooner."""

    def __init__(self, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._seconds = seconds
        self._began = (0, 0.0)  # samples and time after the first batch: compilation is not counted
        self._last = 0.0

    def __call__(self, done: int, of: int) -> None:
        """`done` samples `of` all are drawn."""
        now = time.monotonic()
        first, began = self._began
        if not done or done < first:  # another drawing
            self._began = (0, 0.0)
        elif not first:
            self._began, self._last = (done, now), now
        elif now - self._last >= self._seconds and now > began:
            self._last = now
            rate = (done - first) / (now - began)
            notice(f"{done:,} of {of:,} samples  {figure(rate)} samples/s  {duration((of - done) / rate)} left")
