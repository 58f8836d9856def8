"""Places in a job of several processes: given by hand, or by what has started us. Nothing is waited for here."""

import os
import re
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gan_cli.errors import InputError

ALONE = "--num-processes 1 trains alone"


class Job(NamedTuple):
    """A place in a job, as it is given by hand."""

    coordinator: str | None = None  # HOST:PORT where the first process listens
    processes: int | None = None
    process: int | None = None  # this one's number, from 0


class Place(NamedTuple):
    """A place in a job, as far as it is known before the others are there."""

    told_by: str  # the option or variable that says that there are others
    processes: int | None = None
    process: int | None = None
    host: str = ""  # the first process's, where it is given by hand
    port: int | None = None  # where that listens, if it is known

    def others(self) -> str:
        """A phrase that says which processes are waited for."""
        count = "the" if self.processes is None else str(self.processes - 1)
        text = f"{count} other process{'' if self.processes == 2 else 'es'} ({self.told_by})"
        if self.host:
            try:
                socket.getaddrinfo(self.host.strip("[]"), None)
            except (OSError, UnicodeError):
                return f"{text}; this machine does not know {self.host} yet"
        return text


class Launcher(NamedTuple):
    """A program that starts the processes of a job: the environment variables that it sets and JAX reads."""

    sign: str  # set in every process that it has started
    processes: str
    process: str
    others: tuple[str, ...]  # further numbers that JAX needs


LAUNCHERS = (
    Launcher("SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", ("SLURM_JOB_ID", "SLURM_LOCALID")),
    Launcher("OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", ("OMPI_COMM_WORLD_LOCAL_RANK",)),
)


def find_place(job: Job) -> Place | None:
    """The place that is given, or the one in which srun, mpirun or a TPU pod has started us; None: we are alone.

    Raises InputError when it is no place.
    """
    if job.processes == 1:
        return None
    place = _launched_place() if job == Job() else _given_place(job)
    if place and place.process == 0 and place.port:  # JAX's runtime would crash where somebody listens there already
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a job that has just ended is no obstacle
            try:
                probe.bind(("", place.port))
            except OSError as error:
                raise InputError(
                    f"port {place.port}, at which the others would find this process ({place.told_by}), cannot be had: "
                    f"{error.strerror}; end the job that has it, or name another with --coordinator HOST:PORT"
                ) from None
    return place


def _given_place(job: Job) -> Place:
    """The place that the options of the command line name; raises InputError."""
    options = dict(zip(("--coordinator", "--num-processes", "--process-id"), job, strict=True))
    missing = [option for option, value in options.items() if value is None]
    if missing:
        raise InputError(f"{' and '.join(missing)}: missing; {', '.join(options)} go together")
    coordinator, processes, process = job.coordinator or "", job.processes or 0, job.process or 0
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}", coordinator):
        raise InputError(f"--coordinator {coordinator}: expected HOST:PORT of the first process, node-0:8476")
    host, _, port = coordinator.rpartition(":")
    if not 0 < int(port) < 1 << 16:
        raise InputError(f"--coordinator {coordinator}: ports are 1 to 65535")
    _check_number("--process-id", process, processes)
    return Place(f"--coordinator {coordinator}, --num-processes {processes}", processes, process, host, int(port))


def _launched_place() -> Place | None:
    """The place in which a launcher has started us; `jax.distributed` finds out the rest by itself."""
    for launcher in LAUNCHERS:
        told = os.environ.get(launcher.processes, "") if launcher.sign in os.environ else ""
        if told in ("", "1"):
            continue
        numbers = {}
        for name in (launcher.processes, launcher.process, *launcher.others):
            value = os.environ.get(name)
            if value is None or not re.fullmatch(r"[0-9]{1,18}", value):
                found = "is missing beside the other variables of the launcher" if value is None else f"is {value!r}"
                raise InputError(f"{name} {found}: a whole number is expected; {ALONE}")
            numbers[name] = int(value)
        processes, process = numbers[launcher.processes], numbers[launcher.process]
        _check_number(launcher.process, process, processes)
        job = numbers.get("SLURM_JOB_ID")
        port = None if job is None else (1 << 16) - (1 << 12) + job % (1 << 12)  # as JAX derives it from a Slurm job
        return Place(f"{launcher.processes}={told}", processes, process, port=port)
    workers = os.environ.get("TPU_WORKER_HOSTNAMES", "")
    if "," in workers:
        return Place("TPU_WORKER_HOSTNAMES", len(workers.split(",")))
    # a machine with TPU chips that JAX may use may be one of a slice
    wants_tpu = os.environ.get("JAX_PLATFORMS", "tpu").startswith("tpu") and find_spec("libtpu") is not None
    has_tpu = wants_tpu and any(any(Path("/dev").glob(chips)) for chips in ("accel[0-9]*", "vfio/[0-9]*"))
    return Place("a TPU slice") if has_tpu else None


def _check_number(name: str, process: int, processes: int) -> None:
    if process >= processes:
        raise InputError(f"{name} {process}: the numbers of {processes} processes are 0 to {processes - 1}")
