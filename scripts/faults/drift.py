"""How far runs of one recipe drift apart that differ in nothing but the devices they ran on.

python scripts/faults/drift.py --steps 6000 --out docs/drift

Sums over a batch are rounded in another order when the batch is split over devices, and a training makes small
differences larger. So runs agree up to rounding at first, and after some thousands of steps they are different draws
from one distribution of runs. Samples of the same latents are compared with those of a run on one device.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import compare
import games
import numpy as np
import processes

from gan_cli import load

LOOKS = (20, 100, 300, 1000, 3000, 6000)  # steps at which samples are compared
N = 1000  # samples
LIMIT = 3600.0  # seconds of one run
EQUAL = "the states of all checkpoints are equal to the bit"


class Ran(NamedTuple):
    """How the recipe was run."""

    name: str
    processes: int = 1
    devices: int = 1  # of each process
    seed: int = 0


BASE = Ran("1 device")
RUNS = (
    Ran("1 device, again"),
    Ran("1 process with 2 devices", devices=2),
    Ran("2 processes with 1 device each", processes=2),
    Ran("1 device, another seed", seed=1),
)


def train(recipe: Path, scratch: Path, ran: Ran, steps: int) -> Path:
    """Train to the end; all checkpoints are kept."""
    folder = scratch / ran.name.replace(", ", "_").replace(" ", "_")
    settings = {"run.seed": ran.seed, "train.steps": steps, "run.keep_last": 1000, "run.checkpoint_every": LOOKS[0]}
    settings |= {"run.sample_every": 0, "eval.every": steps, "eval.n": N, "eval.n_real": 1797, "monitor.every": 0}
    began = time.monotonic()
    ended = processes.end(processes.begin(recipe, folder, ran.processes, ran.devices, settings), folder, began, LIMIT)
    if any(ended.codes):
        raise SystemExit(f"{ran.name}: exit codes {ended.codes}\n{ended.said}")
    print(f"{ran.name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return folder


def samples(folder: Path, step: int) -> np.ndarray:
    """The same latents through the averaged generator: grey levels 0 .. 255, [N, H, W, C]."""
    return load(folder, at=step).sample(N, seed=7).arrays.astype(np.float64)


def row(name: str, folder: Path, base: Path, steps: list[int]) -> str:
    """A line of the table: the largest and the mean difference at each step, and the metric at the end."""
    cells = []
    for step in steps:
        apart = np.abs(samples(folder, step) - samples(base, step))
        cells.append(f"{apart.max():.0f} ({apart.mean():.2g})")
    fid = processes.read(folder, "metrics.jsonl")[-1]["fid"]
    return f"| {name} | {' | '.join(cells)} | {fid:.3f} |"


def main() -> int:
    """Train all, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=LOOKS[-1])
    parser.add_argument("--scratch", type=Path, help="a folder that is kept")
    parser.add_argument("--out", type=Path, default=Path("build/faults/drift"), help="where the table goes: OUT.md")
    asked = parser.parse_args()
    scratch = asked.scratch or Path(tempfile.mkdtemp(prefix="drift-"))
    scratch.mkdir(parents=True, exist_ok=True)
    recipe = games.write("images", scratch)
    steps = [step for step in LOOKS if step <= asked.steps]
    base = train(recipe, scratch, BASE, asked.steps)
    lines = [f"| against 1 device, after | {' | '.join(f'{step:,}' for step in steps)} steps | FID at the end |"]
    lines += [f"|---|{'---|' * len(steps)}---|", row(BASE.name, base, base, steps)]
    folders = {ran.name: train(recipe, scratch, ran, asked.steps) for ran in RUNS}
    lines += [row(name, folder, base, steps) for name, folder in folders.items()]
    found = compare.checkpoints(*(folders[ran.name] for ran in RUNS[1:3]))
    states = [line for line in found if "history" not in line]  # its metrics are of statistics taken in another order
    lines += ["", f"2 processes against 1 with 2 devices: {'; '.join(states) or EQUAL}"]
    text = "\n".join(lines)
    print(text)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
