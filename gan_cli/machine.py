"""What the operating system says of this machine: processors, memory, disks. Without JAX."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

CGROUP = Path("/sys/fs/cgroup")


class Memory(NamedTuple):
    """Memory of the machine or of its container, in bytes."""

    total: int  # the machine's memory, or the container's limit
    free: int  # what can be had without swapping


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> Memory:
    """Return the memory of the machine, or of the container where that has less."""
    total = free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # another system has no such file
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")  # "MemAvailable:    5123456 kB"
            if name == "MemAvailable":
                free = int(value.removesuffix("kB")) * 1024
    limit, used = total, 0
    with suppress(OSError, ValueError):  # "max" is no limit, and another system has no such file
        limit = int((CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
    return Memory(limit, min(free, limit - used)) if limit < total else Memory(total, free)


def refusal(folder: Path) -> str | None:
    """Return why nothing can be written into a folder, or where it would be made; None if it can be."""
    there = existing(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"{there}: {error.strerror}"


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))


def room(folder: Path) -> int:
    """Return the number of free bytes where a folder is or would be made."""
    return shutil.disk_usage(existing(folder)).free


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue
    return total
