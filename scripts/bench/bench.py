"""`make bench`: ours beside PyTorch, alternately in one run. Medians of rounds, ratios, processor time and memory.

Writes Markdown tables to stdout and to the --out file with the suffix .md, and everything as JSON to --out.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from cases import KINDS, cases
from gpu import gpu_cases, why_not
from harness import Case, measure, table
from processes import FailedError
from starts import start_cases
from variants import tcmalloc

ROOT = Path(__file__).parents[2]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--case", action="append", metavar="NAME", help="only this case, or 'dcgan*'; repeatable")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--quick", action="store_true", help="two short rounds: does everything run?")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, in each of which every contender has its turn")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="the JSON file")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PATH",
        help="a further interpreter for ours, as one with another JAX; repeatable",
    )
    torch = os.environ.get("BENCH_TORCH", str(ROOT / ".venv-bench/bin/python"))
    parser.add_argument("--torch", default=torch, help="the interpreter that has PyTorch ($BENCH_TORCH)")
    return parser.parse_args()


def chosen(found: Iterable[Case], patterns: list[str] | None) -> list[Case]:
    """The cases that a pattern fits; all without patterns."""
    return [case for case in found if not patterns or any(fnmatch(case.name, pattern) for pattern in patterns)]


def by_pythons(case: Case, pythons: Mapping[str, str]) -> Case:
    """The case with what is ours run by these interpreters too, each by its name."""
    more = [
        each._replace(name=f"{each.name}, {name}", command=(python, *each.command[1:]))
        for name, python in pythons.items()
        for each in case.contenders
        if each.role == "ours"
    ]
    return case._replace(contenders=(*case.contenders, *more))


def machine(torch: str) -> dict[str, Any]:
    """What the numbers depend on besides the code."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "cpu": model[0].partition(":")[2].strip() if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),  # of 1, 5 and 15 minutes
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("jax", "jaxlib", "flax")},
        "torch": version(torch, "torch"),
    }


def version(python: str, package: str) -> str:
    """Of a package that an interpreter has; "": it has none."""
    return _said(python, "-c", f"import importlib.metadata as m; print(m.version('{package}'))")


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


class Results(NamedTuple):
    """What has been measured so far, and the files that hold it."""

    out: Path  # the JSON file; the tables are beside it
    about: dict[str, Any]
    rows: list[dict[str, Any]]
    skipped: list[str]
    failed: list[str]

    def write(self) -> None:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        measured = {"rows": self.rows, "skipped": self.skipped, "failed": self.failed}
        self.out.write_text(json.dumps({**self.about, **measured}, indent=1))
        self.out.with_suffix(".md").write_text(self.markdown())

    def markdown(self) -> str:
        """One table for each kind of case."""
        by_kind = {kind: [row for row in self.rows if row["kind"] == kind] for kind in KINDS}
        tables = [f"### {KINDS[kind]}\n{table(rows)}" for kind, rows in by_kind.items() if rows]
        head = ", ".join(f"{name} {value}" for name, value in self.about.items())
        return "\n\n".join([head, *tables, *self.skipped, *self.failed]) + "\n"


def run(wanted: list[Case], rounds: int, quick: bool, results: Results) -> None:
    """Measure the cases; the files are written after each, so that an end before the end loses nothing."""
    for number, case in enumerate(wanted, 1):
        print(f"{number}/{len(wanted)} {case.name}: {case.what}", file=sys.stderr, flush=True)
        try:
            load, failed = os.getloadavg()[0], len(results.failed)
            results.rows.extend({**row, "load": load} for row in measure(case, rounds, quick, results.failed))
            print(*results.failed[failed:], sep="\n", end="", file=sys.stderr)
        except FailedError as error:
            results.failed.append(f"{case.name}: {error}")
            print(results.failed[-1], file=sys.stderr)
        results.write()


def main() -> None:
    a = options()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    reason = why_not(a.torch)
    if without := [python for python in a.python if not version(python, "jax")]:
        sys.exit(f"--python {without[0]}: that interpreter has no JAX")
    pythons = {f"JAX {version(python, 'jax')}": python for python in a.python}
    found = cases(a.torch) + start_cases(a.torch) + gpu_cases(a.torch)
    wanted = [by_pythons(case, pythons) for case in chosen(found, a.case)]
    if a.list:
        print("\n".join(f"{case.name:24}{case.what}" for case in wanted))
        return
    if not wanted:
        sys.exit(f"--case {a.case}: no such case; valid: {', '.join(case.name for case in found)}")
    runnable = [case for case in wanted if case.kind != "gpu" or not reason]
    skipped = [f"{case.name} was skipped: {reason}" for case in wanted if case not in runnable]
    if not tcmalloc():
        skipped.append("No contender ran under tcmalloc: it is not installed (apt install libtcmalloc-minimal4)")
    rounds = 2 if a.quick else a.rounds
    results = Results(a.out, {**machine(a.torch), "rounds": rounds, "quick": a.quick}, [], skipped, [])
    results.write()
    run(runnable, rounds, a.quick, results)
    print(results.markdown())
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
