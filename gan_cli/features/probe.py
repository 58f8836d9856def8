"""A trial in a process of its own: files whose parsers are native code that damage can make crash or eat all memory.

`python -m gan_cli.features.probe_child` reads an exported program from stdin, within limits. Whether it is sound is for
its caller to say again: all that this tells is that reading it has an end, and leaves the process alive.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from gan_cli.errors import DamagedError

MEMORY = 1 << 30  # bytes that reading may take, besides EACH for a byte of the file
EACH = 8
SECONDS = 60  # of processor time, besides one for each 4 MiB of the file
PATIENCE = 10  # seconds of waiting for each of those: the machine may be busy
TOO_LARGE = 3  # exit code: memory is at its end


def check_readable(data: bytes) -> None:
    """Raise DamagedError when reading an exported program kills a process, or exceeds its time or memory."""
    if not _begins_well(data):  # its parser stops at once, and it is for the caller to say so
        return
    seconds = SECONDS + len(data) // (4 << 20)
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "gan_cli.features.probe_child", str(seconds)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}
    try:
        ended = subprocess.run(
            command, input=data, env=environment, capture_output=True, timeout=PATIENCE * seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise DamagedError(f"reading it has no end: given up after {PATIENCE * seconds} seconds") from None
    if ended.returncode:
        raise DamagedError(f"reading it {_why(ended, seconds)}")


def _begins_well(data: bytes) -> bool:
    """Whether the first two references of a flatbuffer, to its root and from there to its layout, lie in the file."""
    root = int.from_bytes(data[:4], "little")
    if not 4 <= root <= len(data) - 4:
        return False
    layout = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    return 0 <= layout <= len(data) - 4


def _why(ended: subprocess.CompletedProcess[bytes], seconds: int) -> str:
    if ended.returncode == TOO_LARGE:
        return f"takes more than {MEMORY >> 20} MiB of memory"
    if ended.returncode == -signal.SIGXCPU:
        return f"takes more than {seconds} seconds"
    if ended.returncode < 0:
        return f"ends a process with {signal.Signals(-ended.returncode).name}"
    return f"fails in a process of its own: {ended.stderr.decode(errors='replace').strip()[-200:]}"
