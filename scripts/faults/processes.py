"""Jobs of several real processes: their agreement with one process, and what is left when one of them is killed.

python scripts/faults/processes.py --kills 20 --out docs/processes
"""

import argparse
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import compare
import games
import numpy as np
from life import GAN, TRAINING, environment, size, until
from table import Row, report

from gan_cli.runs.load import load_run

STEPS = 400
DESCENT = '{ name = "sgd", learning_rate = 5e-2 }'  # Adam would divide rounding by rounding where gradients are small
SETTINGS = {  # of the game `images`: smaller, batch norm in both networks, checkpoints and log lines often
    "data.size": 8,
    "networks.discriminator.norm": "batch",
    "optimisers.generator": DESCENT,
    "optimisers.discriminator": DESCENT,
    "train.steps": STEPS,
    "train.steps_per_call": 5,
    "run.log_every": 10,
    "run.checkpoint_every": 20,
    "eval.every": 100,
    "eval.n": 200,
    "monitor.every": 100,
    "monitor.n": 50,
}
GONE = 75  # exit code of a process whose job was stopped from outside
LIMIT = 600.0  # seconds until a process that does not end counts as hanging
FLAGS = "--xla_backend_optimization_level=0"  # compiled quickly: on few cores the starts take most of the time


class Ended(NamedTuple):
    """How the processes of one life ended."""

    codes: tuple[int, ...]
    seconds: float  # from the blow to the last end
    said: str  # stderr of all


def begin(
    recipe: Path, folder: Path, count: int, devices: int = 1, settings: Mapping[str, object] = SETTINGS
) -> list[subprocess.Popen]:
    """Start a job of `count` processes with so many virtual devices each."""
    sets = tuple(part for key, value in settings.items() for part in ("--set", f"{key}={value}"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    env = environment(XLA_FLAGS=f"{FLAGS} --xla_force_host_platform_device_count={devices}")
    started = []
    for i in range(count):
        job = ("--coordinator", place, "--num-processes", str(count), "--process-id", str(i)) if count > 1 else ()
        with said(folder, i).open("wb") as file:
            command = (*GAN, "train", str(recipe), "--out", str(folder), *sets, *job)
            started.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=env))
    return started


def said(folder: Path, process: int) -> Path:
    """Where a process writes what it says."""
    return folder.with_name(f"{folder.name}.{process}.said")


def end(started: Sequence[subprocess.Popen], folder: Path, began: float, limit: float = LIMIT) -> Ended:
    """Wait until all have ended."""
    codes = tuple(process.wait(limit) for process in started)
    seconds = time.monotonic() - began
    return Ended(codes, seconds, "\n".join(said(folder, i).read_text(errors="replace") for i in range(len(started))))


def strike(recipe: Path, folder: Path, count: int, victim: int, number: int, wait: float) -> Ended | None:
    """One life: a signal to one process, `wait` seconds after a new log line; None when the job ended before."""
    started = begin(recipe, folder, count)
    try:
        until(started[victim], lambda: TRAINING in said(folder, 0).read_text(errors="replace"))
        before = size(folder / "log.jsonl")
        until(started[victim], lambda: size(folder / "log.jsonl") != before)
        time.sleep(wait)
        if started[victim].poll() is not None:
            end(started, folder, time.monotonic())
            return None
        started[victim].send_signal(number)
        return end(started, folder, time.monotonic())
    finally:
        for process in started:
            process.kill()


def agreement(recipe: Path, scratch: Path, note) -> tuple[Path, list[str]]:
    """Whole runs of 1, 2 and 4 processes and of 2 with two devices each: a line of differences for each."""
    whole = scratch / "one"
    lines = []
    for name, count, devices in (("one", 1, 1), ("two", 2, 1), ("four", 4, 1), ("two_by_two", 2, 2), ("again", 2, 1)):
        folder = scratch / name
        ended = end(begin(recipe, folder, count, devices), folder, time.monotonic())
        if any(ended.codes):
            raise SystemExit(f"{name}: exit codes {ended.codes}\n{ended.said}")
        against = scratch / ("two" if name == "again" else "one")
        loss, weight, fid = differs(folder, against)
        lines.append(f"{count} processes x {devices} devices against {against.name}: losses {loss:.1e}, "
                     f"weights {weight:.1e}, fid {fid:.1e} (largest relative, weights absolute)")  # fmt: skip
        note(lines[-1])
    return whole, lines[1:]


