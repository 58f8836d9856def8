"""A comparison of recipes over seeds: the numbers of every run and what they come to, as CSV, Markdown and a plot."""

import csv
import io
import math
import os
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli import door
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import atomic
from gan_cli.text import figure


class Result(NamedTuple):
    """One run."""

    recipe: str
    seed: int
    digest: str  # of everything that decides the numbers
    steps: int
    seconds: float  # of training: the time of all seeds trained together divided by their number
    diverged: int | None  # number of steps after which a number was no longer finite
    protocol: str  # how the values were taken; empty when there are none
    values: dict[str, float]  # of the metrics; empty when it diverged


class Summary(NamedTuple):
    """A number over the seeds of a recipe."""

    n: int
    mean: float
    error: float  # standard error of the mean; nan for a single seed
    median: float
    low: float
    high: float


FIELDS = ("recipe", "seed", "digest", "steps", "seconds", "diverged", "protocol")


def summarise(values: Sequence[float]) -> Summary:
    """Mean and standard error, median and range; all nan when there are no values."""
    if not values:
        return Summary(0, *[math.nan] * 5)
    spread = len(values) > 1 and all(map(math.isfinite, values))
    error = statistics.stdev(values) / math.sqrt(len(values)) if spread else math.nan
    mean = sum(values) / len(values)
    return Summary(len(values), mean, error, statistics.median(values), min(values), max(values))


def metrics(results: Iterable[Result]) -> list[str]:
    """The names of the metrics' values, in the order in which they first come up."""
    return list(dict.fromkeys(name for result in results for name in result.values))


def recipes(results: Iterable[Result]) -> list[str]:
    """The names of the recipes, in the order in which they first come up."""
    return list(dict.fromkeys(result.recipe for result in results))


def values(results: Iterable[Result], recipe: str, metric: str) -> dict[int, float]:
    """Seed -> value, of the runs that have one."""
    return {r.seed: r.values[metric] for r in results if r.recipe == recipe and metric in r.values}


def write_csv(path: Path, results: Sequence[Result]) -> None:
    """One row a run, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIELDS, *metrics(results)], lineterminator="\n")
    writer.writeheader()
    for result in results:
        row: dict[str, Any] = {name: getattr(result, name) for name in FIELDS}
        writer.writerow({**row, "seconds": f"{result.seconds:.3f}", **result.values})
    with atomic(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def read_csv(path: Path) -> list[Result]:
    """The runs of a file that `write_csv` wrote; none when there is no such file. Raises InputError for any other."""
    if not os.path.lexists(path):
        return []
    try:
        text = door.read_text(path)
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if tuple(rows.fieldnames or ())[: len(FIELDS)] != FIELDS:
            raise ValueError(f"its first line is not {','.join(FIELDS)},...")
        if not text.endswith("\n"):
            raise ValueError("its last line is cut short")
        return [_result(row) for row in rows]
    except (DamagedError, ValueError, csv.Error) as error:
        mend = "move it away, or name another folder with --out"
        raise InputError(f"{path}: not a table of results that gan compare wrote: {error}; {mend}") from None


def _result(row: dict[Any, Any]) -> Result:
    if None in row or None in row.values():
        raise ValueError(f"the row of {row['recipe']}, seed {row['seed']}, has not as many cells as the first line")
    found = {name: float(text) for name, text in row.items() if name not in FIELDS and text}
    return Result(
        recipe=row["recipe"],
        seed=int(row["seed"]),
        digest=row["digest"],
        steps=int(row["steps"]),
        seconds=float(row["seconds"]),
        diverged=int(row["diverged"]) if row["diverged"] else None,
        protocol=row["protocol"],
        values=found,
    )


def markdown(results: Sequence[Result]) -> str:
    """Three tables: mean ± standard error, median [range], and differences from the first recipe seed by seed."""
    names = metrics(results)
    sections = [
        "Mean ± standard error over seeds.",
        _table(results, ["runs", *names, "seconds a run"], _means),
        "Median [lowest, highest].",
        _table(results, names, _ranges),
    ]
    first, *others = recipes(results)
    if others:
        sections += [
            f"Difference from `{first}` with the same seed, mean ± standard error (seeds higher / equal / lower).",
            _table([r for r in results if r.recipe != first], names, lambda *a: _differences(first, results, *a)),
        ]
    protocols = dict.fromkeys(r.protocol for r in results if r.protocol)
    return "\n\n".join([*sections, *(f"Protocol: {protocol}." for protocol in protocols)]) + "\n"


def _table(results: Sequence[Result], columns: Sequence[str], cells: Any) -> str:
    rows = [[f"`{name}`", *cells(results, name, columns)] for name in recipes(results)]
    lines = [["recipe", *columns], ["---"] * (1 + len(columns)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _means(results: Sequence[Result], recipe: str, columns: Sequence[str]) -> list[str]:
    runs = [r for r in results if r.recipe == recipe]
    lost = sum(r.diverged is not None for r in runs)
    count = f"{len(runs)}, {lost} diverged" if lost else f"{len(runs)}"
    seconds = figure(statistics.fmean(r.seconds for r in runs))
    found = (summarise(list(values(runs, recipe, name).values())) for name in columns[1:-1])
    return [count, *(_with_error(s.mean, s.error) for s in found), seconds]


def _ranges(results: Sequence[Result], recipe: str, columns: Sequence[str]) -> list[str]:
    found = (summarise(list(values(results, recipe, name).values())) for name in columns)
    return [f"{figure(s.median)} [{figure(s.low)}, {figure(s.high)}]" if s.n else "" for s in found]


def _differences(
    first: str, every: Sequence[Result], _: Sequence[Result], recipe: str, columns: Sequence[str]
) -> list[str]:
    cells = []
    for name in columns:
        base, own = values(every, first, name), values(every, recipe, name)
        pairs = [own[seed] - base[seed] for seed in base.keys() & own.keys()]
        summary = summarise(pairs)
        signs = [sum(d > 0 for d in pairs), sum(d == 0 for d in pairs), sum(d < 0 for d in pairs)]
        cells.append(f"{_with_error(summary.mean, summary.error)} ({' / '.join(map(str, signs))})" if pairs else "")
    return cells


def _with_error(mean: float, error: float) -> str:
    if math.isnan(mean):
        return ""
    return figure(mean) if math.isnan(error) else f"{figure(mean)} ± {figure(error)}"


def plot(path: Path, results: Sequence[Result]) -> None:
    """A panel a metric: every run a dot, the mean with its standard error a bar."""
    from matplotlib.figure import Figure  # takes half a second to import

    names, labels = metrics(results) or ["no run has a value"], recipes(results)
    figure = Figure(figsize=(1.5 + 2.6 * len(names), 1.0 + 0.32 * len(labels)), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        for row, label in enumerate(labels):
            found = list(values(results, label, name).values())
            summary = summarise(found)
            axes.plot(found, [row] * len(found), "o", color="tab:blue", alpha=0.35, markersize=4, markeredgewidth=0)
            if summary.n:
                axes.errorbar(summary.mean, row, xerr=summary.error, fmt="|", color="black", capsize=3, markersize=10)
        axes.set_title(name, fontsize="medium")
        axes.set_yticks(range(len(labels)), labels)
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
    axes.invert_yaxis()  # shared: the first recipe on top
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
