"""Processor time and memory as Linux counts them, from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # of /proc's clocks in a second


def peak(pid: int) -> float:
    """MiB, as Linux counts it."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM:") / 1024


def busy() -> float:
    """Seconds that all cores together have worked, for this machine or, stolen, for others on its host."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(rest)) / TICKS


def processor(pid: int) -> float:
    """Seconds of a process and of its children that have ended; 0 when it has ended itself."""
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15])) / TICKS
    except OSError:
        return 0.0


def private(pid: int) -> float:
    """MiB that a process shares with no other; 0 when it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup")
        return sum(_kilobytes(rollup, name) for name in ("Private_Clean:", "Private_Dirty:")) / 1024
    except OSError:
        return 0.0


def _kilobytes(file: Path, name: str) -> int:
    return int(file.read_text().partition(name)[2].split()[0])


def children(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, tasks.read_text().split())
