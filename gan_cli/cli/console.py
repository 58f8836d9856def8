"""The progress of a training for a person: a bar on a terminal, plain lines elsewhere; all on stderr."""

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0  # where there is no terminal


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
        self._console.print(message, markup=False)

    def start(self, step: int, steps: int, batch: int) -> None:
        """Training begins, after compiling."""
        self.close()  # a training before this one: a rollback, other seeds, another recipe
        self._batch, self._steps, self._began = batch, steps, (0, 0.0)
        if self._console.quiet or not self._console.is_terminal:
            self.note(f"training from step {step} to {steps}; compiling first")
            return
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[numbers]}"), console=self._console)
        self._task = self._bar.add_task("training", total=steps, completed=step, numbers="compiling")
        self._bar.start()

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
        speed = ""
        if step > since:
            rate = (step - since) / (now - began)
            speed = f"{figure(rate)} it/s  {figure(rate * self._batch)} images/s"
            if self._bar is None:
                speed += f"  {clock((self._steps - step) / rate)} left"
        losses = (f"{key.removesuffix('/loss')} {value:.3f}" for key, value in means.items() if key.endswith("/loss"))
        return "  ".join(part for part in (speed, *losses, self._verdict, self._alarm) if part)

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


def figure(x: float) -> str:
    """Three digits or all whole ones: 2.24, 41.7, 106,391."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def clock(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
