"""The processes of a benchmark: one that waits while others run, and one that is started anew each round."""

import contextlib
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import usage

CACHES = ("GAN_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")  # where compiled programs are kept
OVERRIDDEN = {"JAX_COMPILATION_CACHE_DIR": ""}  # it would take the place of ours
POLL = 0.002  # seconds between two looks for a file


class Contender(NamedTuple):
    """One way of doing a case's work."""

    name: str
    command: tuple[str, ...]  # {scratch} in a part is a folder that all contenders of the case share
    role: Literal["ours", "peer", "floor"] = "peer"
    clock: Literal["work", "exit", "file", "ready", "first_call"] = "work"
    """What a round times. work: units of work in a process that waits while others run (see worker.py).

    All others start a process anew each round. exit: until it exits; file: until `mark` is a file that is not empty;
    ready: until it says so; first_call: the seconds of that name among the facts it is ready with.
    """
    cache: Literal["user", "cold", "warm"] = "user"  # compiled programs: cold: none kept; warm: those of an untimed run
    mark: str = ""  # a file, for clock = "file"; {new} in it and in the command is a folder made anew each round
    env: Mapping[str, str] = {}


class Running(Protocol):
    """A contender at work."""

    def round(self, amount: int) -> float:
        """Seconds of one round."""
        ...

    def processor(self) -> float:
        """Seconds of processor time so far."""
        ...

    def memory(self) -> float:
        """Peak MiB."""
        ...

    def facts(self) -> dict[str, Any]:
        """What it says about itself."""
        ...

    def close(self) -> None: ...


class Round(NamedTuple):
    """A contender's turn."""

    seconds: float
    processor: float  # seconds of processor time, start and end included where the process is started anew
    others: float  # cores that were busy with anything else meanwhile


def timed(running: Running, amount: int) -> Round:
    """One round, and what it and others took of the machine."""
    began, busy, used = time.perf_counter(), usage.busy(), running.processor()
    seconds = running.round(amount)
    wall, own = time.perf_counter() - began, running.processor() - used
    return Round(seconds, own, max(0.0, (usage.busy() - busy - own) / wall))


class FailedError(Exception):
    """A contender did not start, or stopped before its time; the message ends with what it wrote to stderr."""


class Waiting:
    """A process that lives as long as the case and works on demand."""

    def __init__(self, contender: Contender, command: Sequence[str], env: Mapping[str, str]):
        self._worker = _Worker(contender.name, command, env)
        self._facts = self._worker.answer()

    def round(self, amount: int) -> float:
        """Seconds of `amount` units of work."""
        return self._worker.ask(amount)["seconds"]

    def processor(self) -> float:
        """Of the process and those that it started, whether they have ended or not."""
        pid = self._worker.process.pid
        return sum(map(usage.processor, (pid, *usage.children(pid))))

    def memory(self) -> float:
        """Peak MiB of the process, and the private memory of processes that it started itself."""
        pid = self._worker.process.pid
        return usage.peak(pid) + sum(usage.private(child) for child in usage.children(pid))

    def facts(self) -> dict[str, Any]:
        """What it said when it was ready."""
        return self._facts

    def close(self) -> None:
        """End the process."""
        self._worker.close()


class Anew:
    """A process started in each round; see `Contender.clock`."""

    def __init__(self, contender: Contender, command: Sequence[str], env: Mapping[str, str]):
        self._contender, self._command, self._env = contender, command, env
        self._facts: dict[str, Any] = {}
        self._memory = 0.0
        self._kept = tempfile.TemporaryDirectory()
        if contender.cache == "warm":
            try:
                self.round(1)
            except FailedError:
                self.close()
                raise

    def round(self, amount: int) -> float:  # noqa: ARG002 - a start is one start
        """Seconds from the start of the process until what its clock waits for."""
        with tempfile.TemporaryDirectory() as new:
            cache = {"user": None, "cold": f"{new}/cache", "warm": self._kept.name}[self._contender.cache]
            env = {**self._env, **({**dict.fromkeys(CACHES, cache), **OVERRIDDEN} if cache else {})}
            command = [part.replace("{new}", new) for part in self._command]
            if self._contender.clock in ("ready", "first_call"):
                return self._until_ready(command, env)
            mark = Path(self._contender.mark.replace("{new}", new)) if self._contender.clock == "file" else None
            return self._until_done(command, env, mark)

    def _until_ready(self, command: Sequence[str], env: Mapping[str, str]) -> float:
        began = time.perf_counter()
        worker = _Worker(self._contender.name, command, env)
        self._facts = worker.answer()
        seconds = time.perf_counter() - began
        self._memory = max(self._memory, usage.peak(worker.process.pid))
        worker.close()
        return float(self._facts["first_call"]) if self._contender.clock == "first_call" else seconds

    def _until_done(self, command: Sequence[str], env: Mapping[str, str], mark: Path | None) -> float:
        with tempfile.TemporaryFile("w+") as errors:
            began = time.perf_counter()
            process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=errors)
            if mark is not None:
                _wait_for(mark, process)
            seconds = time.perf_counter() - began
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - began if mark is None else seconds
            if process.returncode:
                raise FailedError(f"{self._contender.name}: {' '.join(command)}\n{_tail(errors)}")
        self._memory = max(self._memory, used.ru_maxrss / 1024)
        return seconds

    def processor(self) -> float:
        """Of all processes that have ended: those of its rounds, between two looks."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def memory(self) -> float:
        """Peak MiB of any of the processes."""
        return self._memory

    def facts(self) -> dict[str, Any]:
        """What the last one said."""
        return self._facts

    def close(self) -> None:
        """Drop the caches."""
        self._kept.cleanup()


def start(contender: Contender, scratch: str) -> Running:
    """The contender, ready to work; raises FailedError."""
    command = [part.replace("{scratch}", scratch) for part in contender.command]
    kind = Waiting if contender.clock == "work" else Anew
    return kind(contender, command, contender.env)


class _Worker:
    """A process that speaks the protocol of worker.py."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str]):
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, amount: int) -> dict[str, Any]:
        """The answer to a line."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: `answer` says why
            self.process.stdin.write(f"{amount}\n")
            self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Its next line; whatever libraries print besides is passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.process.wait()
        failure = f"{self.name}: {' '.join(map(str, self.process.args))}\n{_tail(self._errors)}"
        self.close()
        raise FailedError(failure)

    def close(self) -> None:
        """End of input; then wait until it has left."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self._errors.close()


def _wait_for(mark: Path, process: subprocess.Popen) -> None:
    """Until `mark` is a file with something in it, or the process has ended."""
    while not (mark.is_file() and mark.stat().st_size) and not _ended(process):
        time.sleep(POLL)


def _ended(process: subprocess.Popen) -> bool:
    """Whether it has ended, without reaping it: its resource usage is still wanted."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _tail(errors: Any, lines: int = 15) -> str:
    errors.seek(0)
    return "".join(errors.readlines()[-lines:])
