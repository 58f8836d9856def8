"""A run's numbers over its steps: the curves in log.jsonl and in metrics.jsonl, however long and however damaged.

Of a line nothing is kept but its numbers: a log may have millions.
"""

import json
import math
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli.report.page_parts import Curve, Event
from gan_cli.runs.jsonl import NOT_VALUES, alarms, noted, number, step_of

MOST_POINTS = 2000  # of a curve
CHARTS = {"accuracy": "pairs told apart"}  # what turns report -> the chart it is on, where a metric has its name
MOST_CURVES = 100  # of a file
MOST_EVENTS = 500  # the last ones
MOST_TEXT = 300  # letters of an event
TRAINING = ""  # the group of what was measured during training
MOST_PROTOCOLS = 20  # by which a run was judged afterwards
Series = dict[str, tuple["array[float]", "array[float]"]]  # name -> steps and values, as they come; NaN: not finite


class Log(NamedTuple):
    """What log.jsonl holds."""

    curves: tuple[Curve, ...]
    events: tuple[Event, ...]
    last: int  # step of its last line; 0: there is none
    notes: tuple[str, ...]  # what was left out


class Evaluations(NamedTuple):
    """What metrics.jsonl holds: metrics taken during training, and those that `gan eval` has added."""

    curves: tuple[Curve, ...]  # a chart a value; what was measured later, by each protocol, in curves of its own
    headline: str  # the metric that chooses the best checkpoint; empty: none was taken
    values: Mapping[int, float]  # its values during training, by step
    protocol: str  # by which they were taken
    last: int  # step of the last one
    notes: tuple[str, ...]  # what was left out


def read_log(path: Path) -> Log:
    """A curve for each number in log.jsonl, the monitor's where nothing else has it, and what happened."""
    own: Series = {}
    looks: Series = {}  # the monitor's
    events: list[Event] = []
    notes: list[str] = []
    last = 0
    for step, line in _lines(path, notes):
        last = max(last, step)
        if "rollback" in line:
            text = f"rollback {line['rollback']} to step {step}: {line.get('because', '')}"
            events.append(Event(step, "rollback", text[:MOST_TEXT]))
        events += [Event(step, "alarm", alarm[:MOST_TEXT]) for alarm in alarms(line)]
        looked = line.get("monitor")
        _add(own, step, {name: x for name, x in line.items() if name not in ("step", "rollback")})
        _add(looks, step, looked if isinstance(looked, dict) else {})
    curves = []
    for name in own:  # "discriminator/loss" is on the chart "loss", by the name of "discriminator"
        turn, _, kind = name.rpartition("/")
        curves.append(_curve(own, name, CHARTS.get(kind, kind), turn or kind))
    kinds = {curve.chart for curve in curves}
    for name in looks:  # "times_median/discriminator/loss" is on "times_median", as "discriminator/loss"
        kind, _, where = name.partition("/")
        if CHARTS.get(kind, kind) not in kinds:
            curves.append(_curve(looks, name, CHARTS.get(kind, kind), where or kind))
    if len(curves) > MOST_CURVES:
        notes.append(f"{path.name}: {len(curves) - MOST_CURVES:,} of {len(curves):,} curves are left out")
    if len(events) > MOST_EVENTS:
        notes.append(f"{path.name}: of {len(events):,} events the last {MOST_EVENTS:,} are shown")
    return Log(tuple(curves[:MOST_CURVES]), tuple(events[-MOST_EVENTS:]), last, tuple(notes))


def read_metrics(path: Path) -> Evaluations:
    """The curves of metrics.jsonl.

    Evaluations by different protocols, or of different weights, cannot be compared: each group has curves of its own.
    """
    first: dict[str, dict[str, Any]] = {}  # group -> its first line
    groups: dict[str, Series] = {}
    notes: list[str] = []
    left_out = 0
    for step, line in _lines(path, notes):
        group = TRAINING
        if "weights" in line:  # `gan eval` says which it has used
            group = json.dumps([line["weights"], line.get("protocol")], sort_keys=True)
        if group not in groups and group != TRAINING and len(groups) >= MOST_PROTOCOLS:
            left_out += 1
            continue
        first.setdefault(group, line)
        _add(groups.setdefault(group, {}), step, {name: x for name, x in line.items() if name not in NOT_VALUES})
    if left_out:
        notes.append(f"{path.name}: {left_out:,} evaluations by further protocols are left out")
    curves = []
    for group, series in groups.items():
        later = group != TRAINING
        said = f"gan eval, {first[group]['weights']} weights: {protocol_words(first[group])}" if later else ""
        curves += [_curve(series, n, n, said or n)._replace(metric=True, later=later) for n in series]
    shown, training = tuple(curves[:MOST_CURVES]), groups.get(TRAINING)
    if not training:
        return Evaluations(shown, "", {}, "", 0, tuple(notes))
    headline, (steps, numbers) = next(iter(training.items()))
    values = {int(step): value for step, value in zip(steps, numbers, strict=True)}
    return Evaluations(shown, headline, values, protocol_words(first[TRAINING]), max(values), tuple(notes))


def protocol_words(line: Mapping[str, Any]) -> str:
    """The protocol of a line of metrics.jsonl, for a person."""
    protocol = line.get("protocol")
    if not isinstance(protocol, Mapping):
        return "no protocol was noted"
    told = {key: value for key, value in protocol.items() if value not in ("", {}, None)}
    return "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in told.items())


def _lines(path: Path, notes: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a file that have a step, with it; at the end a note says how many were left out."""
    damaged = 0
    for line in noted(path, notes):
        step = step_of(line) if line else None
        if line is None or step is None:
            damaged += 1
        else:
            yield step, line
    if damaged:
        notes.append(f"{path.name}: {damaged:,} damaged lines are left out")


def _add(series: Series, step: int, line: Mapping[str, Any]) -> None:
    """Add the numbers of a line; what is not finite is a gap in its curve."""
    for name, value in line.items():
        if (found := number(value)) is not None:
            steps, values = series.setdefault(name, (array("d"), array("d")))
            steps.append(step)
            values.append(found if math.isfinite(found) else math.nan)


def _curve(series: Series, name: str, chart: str, label: str) -> Curve:
    """At most MOST_POINTS of the values of a name, in the order of their steps."""
    steps, values = map(np.asarray, series[name])
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
