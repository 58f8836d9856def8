"""Progress for a person, on stderr: of a training, as a bar on a terminal or as plain lines; of a long drawing."""

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from gan_cli.cli.options import notice
from gan_cli.errors import printable
from gan_cli.text import duration, figure

SECONDS_BETWEEN_LINES = 10.0  # without a terminal
TITLE = "training"
BAR = (5, 20)  # least and most columns of the bar
CLOCK = len("-:--:--")


class Reporter:
    """Shows steps, steps and images a second, remaining time, each turn's loss and the last metric."""

    def __init__(self, *, quiet: bool = False) -> None:
        """A `quiet` one says nothing: that is for all processes of a job but the first."""
        self._console = Console(file=sys.stderr, soft_wrap=True, highlight=False, quiet=quiet)
        self._bar: Progress | None = None
        self._batch = 0
        self._steps = 0
        self._began = (0, 0.0)  # step and time of the first numbers: compiling is not counted
        self._last_line = 0.0
        self._verdict = ""
        self._alarm = ""

    def note(self, message: str) -> None:
        """Show a notice on a line of its own."""
        self._console.print(printable(message), markup=False)

    def start(self, step: int, steps: int, batch: int) -> None:
        """Training goes on from `step` to `steps`, with `batch` images a step; compiling comes first."""
        self.close()  # an earlier training: before a rollback, of other seeds, of another recipe
        self._batch, self._steps, self._began = batch, steps, (0, 0.0)
        if self._console.quiet or not self._console.is_terminal:
            self.note(f"training from step {step} to {steps}; compiling first")
            return
        kept = (  # rich narrows only columns that may wrap: that is, the numbers
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
        """Return the columns that title, bar, n/N, time left and the blanks between them leave of the terminal."""
        return self._console.width - len(TITLE) - bar - (2 * len(str(self._steps)) + 1) - CLOCK - 4

    def progress(self, step: int, means: dict[str, float]) -> None:
        """Show the numbers of the latest call."""
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
        """Return rates, losses, metric and alarm; beside a bar, as many of them as there is room for."""
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
        """Show the headline metric at `step`."""
        self._verdict = f"{name} {value:.4g}"
        self.note(f"step {step}: {name} {value:.4g}")

    def alarm(self, step: int, messages: Sequence[str]) -> None:
        """Show what is wrong with the training at `step` until it is well again; each change is said once."""
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


class Pace:
    """Is told how many samples are drawn, and says so every `seconds`, with the time left."""

    def __init__(self, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._seconds = seconds
        self._began = (0, 0.0)  # samples and time after the first batch: compiling is not counted
        self._last = 0.0

    def __call__(self, done: int, of: int) -> None:
        """Take in that `done` samples `of` so many are drawn; fewer than before begin another drawing."""
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


def joined(parts: Sequence[str]) -> str:
    """Join those parts that are not empty, two blanks apart."""
    return "  ".join(part for part in parts if part)


def short(parts: Sequence[str], room: int) -> str:
    """Join the parts like `joined`, and cut the text to `room` characters."""
    text = joined(parts)
    return text if len(text) <= room else f"{text[: room - 1]}…" if room > 0 else ""