def differs(one: Path, other: Path) -> tuple[float, float, float]:
    """The largest relative difference of losses, the largest of weights, the largest relative of the metric."""
    logs = [[line for line in read(run, "log.jsonl") if "generator/loss" in line] for run in (one, other)]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]] == list(range(10, STEPS + 1, 10))
    losses = [np.array([[line[k] for k in line if k.endswith("/loss")] for line in log]) for log in logs]
    fids = [np.array([line["fid"] for line in read(run, "metrics.jsonl")]) for run in (one, other)]
    pairs = zip(compare.leaves(load_run(one, "latest")), compare.leaves(load_run(other, "latest")), strict=True)
    weights = max((float(np.abs(x - y).max()) for (name, x), (_, y) in pairs if "variables" in name), default=0.0)
    return _relative(*losses), weights, _relative(*fids)


def read(run: Path, name: str) -> list[dict]:
    """The JSON lines of a run."""
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def _relative(x: np.ndarray, y: np.ndarray) -> float:
    return float((np.abs(x - y) / np.abs(y)).max())


def struck(recipe: Path, scratch: Path, whole: Path, tries: int, number: int, seed: int, note) -> Row:
    """A run whose job loses a process in each of its lives, which have 2 or 4 processes, or 1 at the end."""
    rng = random.Random(seed)
    name = signal.Signals(number).name
    lost: list[str] = []
    slowest, codes, done, runs = 0.0, {}, 0, 0
    while done < tries:
        folder = scratch / f"{name}_{runs}"
        runs += 1
        shutil.rmtree(folder, ignore_errors=True)
        ended: Ended | None = Ended((), 0.0, "")
        while ended is not None and done < tries:
            count = rng.choice((2, 2, 4))
            victim = rng.randrange(count)
            ended = strike(recipe, folder, count, victim, number, rng.expovariate(2.0))
            lost += compare.unreadable(folder)
            if ended is None:
                continue
            done += 1
            slowest = max(slowest, ended.seconds)
            for i, code in enumerate(ended.codes):
                if number == signal.SIGTERM or i != victim:
                    codes[code] = codes.get(code, 0) + 1
                    wanted = (GONE,) if number == signal.SIGTERM else (GONE, -signal.SIGABRT)
                    lost += [] if code in wanted else [f"process {i} of {count} ended with {code}: {ended.said[-500:]}"]
            note(f"{name} {done}: {count} processes, victim {victim}: {ended.codes} in {ended.seconds:.1f} s")
        last = end(begin(recipe, folder, 1), folder, time.monotonic())
        lost += (
            []
            if last.codes == (0,)
            else [f"the last life, of one process, ended with {last.codes}: {last.said[-500:]}"]
        )
        loss, weight, _ = differs(folder, whole)
        note(f"run {runs} ended: losses differ by {loss:.1e}, weights by {weight:.1e} from one process undisturbed")
        lost += [] if number == signal.SIGTERM or loss < 1e-3 else [f"losses differ by {loss:.1e}"]
    remark = f"last end {slowest:.1f} s after the signal at most; exit codes {codes}; {runs} runs, each to its end"
    return Row(f"{name} to one process of 2 or 4", tries, tries - min(tries, len(lost)), tuple(lost), remark)


def main() -> int:
    """Try all, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="lives in which a process gets SIGKILL")
    parser.add_argument("--stops", type=int, default=6, help="lives in which a process gets SIGTERM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="a folder that is kept")
    parser.add_argument(
        "--out", type=Path, default=Path("build/faults/processes"), help="where the table goes: OUT.md and OUT.json"
    )
    asked = parser.parse_args()
    scratch = asked.scratch or Path(tempfile.mkdtemp(prefix="processes-"))
    scratch.mkdir(parents=True, exist_ok=True)
    recipe = games.write("images", scratch)
    began = time.monotonic()

    def note(message: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {message}", file=sys.stderr, flush=True)

    whole, lines = agreement(recipe, scratch, note)
    rows = [
        struck(recipe, scratch, whole, tries, number, asked.seed, note)
        for number, tries in ((signal.SIGKILL, asked.kills), (signal.SIGTERM, asked.stops))
        if tries
    ]
    print("\n".join(lines))
    return report(rows, asked.out, seconds=round(time.monotonic() - began), agreement=lines)


if __name__ == "__main__":
    sys.exit(main())
