"""`gan runs`."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import Json, notice, result
from gan_cli.errors import InputError

if TYPE_CHECKING:
    from gan_cli.runs.listing import RunSummary

OTHERS, METRIC = 85, 16  # columns of text that all but the metrics take, and that one of them does; --json has all


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
    result({"folder": folder, "runs": [run.plain() for run in found]}, _table(found, folder, sort), as_json)


def _table(found: list["RunSummary"], folder: str, sort: str) -> str:
    from gan_cli.text import columns, duration, table

    if not found:
        return f"no runs in {folder}; gan train RECIPE makes one"
    counts = Counter(name for run in found for name in run.metrics)
    most = max(1, (columns() - OTHERS) // METRIC)
    ranked = sorted(counts, key=lambda name: (name != sort, -counts[name], name))
    shown, left = ranked[:most], ranked[most:]
    rows = [
        (
            run.name,
            f"{run.game}, {run.data}",
            _state(run),
            *(_value(run, name) for name in shown),
            _alarms(run),
            duration(max(0.0, time.time() - run.written)),
        )
        for run in found
    ]
    heads = ("run", "game, data", ">steps", *(f">{name}\n(last)" for name in shown), "alarms", ">written\nago")
    text = table(heads, rows, width=columns())
    return f"{text}\nno room for {', '.join(left)}; --json has all" if left else text


def _state(run: "RunSummary") -> str:
    """How far it is."""
    of = f"{run.step:,}" if run.state == "finished" else f"{run.step:,} of {run.steps:,}"
    return f"{of} {run.state}"


def _value(run: "RunSummary", name: str) -> str:
    """The best of a metric, and its last where that is another."""
    from gan_cli.text import number

    value = run.metrics.get(name)
    if value is None:
        return "-"
    return number(value.best) + (f" ({number(value.last)})" if value.last != value.best else "")


def _alarms(run: "RunSummary") -> str:
    """How often the monitor raised an alarm, and what is wrong now."""
    now = ", ".join(alarm.partition(":")[0] for alarm in run.alarms)
    times = f"{run.alarmed} of {run.looks}" if run.alarmed else ""
    rolled = f"{run.rollbacks} rollbacks" if run.rollbacks else ""
    return "; ".join(filter(None, (times, now and f"now {now}", rolled))) or "-"
