"""A run's digest, of what its folder holds and, where that is wanted, of its model and its data."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gan_cli import recipe
from gan_cli.errors import InputError
from gan_cli.names import lower_is_better
from gan_cli.report.commands import commands
from gan_cli.report.curves import Evaluations, read_log, read_metrics
from gan_cli.report.page_parts import FromModel, RunPart
from gan_cli.report.sample_grids import read_grids
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
    """Gather what there is of a run; raises InputError when it is none. Without a `store` no JAX is imported.

    `most_grids`: of its sample grids; `store`: where its data are, None to leave out what takes data or model.
    """
    notes: list[str] = []
    own = Reader(run.folder, notes)
    log, verdicts = read_log(run.folder.log), read_metrics(run.folder.metrics)
    samples = run.folder.path / "samples"
    grids, grid_notes = read_grids(samples, verdicts.values, verdicts.headline, own.best, most_grids)
    drawn = FromModel(notes=(QUICK,))
    if store is not None:
        from gan_cli.report.figures import draw_from_model

        drawn = draw_from_model(own, store, note)
    metrics = [curve.name for curve in verdicts.curves if lower_is_better(curve.name) is not None]
    curves = []
    for curve in verdicts.curves:
        # whether it is but a further number of another metric
        part = curve.name not in metrics and any(curve.name.startswith(f"{name}-") for name in metrics if name)
        curves.append(curve._replace(lower_is_better=lower_is_better(curve.name), part=part))
    last = max(log.last, verdicts.last, *own.metas, *(life.last for life in own.lives), 0)
    page = RunPart(
        name=run.name,
        state=_state(run.folder, own, last),
        facts=_facts(own, verdicts),
        curves=[*curves, *log.curves],
        events=log.events,
        best=own.best,
        protocol=verdicts.protocol,
        grids=grids,
        real=drawn.real,
        real_text=drawn.real_text,
        figures=drawn.figures,
        notes=[*notes, *log.notes, *verdicts.notes, *grid_notes, *drawn.notes],
        recipe=own.recipe,
        commands=commands(own, run.where, run.name.rpartition("/")[2], drawn.grid, draws=drawn.draws),
    )
    return Digest(page, own.tables)


def _state(folder: RunFolder, own: Reader, last: int) -> str:
    """How far the training is, and whether it goes on: "5,000 of 5,000 steps: finished"."""
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


def _facts(own: Reader, verdicts: Evaluations) -> dict[str, str]:
    """The page's table: the same keys in the same order for every run, without those that are not known."""
    values, metric, lives, facts = verdicts.values, verdicts.headline, own.lives, {}
    if own.best is not None:
        value = f", {metric} {values[own.best]:.4g}" if own.best in values else ""
        facts["Best checkpoint"] = f"step {own.best:,}{value}"
    if values:
        facts[f"Last {metric}"] = f"{values[max(values)]:.4g} at step {max(values):,}"
    facts["Time"] = "not noted: there is no times.jsonl"
    if lives:
        often = f" in {len(lives)} sessions" if len(lives) > 1 else ""
        began = time.strftime("%Y-%m-%d %H:%M", time.gmtime(lives[0].began))
        facts["Time"] = f"{duration(sum(life.seconds for life in lives))}{often}, from {began} UTC"
    if rates := [life.rate for life in lives if life.rate is not None]:
        batch = own.whole("train", "batch")
        images = f", {rates[-1] * batch:,.0f} examples/s" if batch else ""
        facts["Throughput"] = f"{rates[-1]:,.4g} steps/s{images} (median between log lines)"
    if devices := dict.fromkeys(life.devices for life in lives if life.devices):
        facts["Device"] = "; ".join(devices)
    data, game, seed = own.tables.get("data"), own.setting("game", "play"), own.setting("run", "seed")
    if isinstance(data, Mapping) and recipe.data_name(data):
        facts["Data"] = recipe.data_name(data)
    if game:
        facts["Game"] = str(game)
    if seed is not None:
        facts["Seed"] = str(seed)
    if own.versions:
        facts["Versions"] = ", ".join(f"{package} {version}" for package, version in own.versions.items())
    return facts


def differences(digests: Sequence[Digest]) -> list[tuple[str, list[str]]]:
    """The keys in which the recipes of several runs differ, with the value of each run."""
    tables = [recipe.decisive(digest.tables) for digest in digests]
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = [(key, [str(table.get(key, "—")) for table in tables]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1][:MOST_DIFFERENCES]
