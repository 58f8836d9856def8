"""A job of several processes, on one machine or many: JAX's own runtime, and what one process tells the others.

Every process runs the same program over all devices of the job. The first one alone reads and writes the run folder,
and decides; the others hear what it decided.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from gan_cli import streams
from gan_cli.engine import parallel, places
from gan_cli.engine.places import ALONE, Job
from gan_cli.engine.state import flat, placed, unflat
from gan_cli.errors import InputError, LostError, StorageError

T = TypeVar("T")
PATIENCE = 2  # seconds after which a process says that it waits for others
START_TIMEOUT = 300  # seconds that processes wait for each other at the start
SPARE = 60  # seconds more until JAX would abort
HEARTBEAT_TIMEOUT = 60  # seconds without a sign of life until a process counts as lost
END_TIMEOUT = 30  # seconds that processes wait for each other at the end
AGAIN = "run the same commands to go on from the newest checkpoint"
TOGETHER = f"start the same command in all of them at about the same time; {ALONE}"
FAREWELL = 3  # seconds that the first process outlives a loss: without it JAX aborts the others, before they say why
SHORTEST = 1024  # bytes that are told at once, at least
LOST = re.compile(
    r"gloo|nccl|coordination service|heartbeat|collective|connection (reset|closed|refused)", re.IGNORECASE
)
TOLD = {kind.__name__: kind for kind in (InputError, StorageError)}  # errors of the first process that all raise


def start(job: Job, note: Callable[[str], None]) -> None:
    """Join a job of several processes: the one given, or the one that Slurm, Open MPI or a TPU pod has started us in.

    Call it before anything asks JAX for its devices. `note` is told who is waited for. Raises InputError when the place
    is not one, and LostError when the others cannot be found or do not come within START_TIMEOUT.
    """
    place = places.find_place(job)
    if place is None:
        return
    if jax.config.values["jax_platforms"] in (None, "", "cpu"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        streams.keep_stdout()
    joined: Future[None] = Future()
    threading.Thread(target=_join, args=(job, joined), daemon=True).start()
    if not wait([joined], PATIENCE).done:
        note(f"waiting for {place.others()}, at most {START_TIMEOUT} s; {ALONE}")
    if not wait([joined], START_TIMEOUT).done:
        raise LostError(f"waited {START_TIMEOUT} s in vain for {place.others()}\n{TOGETHER}")
    try:
        joined.result()
    except (RuntimeError, ValueError) as error:
        raise LostError(f"the processes of the job did not find each other: {_first_line(error)}\n{AGAIN}") from None
    with noticing_loss():
        # Open all connections now, while all are here: Gloo gives up where one comes 30 s after another.
        tell(None)
        if not alone():
            jax.block_until_ready(parallel.anyone(parallel.everyone())(False))


def _join(job: Job, joined: "Future[None]") -> None:
    """Run in a thread, so that the main one hears Ctrl-C and says that the time is over, before JAX would abort."""
    try:
        jax.distributed.initialize(
            *job,
            initialization_timeout=START_TIMEOUT + SPARE,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
            shutdown_timeout_seconds=END_TIMEOUT,
        )
    except Exception as error:
        joined.set_exception(error)
    else:
        joined.set_result(None)


def alone() -> bool:
    """Whether this process is the whole job."""
    return jax.process_count() == 1


def first() -> bool:
    """Whether this is the process that reads and writes the run folder."""
    return jax.process_index() == 0


def tell(value: Any) -> Any:
    """The first process's value in every process: anything that JSON can hold. The others' values are not heard."""
    if alone():
        return value
    text = json.dumps(value).encode() if first() else b""
    length = _tell_bytes(len(text).to_bytes(4, "little"), 4)
    return json.loads(_tell_bytes(text, int.from_bytes(length, "little")))


def tell_arrays(tree: Any) -> Any:
    """The first process's arrays in every process, bit by bit; the others pass arrays of the same shapes."""
    if alone():
        return tree
    own = {name: np.asarray(x) for name, x in flat(tree).items()}
    told = _tell_bytes(
        b"".join(x.tobytes() for x in own.values()) if first() else b"", sum(x.nbytes for x in own.values())
    )
    heard, at = {}, 0
    for name, x in own.items():
        heard[name] = np.frombuffer(told, x.dtype, x.size, at).reshape(x.shape)
        at += x.nbytes
    return unflat(placed(heard), tree)


def _tell_bytes(data: bytes, length: int) -> bytes:
    """The first process's `length` bytes: as whole numbers, of which a sum with zeros is exact.

    Padded to a power of two, so that there are few programs to compile.
    """
    size = 1 << max(length - 1, SHORTEST - 1).bit_length()
    words = np.frombuffer(data.ljust(size, b"\0"), np.uint32) if first() else np.zeros(size // 4, np.uint32)
    return np.asarray(multihost_utils.broadcast_one_to_all(words)).tobytes()[:length]


def by_first(work: Callable[[], T]) -> T | None:
    """Let the first process do some work while the others wait; returns its result, and None in the others.

    An InputError or StorageError that it raises is raised in all processes.
    """
    if alone():
        return work()
    done, problem = None, None
    if first():
        try:
            done = work()
        except (InputError, StorageError) as error:
            kind = next(name for name, kind in TOLD.items() if isinstance(error, kind))
            problem = [kind, str(error)]
    problem = tell(problem)
    if problem is not None:
        kind, message = problem
        raise TOLD[kind](message)
    return done


def check_told_the_same(told: Mapping[str, str]) -> None:
    """Raise InputError, naming what and in which process, unless all processes were given the same things."""
    if alone():
        return
    of_first: dict[str, str] = tell(dict(told))
    differs = [what for what, value in told.items() if of_first.get(what) != value]
    numbers = multihost_utils.process_allgather(np.int32(list(told).index(differs[0]) + 1 if differs else 0))
    for process, number in enumerate(np.asarray(numbers).reshape(-1)):
        if number:
            what = list(told)[number - 1]
            raise InputError(f"process {process} of the job has another {what} than process 0; give all the same")


@contextmanager
def noticing_loss() -> Iterator[None]:
    """Turn what JAX says when another process is gone into a LostError."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if alone() or not LOST.search(str(error)):
            raise
        if first():
            time.sleep(FAREWELL)
        raise LostError(f"another process of the job is gone ({_first_line(error)})\n{AGAIN}") from error


def leave(code: int) -> None:
    """End a process of a job at once: JAX's own way out would first wait for processes that may be gone."""
    if jax.distributed.is_initialized():
        if code == 1 and first():
            time.sleep(FAREWELL)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
