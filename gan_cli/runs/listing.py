"""All runs below a folder at a glance: read from recipes and logs, without JAX and without opening a checkpoint."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gan_cli import recipe
from gan_cli.binding import nearest
from gan_cli.errors import InputError
from gan_cli.names import lower_is_better
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.reader import Reader, Value

DEPTH = 6  # levels of folders that are searched
MOST_FOLDERS = 20_000  # folders that are searched
KEYS = ("name", "recipe", "step", "time")  # sort keys besides metrics
Note = Callable[[str], None]


class RunSummary(NamedTuple):
    """A run at a glance."""

    name: str  # its path below the folder that was searched
    path: Path
    title: str  # the first line of its recipe
    game: str
    loss: str
    data: str  # the source, and the name of its folder or file
    step: int  # the last step of the checkpoints and the log
    steps: int  # the steps that the recipe asks for
    state: str  # "training", "finished" or "unfinished"
    trained_by: str  # process and host that train it now; empty if none does
    metrics: Mapping[str, Value]
    headline: str  # the metric that chooses its best checkpoint
    looks: int  # how often the monitor looked
    alarmed: int  # at how many of these looks something was wrong
    alarms: tuple[str, ...]  # what was wrong at the last look
    rollbacks: int
    written: float  # when something was last written, seconds since 1970


def survey(folder: Path, note: Note) -> list[RunSummary]:
    """Summarise the runs at and below a folder, sorted by name; damaged ones are left out, and `note` is told.

    Raises InputError when there is no such folder.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}; name the one that holds your runs, as gan train --out RUN made them")
    runs = []
    for path in _run_folders(folder, note):
        try:
            runs.append(_summary(RunFolder(path), str(path.relative_to(folder)) if path != folder else path.name))
        except (InputError, OSError) as error:
            note(f"{path} is left out: {getattr(error, 'strerror', None) or error}")
    return sorted(runs, key=lambda run: run.name)


def _run_folders(folder: Path, note: Note) -> Iterator[Path]:
    """Yield the run folders at and below a folder; links and the folders within runs are not searched."""
    waiting, seen = [(folder, 0)], 0
    while waiting:
        here, depth = waiting.pop()
        seen += 1
        if seen > MOST_FOLDERS:
            note(f"{folder}: more than {MOST_FOLDERS:,} folders; the rest is left out. Name a folder further down")
            return
        try:
            entries = list(os.scandir(here))
        except OSError as error:
            note(f"{here} is left out: {error.strerror}")
            continue
        names = {entry.name for entry in entries}
        if names & {"checkpoints", "log.jsonl"} and names & {"recipe.toml", "checkpoints"}:
            yield here
        elif depth < DEPTH:
            below = [e for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
            waiting += [(Path(entry.path), depth + 1) for entry in below]


def _summary(folder: RunFolder, name: str) -> RunSummary:
    """Summarise a run; raises InputError or OSError when its recipe or logs cannot be read."""
    own, where = Reader(folder), str(folder.recipe)
    tables = recipe.read_tables(folder.recipe)
    recipe.check_tables(tables, where)
    steps = recipe.check_fixed({"train": tables.get("train", {})}, where)["train"]["steps"]
    game = tables.get("game", {})
    loss = game.get("loss", "")
    step = max([own.log.step, *own.steps])
    is_whole = max(own.steps, default=step) >= steps  # the log ends before the last evaluation and checkpoint
    by = folder.trained_by()
    return RunSummary(
        name=name,
        path=folder.path,
        title=own.title,
        game=str(game.get("play", "")),
        loss=str(loss.get("name", "") if isinstance(loss, dict) else loss),
        data=recipe.data_name(tables.get("data", {})),
        step=step,
        steps=steps,
        state="training" if by is not None else "finished" if is_whole else "unfinished",
        trained_by=by or "",
        metrics=own.metrics,
        headline=next(iter(own.metrics), ""),
        looks=own.log.looks,
        alarmed=own.log.alarmed,
        alarms=own.log.alarms,
        rollbacks=own.log.rollbacks,
        written=own.written,
    )


def ordered(runs: Sequence[RunSummary], key: str, *, reverse: bool = False) -> list[RunSummary]:
    """Sort runs by a key of KEYS or by a metric: the best, the furthest, the newest first; those without it last.

    Raises InputError for any other key.
    """
    metrics = {name for run in runs for name in run.metrics}
    if key in ("name", "recipe"):
        found = sorted(runs, key=lambda run: (run.name if key == "name" else run.title, run.name))
        return found[::-1] if reverse else found
    if key in ("step", "time"):
        return sorted(runs, key=lambda run: run.step if key == "step" else run.written, reverse=not reverse)
    if key not in metrics:
        if lower_is_better(key) is None or key.startswith("_"):
            raise InputError(
                f"--sort {key}: neither a metric of these runs nor a column{nearest(key, {*metrics, *KEYS})}"
            )
        return list(runs)  # a metric that no run has
    with_it = [run for run in runs if key in run.metrics]
    sign = -1 if lower_is_better(key) else 1
    best_first = sorted(with_it, key=lambda run: sign * run.metrics[key].best, reverse=not reverse)
    return [*best_first, *(run for run in runs if key not in run.metrics)]
