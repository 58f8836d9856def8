"""`gan` in processes that are forked from one that has imported everything, where hundreds are wanted.

Each is a process of its own that goes through the whole command line; only the imports are shared. The parent never
starts a JAX backend, so that there are no threads to lose in the fork.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NamedTuple

IMPORTS = [
    "gan_cli.cli.app",
    "gan_cli.training.train",
    "gan_cli.judging.evaluator",
    "gan_cli.sampling.drawing",
    "gan_cli.cli.console",
]


class Said(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    text: str  # stdout and stderr

    @property
    def clean(self) -> bool:
        """Whether no traceback was shown."""
        return "Traceback" not in self.text


class Child:
    """A forked process, with as much of subprocess.Popen as is wanted."""

    def __init__(self, process: Any, arguments: Sequence[str]):
        self._process, self.args = process, arguments
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; negative: by that signal; None: it has not ended."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As `returncode`."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def server(env: Mapping[str, str]) -> Any:
    """A context whose processes have the imports and the environment `env`: that of the first call in this process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTS)
    before = dict(os.environ)
    os.environ.update(env)
    forkserver.ensure_running()
    os.environ.clear()
    os.environ.update(before)
    return context


def begin(context: Any, arguments: Sequence[object], said: Path, env: Mapping[str, str] | None = None) -> Child:
    """Start `gan ARGUMENTS` in a process of its own."""
    words = tuple(map(str, arguments))
    said.write_bytes(b"")
    process = context.Process(target=_main, args=(words, str(said), dict(env or {})))
    process.start()
    return Child(process, words)


def gan(context: Any, *arguments: object, said: Path, env: Mapping[str, str] | None = None) -> Said:
    """Run `gan ARGUMENTS` in a process of its own, to its end."""
    code = begin(context, arguments, said, env).wait()
    return Said(code, said.read_text(errors="replace"))


def _main(arguments: tuple[str, ...], said: str, env: dict[str, str]) -> None:
    os.environ.update(env)
    with open(said, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["gan", *arguments]
    from gan_cli.__main__ import main

    main()
