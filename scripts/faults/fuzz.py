"""Coverage-guided fuzzing of every parser: `fuzz.py [TARGET ...] --seconds 120 --out FOLDER`; a table, rc 1 for a find.

Wants atheris beside gan_cli: requirements-fuzz.txt, `make fuzz`. Each target runs in a process of its own.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import fuzz_seeds

MEMORY = 2500  # MiB of resident memory that ends a target's run: Python, JAX and Pillow take some 250
SLOWEST = 60  # seconds of one input that are a find, by the clock: on a busy machine an honest one takes some
LONGEST = 8192  # bytes of an input
FIGURES = {
    "inputs": r"number_of_executed_units:\s+(\d+)",
    "slowest": r"slowest_unit_time_sec:\s+(\d+)",
    "memory": r"peak_rss_mb:\s+(\d+)",
    "edges": r"cov: (\d+)",
}


class Found(NamedTuple):
    """What came of fuzzing one target."""

    target: str
    inputs: int
    edges: int  # branches of the parsers that some input reached
    slowest: int  # whole seconds, of one input
    memory: int  # MiB resident, at most
    finds: list[str]  # files with inputs that raised what they may not, took too long or killed the process


def fuzz(target: str, seconds: int, out: Path) -> Found:
    """Fuzz one target for some seconds."""
    folder = out / target
    folder.mkdir(parents=True, exist_ok=True)
    limits = (f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY}", f"-max_len={LONGEST}")
    worker = [sys.executable, str(Path(__file__).with_name("fuzz_worker.py")), target, str(folder)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        ended = subprocess.run(
            [*worker, *limits, "-print_final_stats=1", f"-artifact_prefix={folder}/"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    text = (folder / "log").read_text(errors="replace")
    figures = {name: int((re.findall(pattern, text) or ["0"])[-1]) for name, pattern in FIGURES.items()}
    finds = [path.name for path in sorted(folder.iterdir()) if re.match("error-|crash-|oom-|timeout-", path.name)]
    if ended.returncode and not finds:
        finds = [f"ended with code {ended.returncode}: {folder / 'log'}"]
    return Found(target, finds=finds, **figures)


def row(found: Found) -> str:
    """A line of the table, in Markdown."""
    cells = (found.target, f"{found.inputs:,}", f"{found.edges:,}", found.slowest, found.memory, len(found.finds))
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=[], help=f"of {', '.join(fuzz_seeds.SEEDS)}; all of them")
    parser.add_argument("--seconds", type=int, default=120, help="for each target")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="corpora, logs and finds")
    asked = parser.parse_args()
    unknown = sorted(set(asked.targets) - fuzz_seeds.SEEDS.keys())
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    print("| parser | inputs | branches | slowest, s | memory, MiB | finds |\n|---|---|---|---|---|---|")
    results = []
    for target in asked.targets or fuzz_seeds.SEEDS:
        results.append(fuzz(target, asked.seconds, asked.out))
        print(row(results[-1]), flush=True)
    for found in results:
        for find in found.finds:
            print(f"{asked.out / found.target}: {find}", file=sys.stderr)
    return 1 if any(found.finds for found in results) else 0


if __name__ == "__main__":
    sys.exit(main())
