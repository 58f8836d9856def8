"""The progress of a training for a person: a bar on a terminal, plain lines elsewhere; all on stderr."""

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from gan_cli.errors import printable
from gan_cli.text import duration, figure

SECONDS_BETWEEN_LINES = 10.0  # where there is no terminal
TITLE = "training"
BAR = (5, 20)  # columns of the bar, at least and at most
CLOCK = len("-:--:--")


class Reporter:
    """Shows steps, steps and images a second, remaining time, each turn's loss and the last metric.

    quiet: says nothing, as the processes of a job whose first one says it all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(file=sys.stderr, soft_wrap=True, highlight=False, quiet=quiet)
        self._bar: Progress | None = None
        self._batch = 0
        self._steps = 0
        self._began = (0, 0.0)  # step and time of the first numbers: compilation is not counted
        self._last_line = 0.0
        self._verdict = ""
        self._alarm = ""

    def note(self, message: str) -> None:
        """A notice on a line of its own."""
        self._console.print(printable(message), markup=False)

    def start(self, step: int, steps: int, batch: int) -> None:
        """Training begins, after compiling."""
        self.close()  # a training before this one: a rollback, other seeds, another recipe
        self._batch, self._steps, self._began = batch, steps, (0, 0.0)
        if self._console.quiet or not self._console.is_terminal:
            self.note(f"training from step {step} to {steps}; compiling first")
            return
        kept = (  # rich narrows the columns that may wrap: the numbers alone
            TextColumn("{task.description}"),
            BarColumn(max(BAR[0], min(BAR[1], self._room(bar=0))), table_column=Column(no_wrap=True)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
        )
        numbers = TextColumn("{task.fields[numbers]}", markup=False, table_column=Column(no_wrap=False))
        self._bar = Progress(*kept, numbers, console=self._console)
        self._task = self._bar.add_task(TITLE, total=steps, completed=step, numbers=short(["compiling"], self._room()))
        self._bar.start()

    def _room(self, bar: int = BAR[1]) -> int:
        """Columns of the terminal beside all that is always there: title, bar, n/N, time left, blanks between them."""
        return self._console.width - len(TITLE) - bar - (2 * len(str(self._steps)) + 1) - CLOCK - 4

    def progress(self, step: int, means: dict[str, float]) -> None:
        """Numbers of the latest call."""
        now = time.monotonic()
        if not self._began[1]:
            self._began = (step, now)
        numbers = self._numbers(step, now, means)
        if self._bar is not None:
            self._bar.update(self._task, completed=step, numbers=numbers)
        elif now - self._last_line > SECONDS_BETWEEN_LINES or step == self._steps:
            self._last_line = now
            self.note(f"step {step}/{self._steps}  {numbers}")

    def _numbers(self, step: int, now: float, means: dict[str, float]) -> str:
        since, began = self._began
        speed, images = [], []
        if step > since:
            rate = (step - since) / (now - began)
            speed, images = [f"{figure(rate)} it/s"], [f"{figure(rate * self._batch)} images/s"]
            if self._bar is None:
                images += [f"{duration((self._steps - step) / rate)} left"]
        losses = [f"{key.removesuffix('/loss')} {value:.3f}" for key, value in means.items() if key.endswith("/loss")]
        last = [self._verdict, self._alarm]
        if self._bar is None:
            return joined([*speed, *images, *losses, *last])
        ways = ([*speed, *images, *losses, *last], [*speed, *losses, *last], [*speed, *last])
        room = self._room()
        return next((text for way in ways if len(text := joined(way)) <= room), short(ways[-1], room))

    def verdict(self, step: int, name: str, value: float) -> None:
        """The headline metric at `step`."""
        self._verdict = f"{name} {value:.4g}"
        self.note(f"step {step}: {name} {value:.4g}")

    def alarm(self, step: int, messages: Sequence[str]) -> None:
        """What is wrong with the training at `step`; shown until it is well again. Said once each time it changes."""
        short = "  ".join(f"WARNING {message.partition(':')[0]}" for message in messages)
        if short != self._alarm:
            for message in messages or ["well again"]:
                self.note(f"step {step}: {'WARNING: ' if messages else ''}{message}")
        self._alarm = short

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def joined(parts: Sequence[str]) -> str:
    """Those that are not empty, two blanks apart."""
    return "  ".join(part for part in parts if part)


def short(parts: Sequence[str], room: int) -> str:
    """The same, cut to `room` characters."""
    text = joined(parts)
    return text if len(text) <= room else f"{text[: room - 1]}…" if room > 0 else ""
