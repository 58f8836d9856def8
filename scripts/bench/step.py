"""`make bench`: one DCGAN training step, ours beside PyTorch's, alternately in one run.

    python scripts/bench/step.py --torch .venv-bench/bin/python [--rounds 5] [--steps 20] [--out FILE]

Each contender is a process that waits while another runs. Prints a Markdown table of medians over the rounds and, in
each row, the ratio of PyTorch's best variant to that row within the same precision; writes the same as JSON with --out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CASES = {"32x32x1": ["--size", "32", "--channels", "1"], "64x64x3": ["--size", "64", "--channels", "3"]}
TORCH = {
    "PyTorch eager": ["--variant", "eager"],
    "PyTorch channels_last": ["--variant", "channels_last"],
    "PyTorch compile, channels_last": ["--variant", "compile"],
}


class Contender:
    """A process that runs steps on demand."""

    def __init__(self, name: str, command: list[str]):
        self.name = name
        self.seconds: list[float] = []  # for one step, a value a round
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if self._process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{name} did not start: {' '.join(command)}")

    def round(self, steps: int) -> None:
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        self.seconds.append(float(self._process.stdout.readline()) / steps)

    def peak_memory(self) -> float:
        """MiB, as Linux counts it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def measure(case: str, bf16: bool, torch: str, rounds: int, steps: int) -> list[dict]:
    """Rows of one case: name, median ms a step, fastest, slowest, peak memory."""
    shape = CASES[case]
    ours = [sys.executable, str(HERE / "ours.py"), *shape, *(["--set", "train.precision=bfloat16"] if bf16 else [])]
    peers = {
        name: [torch, str(HERE / "torch_peer.py"), *shape, *options, *(["--bf16"] if bf16 else [])]
        for name, options in TORCH.items()
    }
    contenders = [Contender(name, command) for name, command in {"gan": ours, **peers}.items()]
    for _ in range(rounds):
        for contender in contenders:
            contender.round(steps)
    rows = [
        {
            "case": case,
            "precision": "bfloat16" if bf16 else "float32",
            "who": c.name,
            "ms": statistics.median(c.seconds) * 1e3,
            "min": min(c.seconds) * 1e3,
            "max": max(c.seconds) * 1e3,
            "memory": c.peak_memory(),
        }
        for c in contenders
    ]
    for contender in contenders:
        contender.close()
    best = min(row["ms"] for row in rows[1:])
    return [{**row, "ratio": best / row["ms"]} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--torch", default=os.environ.get("BENCH_TORCH", ".venv-bench/bin/python"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps in a round")
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--float32-only", action="store_true")
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()

    rows = []
    print("| case | precision | who | ms a step, median (min to max) | best PyTorch / this | peak MiB |")
    print("|---|---|---|---|---|---|")
    for case in a.case or CASES:
        for bf16 in (False,) if a.float32_only else (False, True):
            for row in measure(case, bf16, a.torch, a.rounds, a.steps):
                rows.append(row)
                spread = f"{row['ms']:.1f} ({row['min']:.1f} to {row['max']:.1f})"
                cells = [
                    row["case"],
                    row["precision"],
                    row["who"],
                    spread,
                    f"{row['ratio']:.2f}",
                    f"{row['memory']:.0f}",
                ]
                print(f"| {' | '.join(cells)} |", flush=True)
    if a.out:
        a.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
