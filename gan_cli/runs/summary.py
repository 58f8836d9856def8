"""What the logs of a run come to: how far it is, what the monitor saw, the best and the last of each metric."""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli.names import lower_is_better
from gan_cli.runs.jsonl import alarms, parsed, read, step_of, texts, values, whole

MOST_ALARMS, LONGEST_ALARM = 10, 200  # of one line; letters


class Value(NamedTuple):
    """A metric over a run."""

    best: float
    last: float
    best_step: int


class Log(NamedTuple):
    """What log.jsonl says of a training."""

    step: int = 0  # the last one
    looks: int = 0  # of the monitor
    alarmed: int = 0  # of these, at how many something was wrong
    alarms: tuple[str, ...] = ()  # at the last of them
    rollbacks: int = 0


def of_log(path: Path) -> Log:
    """The summary of a log.jsonl, of which only the lines that matter are parsed. Raises InputError for no file."""
    found = Log()
    newest: deque[bytes] = deque(maxlen=2)  # the last one may have been cut short
    for text in texts(path):
        if b'"step"' in text:
            newest.append(text)
        if b'"monitor"' in text or b'"rollback"' in text:
            found = _heard(found, parsed(text))
    return found._replace(step=max((step_of(parsed(text) or {}) or 0 for text in newest), default=0))


def _heard(found: Log, line: Mapping[str, Any] | None) -> Log:
    """With a line of the monitor's."""
    if line is None:
        return found
    if "rollback" in line:
        return found._replace(rollbacks=max(found.rollbacks, whole(line["rollback"]) or 0))
    told = tuple(alarm[:LONGEST_ALARM] for alarm in alarms(line)[:MOST_ALARMS])
    return found._replace(looks=found.looks + 1, alarmed=found.alarmed + bool(told), alarms=told)


def of_metrics(path: Path) -> dict[str, Value]:
    """Best and last of each metric, as measured during training; where that was not done, by `gan eval`.

    Raises InputError for what is no file of lines.
    """
    lines = [*read(path)]
    during = [line for line in lines if "weights" not in line]
    series: dict[str, list[tuple[int, float]]] = {}
    for line in during or lines:
        for name, value in values(line).items():
            series.setdefault(name, []).append((step_of(line) or 0, value))
    return {name: made for name, own in series.items() if (made := _value(name, own))}


def _value(name: str, series: Sequence[tuple[int, float]]) -> Value | None:
    """None for a number beside a metric, of which it is not known whether more is better."""
    lower = lower_is_better(name)
    if lower is None:
        return None
    step, best = min(series, key=lambda one: one[1] if lower else -one[1])
    return Value(best, series[-1][1], step)
