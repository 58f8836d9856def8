"""Exported programs read from a file's bytes, on trial first: their parser is native code that damage can crash.

`check_readable` has `python -m gan_cli.features.probe` read the bytes from stdin in a process of its own, within limits
of time and memory. That shows only that reading them ends and leaves the process alive. Whether the program is sound is
for the caller to find out with `read_program`.
"""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from jax import export
from jax.interpreters import mlir

from gan_cli.errors import DamagedError

MEMORY = 1 << 30  # bytes that reading may take, besides EACH for a byte of the file
EACH = 8
SECONDS = 60  # of processor time, besides one for each 4 MiB of the file
PATIENCE = 10  # seconds of waiting for each of those: the machine may be busy
TOO_LARGE = 3  # exit code: no more memory


def read_program(data: bytes) -> tuple[export.Exported, set[str]]:
    """The program in a file's bytes, and the names of all that it calls outside of StableHLO; nothing of it runs.

    Raises any error at all where the bytes are damaged.
    """
    program = export.deserialize(bytearray(data))
    calls = set()

    def note_call(operation: mlir.ir.Operation) -> mlir.ir.WalkResult:
        if operation.name.endswith("custom_call"):  # of whichever dialect
            calls.add(str(operation.attributes["call_target_name"]).strip('"'))
        return mlir.ir.WalkResult.ADVANCE

    with mlir.make_ir_context():
        program.mlir_module(serialized=False).operation.walk(note_call)
    return program, calls


def check_readable(data: bytes) -> None:
    """Raise DamagedError when reading an exported program kills a process, or exceeds its time or memory.

    Bytes that the parser would refuse at once are left for the caller to try.
    """
    # the first two references of a flatbuffer, to its root and from there to its layout, must lie in the file
    root = int.from_bytes(data[:4], "little")
    if not 4 <= root <= len(data) - 4:
        return
    layout = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    if not 0 <= layout <= len(data) - 4:
        return
    seconds = SECONDS + len(data) // (4 << 20)
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "gan_cli.features.probe", str(seconds)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}
    try:
        ended = subprocess.run(
            command, input=data, env=environment, capture_output=True, timeout=PATIENCE * seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise DamagedError(f"reading it has no end: given up after {PATIENCE * seconds} seconds") from None
    if not ended.returncode:
        return
    if ended.returncode == TOO_LARGE:
        why = f"takes more than {MEMORY >> 20} MiB of memory"
    elif ended.returncode == -signal.SIGXCPU:
        why = f"takes more than {seconds} seconds"
    elif ended.returncode < 0:
        why = f"ends a process with {signal.Signals(-ended.returncode).name}"
    else:
        why = f"fails in a process of its own: {ended.stderr.decode(errors='replace').strip()[-200:]}"
    raise DamagedError(f"reading it {why}")


def main() -> None:
    """Read a program from stdin within limits; end with code 0, TOO_LARGE, or by a signal.

    The only argument is the processor time in seconds.
    """
    data = sys.stdin.buffer.read()
    try:  # the private memory that this process has by now
        taken = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except OSError:
        taken = 0
    for what, most in (
        (resource.RLIMIT_CPU, int(sys.argv[1])),
        (resource.RLIMIT_DATA, taken + MEMORY + EACH * len(data)),  # not RLIMIT_AS: XLA reserves more than it takes
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, hard))
    try:
        read_program(data)
    except MemoryError:
        sys.exit(TOO_LARGE)
    except Exception:  # any at all: the caller meets it again, and says what it means
        pass


if __name__ == "__main__":
    main()
