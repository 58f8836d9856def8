"""This machine as far as the operating system knows it: processors, memory, folders. Without JAX."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

CGROUP = Path("/sys/fs/cgroup")


class Memory(NamedTuple):
    """Bytes."""

    total: int  # or what this container may have of it
    free: int  # that can be had without swapping


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> Memory:
    """The memory of the machine, or of the container where that has less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = _meminfo().get("MemAvailable", total)
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is not None and limit < total:
        return Memory(limit, min(free, limit - (used or 0)))
    return Memory(total, free)


def _meminfo() -> dict[str, int]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    except (OSError, ValueError, IndexError):  # another system
        return {}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max", or another system
        return None


def refusal(folder: Path) -> str | None:
    """Why nothing can be written into a folder, or where it would be made; None: it can."""
    there = existing(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"{there}: {error.strerror}"


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))


def room(folder: Path) -> int:
    """Bytes that are free where a folder is or would be made."""
    return shutil.disk_usage(existing(folder)).free


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; what goes away meanwhile counts nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue
    return total
