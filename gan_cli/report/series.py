"""Numbers over the steps of a training, out of its JSON lines, however many and however damaged.

Of a line nothing is kept but its numbers: a log may have millions.
"""

import math
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli.report.parts import Curve, Event
from gan_cli.runs.jsonl import alarms, noted, number, step_of

MOST_POINTS = 2000  # of a curve
MOST_CURVES = 100  # of a run
MOST_EVENTS = 500  # the last ones
MOST_TEXT = 300  # letters of an event


class Series:
    """Values of one name by step, as they come."""

    def __init__(self) -> None:
        self.steps = array("d")
        self.values = array("d")

    def add(self, step: int, value: float) -> None:
        """One more value; what is not finite is a gap in the curve."""
        self.steps.append(step)
        self.values.append(value if math.isfinite(value) else math.nan)

    def curve(self, name: str, chart: str, label: str) -> Curve:
        """At most MOST_POINTS of the values, in the order of their steps."""
        steps, values = np.asarray(self.steps), np.asarray(self.values)
        if np.any(np.diff(steps) < 0):
            order = np.argsort(steps, kind="stable")
            steps, values = steps[order], values[order]
        kept = thinned(values)
        shown = [None if math.isnan(value) else float(f"{value:.6g}") for value in values[kept].tolist()]
        return Curve(name, chart, label, [int(step) for step in steps[kept]], shown, len(values))


def thinned(values: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Which of float values [N] to show: all, or the first, the last, and the extremes of `most / 2 - 1` even parts."""
    if len(values) <= most:
        return np.arange(len(values))
    kept = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), most // 2 - 1):
        if not np.isnan(values[part]).all():
            kept |= {int(part[np.nanargmin(values[part])]), int(part[np.nanargmax(values[part])])}
    return np.array(sorted(kept))


class Log(NamedTuple):
    """What log.jsonl holds."""

    curves: tuple[Curve, ...]
    events: tuple[Event, ...]
    last: int  # step of its last line; 0: there is none
    notes: tuple[str, ...]  # what was left out


def read_log(path: Path) -> Log:
    """A curve for each number in log.jsonl, the monitor's where nothing else has it, and what happened."""
    own: dict[str, Series] = {}
    looks: dict[str, Series] = {}
    events: list[Event] = []
    notes: list[str] = []
    last = damaged = 0
    for line in noted(path, notes):
        step = step_of(line) if line else None
        if line is None or step is None:
            damaged += 1
            continue
        last = max(last, step)
        events += _events(step, line)
        looked = line.get("monitor")
        _gather(own, step, {name: x for name, x in line.items() if name not in ("step", "rollback")})
        _gather(looks, step, looked if isinstance(looked, dict) else {})
    kinds = {name.rpartition("/")[2] for name in own}
    looks = {name: series for name, series in looks.items() if name.partition("/")[0] not in kinds}
    curves = [series.curve(name, *_turn(name)) for name, series in own.items()]
    curves += [series.curve(name, *_look(name)) for name, series in looks.items()]
    if damaged:
        notes.append(f"{path.name}: {damaged:,} damaged lines are left out")
    if len(curves) > MOST_CURVES:
        notes.append(f"{path.name}: {len(curves) - MOST_CURVES:,} of {len(curves):,} curves are left out")
    if len(events) > MOST_EVENTS:
        notes.append(f"{path.name}: of {len(events):,} events the last {MOST_EVENTS:,} are shown")
    return Log(tuple(curves[:MOST_CURVES]), tuple(events[-MOST_EVENTS:]), last, tuple(notes))


def _gather(into: dict[str, Series], step: int, numbers: Mapping[str, Any]) -> None:
    for name, value in numbers.items():
        if (found := number(value)) is not None:
            into.setdefault(name, Series()).add(step, found)


def _turn(name: str) -> tuple[str, str]:
    """ "discriminator/loss" -> its chart and what the legend calls it: "loss", "discriminator"."""
    turn, _, kind = name.rpartition("/")
    return kind, turn or kind


def _look(name: str) -> tuple[str, str]:
    """ "times_median/discriminator/loss" -> "times_median", "discriminator/loss"."""
    kind, _, where = name.partition("/")
    return kind, where or kind


def _events(step: int, line: Mapping[str, Any]) -> list[Event]:
    """Rollbacks and alarms of a line."""
    found = []
    if "rollback" in line:
        found.append(Event(step, "rollback", f"rollback {line['rollback']} to step {step}: {line.get('because', '')}"))
    found += [Event(step, "alarm", alarm) for alarm in alarms(line)]
    return [event._replace(text=event.text[:MOST_TEXT]) for event in found]
