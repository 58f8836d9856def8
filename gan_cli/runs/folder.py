"""A run folder: where things are."""

import fcntl
import json
import os
import platform
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
from filelock import FileLock, Timeout

from gan_cli import door, recipe
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import atomic, make_folder

LOCK = ".lock"
HOLDER, LONGEST_HOLDER = ".lock.json", 4096  # says who holds the lock; bytes


class RunFolder(NamedTuple):
    """The paths of a run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe, which reproduces the run."""
        return self.path / "recipe.toml"

    @property
    def log(self) -> Path:
        """A line every `run.log_every` steps: the means of what the turns reported."""
        return self.path / "log.jsonl"

    @property
    def metrics(self) -> Path:
        """A line for each evaluation: values and protocol."""
        return self.path / "metrics.jsonl"

    @property
    def times(self) -> Path:
        """When which step was reached, and on what (see runs/times.py)."""
        return self.path / "times.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Orbax's folder, one sub-folder a step."""
        return self.path / "checkpoints"

    def samples(self, step: int) -> Path:
        """The grid drawn after `step` steps."""
        return self.path / "samples" / f"{step:07d}.png"

    def check_own(self) -> None:
        """Raise InputError where something lies that no training wrote: data, or anything else that is not a run."""
        if self.recipe.exists() or self.checkpoints.is_dir() or not self.path.is_dir():
            return
        known = {self.samples(0).parent.name, self.times.name}  # what is made before the recipe is written
        for entry in sorted(os.listdir(self.path)):
            if entry not in known and not entry.startswith("."):
                raise InputError(
                    f"{self.path}: holds {entry!r} and is not a run folder; name another one, or a new one, with --out"
                )

    def create(self) -> None:
        """Make the folder; raises InputError when it cannot be written."""
        make_folder(self.path)
        make_folder(self.path / "samples")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder; raises InputError when one does.

        The operating system holds the lock, so that a process takes it along when it dies.
        """
        holder = self.path / HOLDER
        self._check_lock()
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise InputError(
                f"{self.path}: another process is training here ({self._holder()}); "
                "wait for it, or name another folder with --out"
            ) from None
        with lock:
            replace(holder, json.dumps({"process": os.getpid(), "host": platform.node()}))
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)

    def _check_lock(self) -> None:
        """Raise InputError where the lock is anything but a file: to lock it is to write to it."""
        lock = self.path / LOCK
        if os.path.lexists(lock) and not stat.S_ISREG(os.lstat(lock).st_mode):
            raise InputError(f"{lock}: is no regular file: remove it, or name another folder with --out")

    def trained_by(self) -> str | None:
        """Who trains in this folder just now, in words; None: nobody does."""
        try:
            with door.opened(self.path / LOCK) as lock, suppress(OSError):
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a reader's, for an instant
                except BlockingIOError:
                    return self._holder()
        except DamagedError:  # no lock, or one that may not be opened
            pass
        return None  # who is named in the folder was killed

    def _holder(self) -> str:
        told: Any = {}
        with suppress(DamagedError):
            told = door.read_json(self.path / HOLDER, LONGEST_HOLDER)
        told = told if isinstance(told, dict) else {}
        return f"process {told.get('process', '?')} on {told.get('host', '?')}"[:200]

    def keep_recipe(self, step: int) -> None:
        """Keep the recipe of the steps up to `step` beside the one that overrides it."""
        with suppress(DamagedError):  # there is none, or nothing that was one
            text = door.read_text(self.recipe, recipe.LONGEST)
            replace(self.path / f"recipe.until-{step}.toml", text)

    def write_recipe(self, resolved: Mapping[str, Any], header: str) -> None:
        """Save the resolved recipe, whole or not at all."""
        comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
        replace(self.recipe, f"{comment}\n{tomli_w.dumps(resolved)}")


def replace(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
