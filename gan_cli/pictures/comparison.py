"""A comparison of recipes over seeds: the numbers of every run and what they come to, as CSV and Markdown."""

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
    """Seed -> value of a metric, for the runs of a recipe that have one."""
    return {r.seed: r.values[metric] for r in results if r.recipe == recipe and metric in r.values}


def write_csv(path: Path, results: Sequence[Result]) -> None:
    """Write a CSV file with a row for each run, whole or not at all."""
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
        rows: Any = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if tuple(rows.fieldnames or ())[: len(FIELDS)] != FIELDS:
            raise ValueError(f"its first line is not {','.join(FIELDS)},...")
        if not text.endswith("\n"):
            raise ValueError("its last line is cut short")
        results = []
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(
                    f"the row of {row['recipe']}, seed {row['seed']}, has not as many cells as the first line"
                )
            result = Result(
                recipe=row["recipe"],
                seed=int(row["seed"]),
                digest=row["digest"],
                steps=int(row["steps"]),
                seconds=float(row["seconds"]),
                diverged=int(row["diverged"]) if row["diverged"] else None,
                protocol=row["protocol"],
                values={name: float(cell) for name, cell in row.items() if name not in FIELDS and cell},
            )
            results.append(result)
        return results
    except (DamagedError, ValueError, csv.Error) as error:
        mend = "move it away, or name another folder with --out"
        raise InputError(f"{path}: not a table of results that gan compare wrote: {error}; {mend}") from None


def markdown(results: Sequence[Result]) -> str:
    """Three tables: mean ± standard error, median [range], and differences from the first recipe seed by seed."""
    names = metrics(results)
    first, *others = recipes(results)
    means, ranges, differences = [], [], []
    for recipe in recipes(results):
        runs = [r for r in results if r.recipe == recipe]
        lost = sum(r.diverged is not None for r in runs)
        count = f"{len(runs)}, {lost} diverged" if lost else f"{len(runs)}"
        seconds = figure(statistics.fmean(r.seconds for r in runs))
        found = [summarise(list(values(runs, recipe, name).values())) for name in names]
        means.append([recipe, count, *(_with_error(s) for s in found), seconds])
        spans = [f"{figure(s.median)} [{figure(s.low)}, {figure(s.high)}]" if s.n else "" for s in found]
        ranges.append([recipe, *spans])
        differences.append([recipe, *(_difference(results, first, recipe, name) for name in names)])
    sections = [
        "Mean ± standard error over seeds.",
        _table(["runs", *names, "seconds a run"], means),
        "Median [lowest, highest].",
        _table(names, ranges),
    ]
    if others:
        sections += [
            f"Difference from `{first}` with the same seed, mean ± standard error (seeds higher / equal / lower).",
            _table(names, differences[1:]),
        ]
    protocols = dict.fromkeys(r.protocol for r in results if r.protocol)
    return "\n\n".join([*sections, *(f"Protocol: {protocol}." for protocol in protocols)]) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; each row begins with a recipe."""
    cells = [[f"`{recipe}`", *others] for recipe, *others in rows]
    lines = [["recipe", *columns], ["---"] * (1 + len(columns)), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _difference(results: Sequence[Result], first: str, recipe: str, metric: str) -> str:
    """How a recipe differs from the first one, over the seeds that both have; empty: there are none."""
    base, own = values(results, first, metric), values(results, recipe, metric)
    pairs = [own[seed] - base[seed] for seed in base.keys() & own.keys()]
    signs = [sum(d > 0 for d in pairs), sum(d == 0 for d in pairs), sum(d < 0 for d in pairs)]
    return f"{_with_error(summarise(pairs))} ({' / '.join(map(str, signs))})" if pairs else ""


def _with_error(found: Summary) -> str:
    """The mean ± its standard error, as far as there are such."""
    if math.isnan(found.mean):
        return ""
    return figure(found.mean) if math.isnan(found.error) else f"{figure(found.mean)} ± {figure(found.error)}"
