"""A run's digest, of what its folder holds and, where that is wanted, of its model and its data."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gan_cli import recipe
from gan_cli.errors import InputError
from gan_cli.names import lower_is_better
from gan_cli.report import blocks, commands, judged, series
from gan_cli.report.judged import Evaluations
from gan_cli.report.parts import Curve, RunPart
from gan_cli.report.seen import Seen
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.reader import Reader
from gan_cli.text import duration

if TYPE_CHECKING:
    from gan_cli.data.store import Store

QUICK = "real samples, sweeps and nearest neighbours: --quick leaves them out"
MOST_DIFFERENCES = 100  # keys of recipes
Note = Callable[[str], None]


class Asked(NamedTuple):
    """A run to be reported."""

    folder: RunFolder
    where: str  # as it was asked for: a path or a URL
    name: str  # that tells it from the others


class Digest(NamedTuple):
    """A run as the page shows it, and its recipe."""

    run: RunPart
    tables: Mapping[str, Any]


def asked(paths: Sequence[Path], wheres: Sequence[str]) -> list[Asked]:
    """The runs, each with the shortest end of its path that no other has; raises InputError for one that is not there.

    `wheres`: how they were asked for.
    """
    for path, where in zip(paths, wheres, strict=True):
        if not path.is_dir():
            raise InputError(f"{where}: no such run")
    parts = [path.resolve().parts for path in paths]
    deepest = max(map(len, parts))
    names = ["/".join(own[-1:]) for own in parts]
    for depth in range(2, deepest + 1):
        names = [
            "/".join(own[-depth:]).removeprefix("//") if names.count(name) > 1 else name
            for own, name in zip(parts, names, strict=True)
        ]
    found = zip(paths, wheres, names, strict=True)
    return [Asked(RunFolder(path), where.rstrip("/") or "/", name) for path, where, name in found]


def collect(run: Asked, most_grids: int, store: "Store | None", note: Note) -> Digest:
    """Gather what there is of a run; raises InputError when it is none. Without a `store` no JAX is imported."""
    notes: list[str] = []
    own = Reader(run.folder, notes)
    log = series.read_log(run.folder.log)
    verdicts = judged.read_metrics(run.folder.metrics)
    pictures = blocks.read_grids(run.folder.path / "samples", verdicts.values, verdicts.headline, own.best, most_grids)
    seen = Seen(notes=(QUICK,))
    if store is not None:
        from gan_cli.report import model

        seen = model.look(own, store, note)
    last = max(log.last, verdicts.last, *own.metas, *(life.last for life in own.lives), 0)
    names = [curve.name for curve in verdicts.curves if lower_is_better(curve.name) is not None]
    curves = [*(_known(curve, names) for curve in verdicts.curves), *log.curves]
    return Digest(
        RunPart(
            name=run.name,
            state=_state(run.folder, own, last),
            facts=_facts(own, verdicts),
            curves=curves,
            events=log.events,
            best=own.best,
            protocol=verdicts.protocol,
            grids=pictures.shown,
            real=seen.real,
            real_text=seen.real_text,
            figures=seen.figures,
            notes=[*notes, *log.notes, *verdicts.notes, *pictures.notes, *seen.notes],
            recipe=own.recipe,
            commands=commands.commands(own, run.where, run.name.rpartition("/")[2], seen.grid),
        ),
        own.tables,
    )


def _known(curve: Curve, metrics: Collection[str]) -> Curve:
    """A metric's curve with which way is better, and whether it is but a further number of another metric."""
    part = curve.name not in metrics and any(curve.name.startswith(f"{name}-") for name in metrics if name)
    return curve._replace(lower_is_better=lower_is_better(curve.name), part=part)


def _state(folder: RunFolder, own: Reader, last: int) -> str:
    steps = own.whole("train", "steps")
    done = f"{last:,} of {steps:,} steps" if steps else f"{last:,} steps"
    if who := folder.trained_by():
        return f"{done}: being trained by {who}"
    life = own.lives[-1] if own.lives else None
    is_whole = life is None or (life.ended and not life.stopped_by)  # not in its last evaluation
    if steps and last >= steps and is_whole:
        return f"{done}: finished"
    if life and life.ended:
        return f"{done}: stopped by {life.stopped_by}" if life.stopped_by else f"{done}: ended early"
    return f"{done}: going on elsewhere, or cut short"


def _best(own: Reader, verdicts: Evaluations) -> str:
    step, values = own.best or 0, verdicts.values
    return f"step {step:,}" + (f", {verdicts.headline} {values[step]:.4g}" if step in values else "")


def _facts(own: Reader, verdicts: Evaluations) -> dict[str, str]:
    """What is said of every run, in the same order."""
    values, name = verdicts.values, verdicts.headline
    facts = {"Best checkpoint": _best(own, verdicts)} if own.best is not None else {}
    if values:
        facts[f"Last {name}"] = f"{values[max(values)]:.4g} at step {max(values):,}"
    facts |= _times(own)
    devices = "; ".join(dict.fromkeys(life.devices for life in own.lives if life.devices))
    facts |= {"Device": devices} if devices else {}
    data, game = own.tables.get("data"), own.setting("game", "play")
    facts |= {"Data": recipe.data_name(data)} if isinstance(data, Mapping) and "source" in data else {}
    facts |= {"Game": str(game)} if game else {}
    facts |= {"Seed": str(own.setting("run", "seed"))} if own.setting("run", "seed") is not None else {}
    facts |= {"Versions": ", ".join(f"{k} {v}" for k, v in own.versions.items())} if own.versions else {}
    return facts


def _times(own: Reader) -> dict[str, str]:
    """When, how long and how fast."""
    if not own.lives:
        return {"Time": "not noted: there is no times.jsonl"}
    lives = own.lives
    seconds = sum(life.seconds for life in lives)
    often = f" in {len(lives)} sessions" if len(lives) > 1 else ""
    facts = {"Time": f"{duration(seconds)}{often}, from {_clock(lives[0].began)} UTC"}
    rates = [life.rate for life in lives if life.rate is not None]
    if rates:
        rate, batch = rates[-1], own.whole("train", "batch")
        images = f", {rate * batch:,.0f} examples/s" if batch else ""
        facts["Throughput"] = f"{rate:,.4g} steps/s{images} (median between log lines)"
    return facts


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def differences(digests: Sequence[Digest]) -> list[tuple[str, list[str]]]:
    """The keys in which the recipes of several runs differ, with the value of each run."""
    tables = [recipe.decisive(digest.tables) for digest in digests]
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = [(key, [str(table.get(key, "—")) for table in tables]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1][:MOST_DIFFERENCES]
