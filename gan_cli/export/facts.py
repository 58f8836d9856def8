"""What is known of a trained model: its numbers and how they were measured, and what went wrong on the way."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import jax
from pydantic import TypeAdapter, ValidationError

from gan_cli import metrics, recipe
from gan_cli.export.markdown import words
from gan_cli.metrics.protocol import Protocol
from gan_cli.runs import jsonl as logs
from gan_cli.runs.jsonl import values
from gan_cli.runs.load import Loaded
from gan_cli.runs.reader import Reader
from gan_cli.runs.times import Session
from gan_cli.version import NAME, PACKAGES

MOST = 100  # metrics, and kinds of alarms, that are told of
SHOWN = 64  # letters of a version


class Score(NamedTuple):
    """A number that says how good the samples of this checkpoint are."""

    metric: str
    value: float
    protocol: Protocol


class Alarm(NamedTuple):
    """One kind of alarm of the monitor."""

    kind: str
    times: int
    first: int  # step
    last: int
    message: str  # the last one


def headlines(found: Sequence[Score]) -> list[Score]:
    """Those that are not parts of others: without "intra-fid-zebra" where there is "intra-fid"."""
    named = {score.metric for score in found}

    def is_part(name: str) -> bool:
        return name not in metrics.names() and any(name.startswith(f"{other}-") for other in named)

    return [score for score in found if not is_part(score.metric)]


def scores(loaded: Loaded, *, raw: bool) -> list[Score]:
    """Every number of this checkpoint with these weights, the last value of each; the recipe's own metrics first."""
    lines = [{"weights": "average", **line} for line in (*loaded.meta.history, *logs.read_lines(loaded.folder.metrics))]
    wanted = [line for line in lines if line.get("step") == loaded.step]
    found: dict[str, Score] = {}
    for line in wanted:
        if line["weights"] == ("raw" if raw else "average"):
            found |= {score.metric: score for score in _scores(line)}
    first = [name for name in recipe.Eval(**loaded.meta.recipe["eval"]).metrics if name in found]
    return [found[name] for name in dict.fromkeys([*first, *found])][:MOST]


def _scores(line: Mapping[str, Any]) -> Iterator[Score]:
    """The metrics of a line of metrics.jsonl; nothing where it is not one."""
    with suppress(ValidationError):
        protocol = TypeAdapter(Protocol).validate_python(line.get("protocol"))
        protocol = protocol._replace(
            features=recipe.last_part(protocol.features), split=recipe.last_part(protocol.split)
        )
        for name, value in values(line).items():
            yield Score(words(name), value, protocol)


def public_lines(loaded: Loaded, *, raw: bool) -> list[dict[str, Any]]:
    """The same, as plain JSON."""
    return [
        {"step": loaded.step, "metric": score.metric, "value": score.value, "protocol": score.protocol._asdict()}
        for score in scores(loaded, raw=raw)
    ]


def was_monitored(loaded: Loaded) -> bool:
    """Whether the monitor's log is there, of steps at which it warns."""
    grace = loaded.meta.recipe["monitor"]["grace"]
    return any(grace <= step <= loaded.step for step, _ in _looks(loaded))


def alarms(loaded: Loaded) -> list[Alarm]:
    """What the monitor said up to this checkpoint, a kind at a time."""
    found: dict[str, Alarm] = {}
    for step, told in _looks(loaded):
        for message in told if step <= loaded.step else ():
            kind = words(message.partition(":")[0])
            before = found.get(kind, Alarm(kind, 0, step, step, ""))
            found[kind] = Alarm(kind, before.times + 1, min(before.first, step), max(before.last, step), words(message))
    return list(found.values())[:MOST]


def _looks(loaded: Loaded) -> Iterator[tuple[int, list[str]]]:
    """When the monitor looked, and what alarmed it."""
    for line in logs.read_lines(loaded.folder.log):
        if "alarms" in line and (step := logs.step_of(line)) is not None:
            yield step, logs.alarms(line)


def versions(loaded: Loaded) -> dict[str, str]:
    """The versions of the packages that trained it, as the checkpoint has them."""
    known = loaded.meta.versions or {}
    return {name: words(known[name])[:SHOWN] for name in (NAME, *PACKAGES) if name in known}


def sessions(loaded: Loaded) -> list[Session]:
    """When it was trained on what, up to this checkpoint; the first MOST lives of the training."""
    found = [session for session in Reader(loaded.folder).lives if session.step < loaded.step]
    return [session for session in found if session.last > session.step][:MOST]


def parameters(loaded: Loaded) -> dict[str, int]:
    """Trained numbers of each network, by role."""
    return {
        role: sum(x.size for x in jax.tree.leaves(variables.params))
        for role, variables in loaded.state.variables.items()
    }
