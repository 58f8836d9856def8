"""A job of several processes, on one machine or many: JAX's own runtime, and what one process tells the others.

Every process runs the same program over all devices of the job. The first one alone reads and writes the run folder,
and decides; the others hear what it decided.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from gan_cli.engine import parallel
from gan_cli.engine.leaves import flat, unflat
from gan_cli.errors import InputError, LostError, StorageError

T = TypeVar("T")
START_TIMEOUT = 300  # seconds that processes wait for each other at the start
HEARTBEAT_TIMEOUT = 60  # seconds without a sign of life until a process counts as lost
END_TIMEOUT = 30  # seconds that processes wait for each other at the end
AGAIN = "run the same commands to go on from the newest checkpoint"
FAREWELL = 3  # seconds that the first process outlives a loss: without it JAX aborts the others, before they say why
SHORTEST = 1024  # bytes that are told at once, at least
LOST = re.compile(
    r"gloo|nccl|coordination service|heartbeat|collective|connection (reset|closed|refused)", re.IGNORECASE
)
TOLD = {kind.__name__: kind for kind in (InputError, StorageError)}  # errors of the first process that all raise


class Job(NamedTuple):
    """A place in a job, as it is given by hand."""

    coordinator: str | None = None  # HOST:PORT where the first process listens
    processes: int | None = None
    process: int | None = None  # this one's number, from 0


def start(job: Job) -> None:
    """Join a job of several processes: the one given, or the one that Slurm or a TPU pod has started us in.

    Call it before anything asks JAX for its devices. Raises InputError when the place is not one, and LostError when
    the others cannot be found; where they do not come in time, JAX itself ends the process.
    """
    if job.processes == 1 or (job == Job() and not _launched_as_many()):
        return
    if job != Job():
        _check(job)
    if jax.config.values["jax_platforms"] in (None, "", "cpu"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        _keep_stdout_for_us()
    try:
        jax.distributed.initialize(
            *job,
            initialization_timeout=START_TIMEOUT,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
            shutdown_timeout_seconds=END_TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        raise LostError(f"the processes of the job did not find each other: {_line(error)}\n{AGAIN}") from None
    with noticing_loss():
        _connect()


def _connect() -> None:
    """Open all connections now, while all are here: Gloo gives up where one comes 30 s after another."""
    tell(None)
    if not alone():
        jax.block_until_ready(parallel.anyone(parallel.everyone())(False))


def _keep_stdout_for_us() -> None:
    """Send what libraries print to stderr: Gloo greets on stdout, where --json promises one object and nothing else."""
    sys.stdout.flush()
    sys.stdout = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding)
    os.dup2(2, 1)


def _check(job: Job) -> None:
    options = dict(zip(("--coordinator", "--num-processes", "--process-id"), job, strict=True))
    missing = [option for option, value in options.items() if value is None]
    if missing:
        raise InputError(f"{' and '.join(missing)}: missing; {', '.join(options)} go together")
    coordinator, processes, process = job.coordinator or "", job.processes or 0, job.process or 0
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}", coordinator):
        raise InputError(f"--coordinator {coordinator}: expected HOST:PORT of the first process, node-0:8476")
    if process >= processes:
        raise InputError(f"--process-id {process}: the numbers of {processes} processes are 0 to {processes - 1}")


def _launched_as_many() -> bool:
    """Whether srun or a TPU pod has started several of us; `jax.distributed` then finds out the rest by itself."""
    tasks = os.environ.get("SLURM_NTASKS", "1") if "SLURM_STEP_NODELIST" in os.environ else "1"
    workers = os.environ.get("TPU_WORKER_HOSTNAMES", "")
    return tasks not in ("", "1") or "," in workers or _on_tpu_vm()


def _on_tpu_vm() -> bool:
    """Whether this machine has TPU chips and JAX may use them; it may be one of a slice."""
    wanted = os.environ.get("JAX_PLATFORMS", "tpu").startswith("tpu") and find_spec("libtpu") is not None
    return wanted and any(any(Path("/dev").glob(chips)) for chips in ("accel[0-9]*", "vfio/[0-9]*"))


def alone() -> bool:
    """Whether this process is the whole job."""
    return jax.process_count() == 1


def first() -> bool:
    """Whether this is the process that reads and writes the run folder."""
    return jax.process_index() == 0


def tell(value: Any) -> Any:
    """What the first process has to say, in every process: anything that JSON can hold. The others' is not heard."""
    if alone():
        return value
    text = json.dumps(value).encode() if first() else b""
    length = _tell_bytes(len(text).to_bytes(4, "little"), 4)
    return json.loads(_tell_bytes(text, int.from_bytes(length, "little")))


def tell_arrays(tree: Any) -> Any:
    """The first process's arrays in every process, bit by bit; the others give some of the same shapes."""
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
    return unflat(heard, tree)


def _tell_bytes(data: bytes, length: int) -> bytes:
    """The first process's `length` bytes: as whole numbers, of which a sum with zeros is exact.

    Padded to a power of two, so that there are few programs to compile.
    """
    size = 1 << max(length - 1, SHORTEST - 1).bit_length()
    words = np.frombuffer(data.ljust(size, b"\0"), np.uint32) if first() else np.zeros(size // 4, np.uint32)
    return np.asarray(multihost_utils.broadcast_one_to_all(words)).tobytes()[:length]


def by_first(work: Callable[[], T]) -> T | None:
    """Let the first process do something, and the others wait for it; None in the others.

    What it raises as bad input or as a broken disk, all raise.
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


def check_same(told: Mapping[str, str]) -> None:
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
        raise LostError(f"another process of the job is gone ({_line(error)})\n{AGAIN}") from error


def leave(code: int) -> None:
    """End a process of a job at once: JAX's own way out would first wait for processes that may be gone."""
    if jax.distributed.is_initialized():
        if code == 1 and first():
            time.sleep(FAREWELL)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
