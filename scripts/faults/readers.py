"""`make faults`, a further part: commands that read a run again and again while it is being trained.

The training keeps one checkpoint and writes a new one every ten steps, so that what a reader has chosen is deleted
while it reads. Each read is a process of its own, forked from one that has imported the program. A read fails when it
ends with another code than 0, with a traceback, or with words of a library's own.
"""

import argparse
import json
import re
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fork
import games
from ground import Tally
from life import TRAINING, Run, begin, environment, until
from table import Row, report

SETTINGS = {
    "train.steps": 100_000_000,
    "train.steps_per_call": 10,
    "run.keep_last": 1,
    "run.checkpoint_every": 10,
    "run.log_every": 10,
    "run.sample_every": 100,
    "eval.every": 0,
    "monitor.every": 100,
}
BADLY = re.compile(r"Traceback|Event loop|Exception ignored|never awaited|Error:")
COMMANDS: dict[str, Callable[[Path, Path], tuple[object, ...]]] = {
    "sample": lambda run, out: ("sample", "--ckpt", run, "--n", 4, "--out", out / "sample.npz", "--json"),
    "inspect": lambda run, _: ("inspect", run, "--json"),
    "report --quick": lambda run, out: ("report", run, "--quick", "--out", out / "page.html", "--json"),
    "report": lambda run, out: ("report", run, "--out", out / "page.html", "--json"),
    "card": lambda run, out: ("card", "--ckpt", run, "--out", out / "card.md", "--json"),
    "eval": lambda run, _: ("eval", "--ckpt", run, "--metric", "one-nn", "--n", 20, "--n-real", 20, "--json"),
    "eval --all-checkpoints": lambda run, out: (
        *("eval", "--ckpt", run, "--all-checkpoints", "--metric", "one-nn", "--n", 20, "--n-real", 20),
        *("--out", out / "all.png", "--json"),
    ),
    "export": lambda run, out: (
        *("export", "--ckpt", run, "--format", "safetensors"),
        *("--out", Path(tempfile.mkdtemp(dir=out.parent)) / "w", "--json"),
    ),
    "runs": lambda run, _: ("runs", run.parent, "--json"),
}


def train(recipe: Path, folder: Path, context: Any) -> tuple[Run, Any]:
    """Start the training, and wait until its first checkpoint is there."""
    sets = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    run = Run(recipe, folder, more=tuple(sets), context=context)
    process = begin(run, environment())
    there = until(process, lambda: TRAINING in run.said.read_text(errors="replace") and bool(newest(folder)))
    if not there:
        raise SystemExit(run.said.read_text(errors="replace"))
    return run, process


def newest(folder: Path) -> int:
    """The step of the newest checkpoint; 0 where there is none."""
    try:
        return max((int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdecimal()), default=0)
    except OSError:
        return 0


def read(name: str, folder: Path, reads: int, context: Any, note: Callable[[str], None]) -> Row:
    """One command, `reads` times."""
    tally = Tally(f"`gan {name}` beside a training", note)
    out, began = folder.parent, newest(folder)
    for i in range(reads):
        said = fork.gan(context, *COMMANDS[name](folder, out), said=out / "read.said", env=environment())
        found = [] if said.code == 0 else [f"exit code {said.code}: {said.text[-300:]}"]
        tally.add(str(i), found + ([f"said {bad[0]!r}"] if (bad := BADLY.search(said.text)) else []))
    return tally.row(f"{(newest(folder) - began) // 10:,} checkpoints were written and deleted meanwhile")


def load(folder: Path, reads: int, note: Callable[[str], None]) -> Row:
    """`gan_cli.load`, in this process."""
    from gan_cli import load as model

    tally = Tally("`gan_cli.load` beside a training", note)
    began, steps = newest(folder), set()
    for i in range(reads):
        try:
            steps.add(model(folder, at="latest").step)
            tally.add(str(i), [])
        except Exception as error:
            tally.add(str(i), [f"{type(error).__name__}: {error}"])
    return tally.row(f"{len(steps)} steps loaded, of {(newest(folder) - began) // 10:,} that were written meanwhile")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--reads", type=int, default=200, help="of each command")
    parser.add_argument("--only", nargs="*", choices=["load", *COMMANDS], default=["load", *COMMANDS])
    parser.add_argument("--scratch", type=Path, help="kept; a temporary folder if absent")
    parser.add_argument("--out", type=Path, default=Path("build/faults/readers"), help="without a suffix")
    a = parser.parse_args()
    began = time.monotonic()

    def note(message: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {message}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        scratch = (a.scratch or Path(temporary)).resolve()
        (scratch / "runs").mkdir(parents=True, exist_ok=True)
        context = fork.server(environment(GAN_CACHE_DIR=str(scratch / "cache")))
        run, process = train(games.write("toy", scratch), scratch / "runs" / "trained", context)
        rows = [load(run.folder, a.reads, note)] if "load" in a.only else []
        rows += [read(name, run.folder, a.reads, context, note) for name in a.only if name != "load"]
        process.send_signal(signal.SIGTERM)
        if process.wait() != 75:
            raise SystemExit(f"the training ended otherwise: {json.dumps(run.said.read_text(errors='replace')[-500:])}")
        code = report(rows, a.out, minutes=(time.monotonic() - began) / 60)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
