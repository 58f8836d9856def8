"""What is known of a trained model: its numbers and how they were measured, and what went wrong on the way."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from gan_cli import metrics, recipe
from gan_cli.export.markdown import words
from gan_cli.metrics.protocol import Protocol
from gan_cli.runs import jsonl as logs
from gan_cli.runs.load import Loaded
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


def scores(loaded: Loaded, *, raw: bool) -> list[Score]:
    """Every number of this checkpoint with these weights, the last value of each; the recipe's own metrics first.

    They come from the checkpoint and from metrics.jsonl; lines that are damaged, or say nothing of their protocol, are
    left out. Paths in a protocol are cut to their last part.
    """
    found: dict[str, Score] = {}
    for line in (*loaded.meta.history, *logs.read_lines(loaded.folder.metrics)):
        weights = line.get("weights", "average")  # lines of the training do not say it
        if line.get("step") != loaded.step or weights != ("raw" if raw else "average"):
            continue
        try:
            protocol = TypeAdapter(Protocol).validate_python(line.get("protocol"))
        except ValidationError:
            continue
        features, split = recipe.last_part(protocol.features), recipe.last_part(protocol.split)
        protocol = protocol._replace(features=features, split=split)
        for name, value in logs.values(line).items():
            found[words(name)] = Score(words(name), value, protocol)
    first = [name for name in recipe.Eval(**loaded.meta.recipe["eval"]).metrics if name in found]
    return [found[name] for name in dict.fromkeys([*first, *found])][:MOST]


def headlines(found: Sequence[Score]) -> list[Score]:
    """Those that are not parts of others: without "intra-fid-zebra" where there is "intra-fid"."""
    named, known = [score.metric for score in found], metrics.names()
    parts = {one for one in named for other in named if one not in known and one.startswith(f"{other}-")}
    return [score for score in found if score.metric not in parts]


def public_lines(loaded: Loaded, *, raw: bool) -> list[dict[str, Any]]:
    """All of `scores` as plain JSON: step, metric, value and protocol."""
    return [
        {"step": loaded.step, "metric": score.metric, "value": score.value, "protocol": score.protocol._asdict()}
        for score in scores(loaded, raw=raw)
    ]


def alarms(loaded: Loaded) -> tuple[list[Alarm], bool]:
    """What the monitor said up to this checkpoint, a kind at a time; and whether it has looked.

    What it saw before the step `[monitor] grace` does not count as a look: it warns of nothing there.
    """
    found: dict[str, Alarm] = {}
    monitored = False
    for line in logs.read_lines(loaded.folder.log):
        step = logs.step_of(line)
        if "alarms" not in line or step is None or step > loaded.step:
            continue
        monitored = monitored or step >= loaded.meta.recipe["monitor"]["grace"]
        for message in logs.alarms(line):
            kind = words(message.partition(":")[0])
            before = found.get(kind, Alarm(kind, 0, step, step, ""))
            found[kind] = Alarm(kind, before.times + 1, min(before.first, step), max(before.last, step), words(message))
    return list(found.values())[:MOST], monitored


def versions(loaded: Loaded) -> dict[str, str]:
    """The versions of the packages that trained it, as the checkpoint has them."""
    known = loaded.meta.versions or {}
    return {name: words(known[name])[:SHOWN] for name in (NAME, *PACKAGES) if name in known}
