"""One process of a run: started, watched from outside, and struck by a signal at a chosen moment."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import fork

POLL = 0.002  # seconds between two looks
LIMIT = 300.0  # seconds that anything waited for may take; then the harness itself has failed
GAN = (sys.executable, "-m", "gan_cli")
Process: TypeAlias = subprocess.Popen | fork.Child
TRAINING = "training from step"  # it says so before it compiles
MOMENTS = ("start", "resume", "train", "write", "named", "line")


class Blow(NamedTuple):
    """When a process is struck: `wait` seconds after a moment."""

    moment: str
    """start: the process is there; resume: the state has been restored or made; train: a first new log line;
    write: a checkpoint is being written; named: a checkpoint has just got its name; line: an evaluation is logged."""
    wait: float  # seconds


class End(NamedTuple):
    """How a process ended."""

    code: int  # negative: by that signal
    struck: bool  # False: it ended by itself before the moment came
    seconds: float  # from the blow to the end; 0 where there was none
    torn: bool  # a checkpoint was left half written
    said: str  # stdout and stderr


class Run(NamedTuple):
    """A run folder and the command that trains it, always the same."""

    recipe: Path
    folder: Path
    more: tuple[str, ...] = ()  # further arguments
    context: Any = None  # of fork.server: a process is forked from it; None: started anew, imports and all

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a person would type after `gan`, again and again."""
        return ("train", str(self.recipe), "--out", str(self.folder), *self.more)

    @property
    def said(self) -> Path:
        """Where the process writes stdout and stderr."""
        return self.folder.with_name(f"{self.folder.name}.said")


def environment(**more: str) -> dict[str, str]:
    """One CPU device, no thread of BLAS beside it, no download."""
    quiet = {"JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1", "GAN_OFFLINE": "1", "XLA_FLAGS": ""}
    return {**os.environ, **quiet, **more}


def begin(run: Run, env: Mapping[str, str] | None = None) -> Process:
    """Start the command; what it says goes into a file."""
    env = env or environment()
    if run.context:
        return fork.begin(run.context, run.arguments, run.said, env)
    with run.said.open("wb") as file:
        return subprocess.Popen((*GAN, *run.arguments), stdout=file, stderr=subprocess.STDOUT, env=env)


def whole(run: Run, env: Mapping[str, str] | None = None) -> End:
    """Run the command to its end, undisturbed."""
    return _end(run, begin(run, env).wait(), struck=False, began=None)


def strike(run: Run, blow: Blow, number: signal.Signals, env: Mapping[str, str] | None = None) -> End:
    """Start the command and send it a signal at the moment of `blow`; returns when it has ended."""
    process = begin(run, env)
    try:
        struck = reach(run, process, blow.moment) and not _ended_within(process, blow.wait)
        began = time.monotonic() if struck else None
        if struck:
            process.send_signal(number)
        return _end(run, process.wait(LIMIT), struck, began)
    finally:
        process.kill()  # nothing where it has ended
        process.wait()


def _end(run: Run, code: int, struck: bool, began: float | None) -> End:
    seconds = time.monotonic() - began if began is not None else 0.0
    return End(code, struck, seconds, bool(unnamed(run)), run.said.read_text(errors="replace"))


def _ended_within(process: Process, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def reach(run: Run, process: Process, moment: str) -> bool:
    """Wait for a moment; False when the process ended before."""
    if moment == "start":
        return True
    marks = ("resumed ", TRAINING) if moment == "resume" else (TRAINING,)
    if not until(process, lambda: any(mark in run.said.read_text(errors="replace") for mark in marks)):
        return False
    if moment == "resume":
        return True
    begun = size(run.folder / "log.jsonl")
    if not until(process, lambda: size(run.folder / "log.jsonl") > begun):
        return False
    if moment == "write":
        return until(process, lambda: bool(unnamed(run)))
    if moment == "named":
        known = named(run)
        return until(process, lambda: bool(named(run) - known))
    if moment == "line":
        known_size = size(run.folder / "metrics.jsonl")
        return until(process, lambda: size(run.folder / "metrics.jsonl") > known_size)
    return True


def until(process: Process, condition: Callable[[], bool]) -> bool:
    """Poll until the condition holds; False when the process ended before. Raises TimeoutError."""
    began = time.monotonic()
    while not condition():
        if process.poll() is not None:
            return False
        if time.monotonic() - began > LIMIT:
            raise TimeoutError(f"{' '.join(map(str, process.args))}: nothing happened for {LIMIT:.0f} s")
        time.sleep(POLL)
    return True


def size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _entries(run: Run) -> set[str]:
    try:
        return set(os.listdir(run.folder / "checkpoints"))
    except FileNotFoundError:
        return set()


def named(run: Run) -> set[str]:
    """The checkpoints that have their final name."""
    return {name for name in _entries(run) if name.isdecimal()}


def unnamed(run: Run) -> set[str]:
    """What is being written, or was left half written: neither a step nor damaged nor about to be removed."""
    return {name for name in _entries(run) if not name.isdecimal() and not re.match(r"damaged-|.*\.gone$", name)}
