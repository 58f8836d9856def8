"""`make faults`, third part: 50,000 steps of a tiny model, watched for memory, threads and open files that grow.

Log lines, samples, evaluations, checkpoints and looks of the monitor come often: what is done once a thousand steps in
a day's run is done as many times here.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import games
from life import Process, Run, begin, environment
from table import Row, report

EVERY = {"run.log_every": 50, "run.sample_every": 500, "run.checkpoint_every": 250, "eval.every": 500}
SETTINGS = {**EVERY, "monitor.every": 500, "train.steps_per_call": 10}
SETTLED = 0.1  # of the run: by then everything has been done once and many times
PAUSE = 0.5  # seconds between two looks
BOTH = ("threads", "files")


class Look(NamedTuple):
    """A process at one moment."""

    step: int
    resident: float  # MiB
    peak: float  # MiB
    threads: int
    files: int  # open


def look(process: Process, step: int) -> Look | None:
    """What the kernel says about a process; None when it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        files = len(os.listdir(f"/proc/{process.pid}/fd"))
        resident, peak, threads = (int(_field(status, name)) for name in ("VmRSS", "VmHWM", "Threads"))
    except (OSError, TypeError):  # it has ended, or is just about to
        return None
    return Look(step, resident / 1024, peak / 1024, threads, files)


def _field(status: str, name: str) -> str:
    return re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[1]  # type: ignore[index]


def last_step(log: Path) -> int:
    """The step of the last whole line of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - 4096, 0))
            steps = re.findall(rb'^\{"step": (\d+),.*\}$', file.read(), re.MULTILINE)
    except FileNotFoundError:
        return 0
    return int(steps[-1]) if steps else 0


def watch(run: Run, scratch: Path, note: Callable[[str], None]) -> tuple[int, list[Look]]:
    """Train, and look at the process until it ends: exit code and looks."""
    process = begin(run, environment(GAN_CACHE_DIR=str(scratch / "cache")))
    looks: list[Look] = []
    said = 0
    while process.poll() is None:
        seen = look(process, last_step(run.folder / "log.jsonl"))
        looks += [seen] if seen else []
        if seen and seen.step >= said:
            note(str(seen))
            said = seen.step + 2500
        time.sleep(PAUSE)
    return process.wait(), looks


def judge(looks: Sequence[Look], steps: int, most: float) -> tuple[list[str], str]:
    """What grew between the first tenth of a run and its end, and the figures in words. `most`: MiB of growth."""
    settled = [one for one in looks if one.step >= SETTLED * steps]
    if len(settled) < 20:
        return [f"only {len(settled)} looks"], ""
    tenth = len(settled) // 10 + 1
    early, late = (statistics.median(one.resident for one in part) for part in (settled[:tenth], settled[-tenth:]))
    threads, files = ({getattr(one, name) for one in settled} for name in ("threads", "files"))
    # A file or a thread of a checkpoint that is being written comes and goes; what stays is the least.
    stays = [[min(getattr(one, name) for one in part) for part in (settled[:tenth], settled[-tenth:])] for name in BOTH]
    problems = [f"resident memory grew by {late - early:.1f} MiB"] if late - early > most else []
    problems += [f"{name} grew from {a} to {b}" for name, (a, b) in zip(BOTH, stays, strict=True) if b > a]
    words = (
        f"resident {early:.1f} MiB after {settled[0].step:,} steps, {late:.1f} at the end ({late - early:+.1f}); "
        f"peak {settled[0].peak:.1f} and {settled[-1].peak:.1f}; threads {min(threads)} to {max(threads)}; "
        f"open files {min(files)} to {max(files)}; {len(settled)} looks"
    )
    return problems, words


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--most", type=float, default=8.0, help="MiB by which resident memory may grow")
    parser.add_argument("--scratch", type=Path, help="kept; a temporary folder if absent")
    parser.add_argument("--out", type=Path, default=Path("build/faults/long_run"), help="without a suffix")
    a = parser.parse_args()

    began = time.monotonic()

    def note(message: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {message}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        scratch = a.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        settings = {**SETTINGS, "train.steps": a.steps}
        sets = tuple(part for key, value in settings.items() for part in ("--set", f"{key}={value}"))
        run = Run(games.write("toy", scratch), scratch / "long", sets)
        code, looks = watch(run, scratch, note)
        problems, words = judge(looks, a.steps, a.most)
        problems += [] if code == 0 else [f"exit code {code}: {run.said.read_text()[-300:]}"]
        sizes = {name: (run.folder / name).stat().st_size for name in ("log.jsonl", "metrics.jsonl")}
        logs = ", ".join(f"{name} {size / 1024:.0f} KiB" for name, size in sizes.items())
        row = Row(f"{a.steps:,} steps of a toy", 1, int(not problems), tuple(problems), f"{words}; {logs}")
        code = report([row], a.out, minutes=(time.monotonic() - began) / 60, looks=[one._asdict() for one in looks])
    raise SystemExit(code)


if __name__ == "__main__":
    main()
