"""`gan runs` and `gan inspect`: what runs there are, and what one of them holds."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import At, Json, notice, result, start_jax
from gan_cli.errors import InputError

if TYPE_CHECKING:
    from gan_cli.runs.listing import RunSummary

OTHERS, METRIC = 85, 16  # columns of the table that all but the metrics take, and that each metric takes


def runs(
    folder: Annotated[str, typer.Argument(help="Where to look for runs, at any depth.")] = "runs",
    sort: Annotated[
        str,
        typer.Option(
            metavar="KEY",
            help="A metric, the better first; or name, recipe, step or time (the newest).",
            autocompletion=completion.sort_key,
        ),
    ] = "name",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    as_json: Json = False,
) -> None:
    """List the runs below a folder: how far they are, what their metrics say, what the monitor saw."""
    from gan_cli.names import canonical_metric
    from gan_cli.remote.place import is_url
    from gan_cli.runs.listing import ordered, survey

    if is_url(folder):
        raise InputError(f"{folder}: runs are listed in a folder of this machine; gan inspect reads one at a URL")
    found = survey(Path(folder), notice)
    sort = sort if any(sort in run.metrics for run in found) else canonical_metric(sort)
    found = ordered(found, sort, reverse=reverse)
    rows = [
        {**run._asdict(), "metrics": {name: value._asdict() for name, value in run.metrics.items()}} for run in found
    ]
    result({"folder": folder, "runs": rows}, _table(found, folder, sort), as_json)


def _table(found: list["RunSummary"], folder: str, sort: str) -> str:
    """Return the table of runs; as many metrics as there is room for, those that most runs have first."""
    from gan_cli.text import columns, duration, number, table

    if not found:
        return f"no runs in {folder}; gan train RECIPE makes one"
    counts = Counter(name for run in found for name in run.metrics)
    most = max(1, (columns() - OTHERS) // METRIC)
    ranked = sorted(counts, key=lambda name: (name != sort, -counts[name], name))
    shown, left = ranked[:most], ranked[most:]
    rows = []
    for run in found:
        of = f"{run.step:,}" if run.state == "finished" else f"{run.step:,} of {run.steps:,}"
        values = []
        for value in map(run.metrics.get, shown):  # the best, and the last where that is another
            last = f" ({number(value.last)})" if value and value.last != value.best else ""
            values.append(f"{number(value.best)}{last}" if value else "-")
        now = ", ".join(alarm.partition(":")[0] for alarm in run.alarms)
        alarms = [
            f"{run.alarmed} of {run.looks}" if run.alarmed else "",
            f"now {now}" if now else "",
            f"{run.rollbacks} rollbacks" if run.rollbacks else "",
        ]
        told = "; ".join(filter(None, alarms)) or "-"
        ago = duration(max(0.0, time.time() - run.written))
        rows.append((run.name, f"{run.game}, {run.data}", f"{of} {run.state}", *values, told, ago))
    heads = ("run", "game, data", ">steps", *(f">{name}\n(last)" for name in shown), "alarms", ">written\nago")
    text = table(heads, rows, width=columns())
    return f"{text}\nno room for {', '.join(left)}; --json has all" if left else text


def inspect(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run, or one of its checkpoints, RUN/checkpoints/STEP; also a URL.",
            autocompletion=completion.run,
        ),
    ],
    at: At = "best",
    as_json: Json = False,
) -> None:
    """Say what a run holds: its networks layer by layer, optimisers, steps, metrics. Needs no data set.

    Multiply-adds are those of one example on its way forward, of matrix products and convolutions (docs/looking.md).
    """
    from gan_cli.remote.fetch import fetched_run

    path = fetched_run(run, notice)
    start_jax()
    from gan_cli.inspection import checkpoint, text

    found = checkpoint.find_checkpoint(path, at)
    report = checkpoint.report(found)
    result(report, text.of_checkpoint(report), as_json)
