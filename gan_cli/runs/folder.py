"""A run folder: the paths of what is in it, and the lock that keeps it to one training."""

import fcntl
import json
import os
import platform
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout

from gan_cli import door, recipe
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import make_folder, write_text

LOCK = ".lock"
HOLDER, LONGEST_HOLDER = ".lock.json", 4096  # the file that says who holds the lock, and its largest size in bytes


class RunFolder:
    """The paths of a run, and its lock."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or made."""
        self.path = path
        self.recipe = path / "recipe.toml"  # the resolved recipe, which reproduces the run
        self.log = path / "log.jsonl"  # a line every `run.log_every` steps: the means of what the turns reported
        self.metrics = path / "metrics.jsonl"  # a line for each evaluation: values and protocol
        self.times = path / "times.jsonl"  # when which step was reached, and on what (runs/times.py)
        self.checkpoints = path / "checkpoints"  # Orbax's folder, with a sub-folder for each step

    def samples(self, step: int) -> Path:
        """Return the path of the grid drawn after `step` steps."""
        return self.path / "samples" / f"{step:07d}.png"

    def check_own(self) -> None:
        """Raise InputError if the folder holds anything that no training wrote: data, or anything but a run."""
        if self.recipe.exists() or self.checkpoints.is_dir() or not self.path.is_dir():
            return
        known = {self.samples(0).parent.name, self.times.name}  # made before the recipe is written
        for entry in sorted(os.listdir(self.path)):
            if entry not in known and not entry.startswith("."):
                raise InputError(
                    f"{self.path}: holds {entry!r} and is not a run folder; name another one, or a new one, with --out"
                )

    def create(self) -> None:
        """Make the folder and that of its grids; raises InputError when they cannot be written."""
        make_folder(self.path)
        make_folder(self.path / "samples")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder; raises InputError when one does.

        The operating system holds the lock, so that a process takes it along when it dies.
        """
        path, holder = self.path / LOCK, self.path / HOLDER
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):  # to lock it is to write to it
            raise InputError(f"{path}: is no regular file: remove it, or name another folder with --out")
        lock = FileLock(path)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise InputError(
                f"{self.path}: another process is training here ({self._holder()}); "
                "wait for it, or name another folder with --out"
            ) from None
        with lock:
            write_text(holder, json.dumps({"process": os.getpid(), "host": platform.node()}))
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)

    def trained_by(self) -> str | None:
        """Return who trains in this folder just now, "process 12 on host"; None if nobody does."""
        try:
            with door.opened(self.path / LOCK) as lock, suppress(OSError):
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a shared lock, for an instant
                except BlockingIOError:
                    return self._holder()
        except DamagedError:  # no lock, or one that may not be opened
            pass
        return None  # the process that the folder names was killed

    def _holder(self) -> str:
        """Return who the folder says holds its lock; question marks stand for what it does not say."""
        told: Any = {}
        with suppress(DamagedError):
            told = door.read_json(self.path / HOLDER, LONGEST_HOLDER)
        told = told if isinstance(told, dict) else {}
        return f"process {told.get('process', '?')} on {told.get('host', '?')}"[:200]

    def keep_recipe(self, step: int) -> None:
        """Keep the recipe of the steps up to `step` beside the one that overrides it."""
        with suppress(DamagedError):  # there is no recipe, or none that can be read
            text = door.read_text(self.recipe, recipe.LONGEST)
            write_text(self.path / f"recipe.until-{step}.toml", text)

    def write_recipe(self, resolved: Mapping[str, Any], header: str) -> None:
        """Save the resolved recipe, whole or not at all, with `header` as a comment above it."""
        comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
        write_text(self.recipe, f"{comment}\n{tomli_w.dumps(resolved)}")
