"""What metrics.jsonl holds: the metrics taken during training, and those that `gan eval` has added."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli.report.parts import Curve
from gan_cli.report.series import MOST_CURVES, Series
from gan_cli.runs.jsonl import NOT_VALUES, noted, number, step_of

TRAINING = ""  # the group of what was measured during training
MOST_PROTOCOLS = 20  # by which a run was judged afterwards


class Evaluations(NamedTuple):
    """The evaluations of a run."""

    curves: tuple[Curve, ...]  # a chart a value; what was measured later, by each protocol, in curves of its own
    headline: str  # the metric that chooses the best checkpoint; empty: none was taken
    values: Mapping[int, float]  # its values during training, by step
    protocol: str  # by which they were taken
    last: int  # step of the last one
    notes: tuple[str, ...]


class _Group(NamedTuple):
    """Evaluations of one protocol: those of another cannot be compared with them, nor be on the same curve."""

    first: dict[str, Any]  # line
    series: dict[str, Series]


def read_metrics(path: Path) -> Evaluations:
    """The curves of metrics.jsonl."""
    groups: dict[str, _Group] = {}
    notes: list[str] = []
    damaged = left_out = 0
    for line in noted(path, notes):
        step = step_of(line) if line else None
        if line is None or step is None:
            damaged += 1
            continue
        key = _key(line)
        if key not in groups and key != TRAINING and len(groups) >= MOST_PROTOCOLS:
            left_out += 1
            continue
        group = groups.setdefault(key, _Group(line, {}))
        for name, value in line.items():
            if name not in NOT_VALUES and (found := number(value)) is not None:
                group.series.setdefault(name, Series()).add(step, found)
    notes += [f"{path.name}: {damaged:,} damaged lines are left out"] if damaged else []
    notes += [f"{path.name}: {left_out:,} evaluations by further protocols are left out"] if left_out else []
    curves = [curve for key, group in groups.items() for curve in _curves(key, group)]
    return _judged(curves[:MOST_CURVES], groups.get(TRAINING), tuple(notes))


def _key(line: Mapping[str, Any]) -> str:
    if "weights" not in line:  # `gan eval` says which it has used
        return TRAINING
    return json.dumps([line["weights"], line.get("protocol")], sort_keys=True)


def _curves(key: str, group: _Group) -> list[Curve]:
    if key == TRAINING:
        return [series.curve(name, name, name)._replace(metric=True) for name, series in group.series.items()]
    label = f"gan eval, {group.first['weights']} weights: {said(group.first.get('protocol'))}"
    return [s.curve(name, name, label)._replace(metric=True, later=True) for name, s in group.series.items()]


def _judged(curves: list[Curve], training: _Group | None, notes: tuple[str, ...]) -> Evaluations:
    if training is None or not training.series:
        return Evaluations(tuple(curves), "", {}, "", 0, notes)
    headline, series = next(iter(training.series.items()))
    values = {int(step): value for step, value in zip(series.steps, series.values, strict=True)}
    return Evaluations(tuple(curves), headline, values, said(training.first.get("protocol")), max(values), notes)


def said(protocol: object) -> str:
    """A protocol as it stands in metrics.jsonl, for a person."""
    if not isinstance(protocol, Mapping):
        return "no protocol was noted"
    return "; ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in protocol.items() if value not in ("", {}, None)
    )
