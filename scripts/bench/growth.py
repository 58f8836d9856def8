"""`make growth`: time and memory of a training step as batch, width, resolution, devices and data grow.

Each axis starts from DCGAN 32x32x1 at batch 64 and changes one thing. Its contenders take turns, as in bench.py. Writes
a JSON file and the figure docs/images/growth.png.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench import ROOT, machine
from cases import ours, settings
from harness import Case, measure
from processes import Contender, start

STEPS, MS = 10, 1e3


class Axis(NamedTuple):
    """What grows, how far, and who is at work with each value of it."""

    name: str
    values: tuple[int, ...]
    contender: Callable[[int], Contender]
    expected: str  # what a step's time is proportional to when all is well: "1", "x", "x²"


def dcgan(
    label: int, shape: str = "32x32x1", batch: int = 64, width: int = 32, examples: int = 10_000, devices: int = 1
) -> Contender:
    """A contender named by its value on the axis."""
    widths = settings(networks__generator__width=width, networks__discriminator__width=width)
    options = ("--noise", shape, "--examples", str(examples), *widths, *settings(train__batch=batch))
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return ours("ours_training.py", "--recipe", "dcgan_mnist", *options, name=str(label), env={"XLA_FLAGS": flags})


AXES = (
    Axis("batch", (8, 16, 32, 64, 128, 256, 512), lambda x: dcgan(x, batch=x), "x"),
    Axis("width", (8, 16, 32, 64, 128), lambda x: dcgan(x, width=x), "x²"),
    Axis("resolution", (16, 32, 64), lambda x: dcgan(x, shape=f"{x}x{x}x1", width=16), "x²"),
    Axis("virtual devices", (1, 2, 4, 8), lambda x: dcgan(x, devices=x), "1"),
    Axis("examples", (1_000, 10_000, 100_000, 1_000_000), lambda x: dcgan(x, examples=x), "1"),
)
POWERS = {"1": 0, "x": 1, "x²": 2}


def grow(axis: Axis, rounds: int) -> list[dict[str, Any]]:
    """A row for each value of an axis: milliseconds a step, MiB at the peak, seconds of the first call."""
    contenders = tuple(axis.contender(value) for value in axis.values)
    for contender in contenders:  # into the compilation cache: compiling takes more memory than the steps
        start(contender, scratch="").close()
    case = Case(axis.name, "growth", f"{axis.name} grows", "step", contenders, STEPS, scale=MS)
    rows = measure(case, rounds, quick=False)
    return [
        {
            "axis": axis.name,
            "value": value,
            "ms": row["median"],
            "min": row["min"],
            "max": row["max"],
            "mib": row["memory"],
        }
        for value, row in zip(axis.values, rows, strict=True)
    ]


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """A column an axis: time above, logarithmic, memory below; dashed: growth as expected from the middle."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    axes = [axis for axis in AXES if any(row["axis"] == axis.name for row in rows)]
    figure, grid = plt.subplots(2, len(axes), figsize=(3.1 * len(axes), 5.6), squeeze=False, layout="constrained")
    for axis, (time, memory) in zip(axes, grid.T, strict=True):
        mine = [row for row in rows if row["axis"] == axis.name]
        x, ms = [row["value"] for row in mine], [row["ms"] for row in mine]
        spread = [[row["ms"] - row["min"] for row in mine], [row["max"] - row["ms"] for row in mine]]
        time.errorbar(x, ms, yerr=spread, marker="o", color="tab:blue", capsize=3)
        middle = len(x) // 2
        expected = [ms[middle] * (value / x[middle]) ** POWERS[axis.expected] for value in x]
        time.plot(x, expected, linestyle="--", color="grey", label=f"∝ {axis.expected}")
        memory.plot(x, [row["mib"] for row in mine], marker="o", color="tab:orange")
        time.set_title(axis.name)
        time.legend(frameon=False)
        time.set_yscale("log")
        memory.set_ylim(0, 1.1 * max(row["mib"] for row in mine))
        for plot in (time, memory):
            plot.set_xscale("log")
            plot.set_xticks(x, [f"{value:,}" for value in x], rotation=45)
            plot.minorticks_off()
            plot.grid(alpha=0.3)
    grid[0][0].set_ylabel("ms a step")
    grid[1][0].set_ylabel("peak MiB")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--axis", action="append", choices=[axis.name for axis in AXES], help="repeatable; all if absent"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("build/growth.json"))
    parser.add_argument("--figure", type=Path, default=ROOT / "docs/images/growth.png")
    a = parser.parse_args()

    rows: list[dict[str, Any]] = []
    a.out.parent.mkdir(parents=True, exist_ok=True)
    for axis in AXES:
        if a.axis and axis.name not in a.axis:
            continue
        rows += grow(axis, a.rounds)
        for row in rows[-len(axis.values) :]:
            spread = f"({row['min']:.4g} to {row['max']:.4g})"
            print(f"| {row['axis']} | {row['value']:,} | {row['ms']:.4g} {spread} | {row['mib']:.0f} |", flush=True)
        a.out.write_text(json.dumps({**machine(sys.executable), "rounds": a.rounds, "rows": rows}, indent=1))
        draw(rows, a.figure)


if __name__ == "__main__":
    main()
