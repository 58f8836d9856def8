"""Ours: steps inside `gan train`, with its log, progress bar, samples and checkpoints.

It answers a line "N" with the seconds of steps N to 2 N of a run of 2 N steps: they hold what is due at step N (a grid
of samples, a checkpoint) and neither start nor end. Run it with FORCE_COLOR=1, and the bar is drawn as on a terminal.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from ours_training import prepare
from worker import say

from gan_cli.cli.console import Reporter
from gan_cli.data.store import Store
from gan_cli.engine import platform
from gan_cli.training.train import train


class Clock(Reporter):
    """The progress that a person sees, and when the numbers of each step arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: dict[int, float] = {}

    def progress(self, step: int, means: dict[str, float]) -> None:
        self.arrived[step] = time.perf_counter()
        super().progress(step, means)


def seconds(recipe: str, shape: str, overrides: list[str], n: int) -> float:
    """Of steps n to 2 n."""
    cadence = {"train.steps": 2 * n, "run.sample_every": n, "run.checkpoint_every": n, "run.log_every": 100}
    prepared = prepare(recipe, [*overrides, *(f"{key}={value}" for key, value in cadence.items())], shape)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        train(prepared, Path(folder) / "run", Store.from_environment(), clock)
    clock.close()
    return clock.arrived[2 * n] - clock.arrived[n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--noise", default="", help="random images of this shape, 32x32x1, instead of its data")
    parser.add_argument("--set", action="append", default=[])
    a = parser.parse_args()

    platform.start()
    say(ready=True)
    for line in sys.stdin:
        say(seconds=seconds(a.recipe, a.noise, ["eval.every=0", *a.set], int(line)))


if __name__ == "__main__":
    main()
