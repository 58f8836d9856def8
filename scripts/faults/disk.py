"""Disks that are full or read-only, and processes that want one run folder. Mounting asks for root."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fork
from compare import differences, unreadable
from ground import MIDDLE, Ground, Tally, wrong
from life import until
from table import Row

SIZE = 8 * 2**20  # bytes of the small disk
ROOMS = (0, 4, 20, 60, 100, 150, 250, 400)  # KiB left on it when training goes on
SIDE_BY_SIDE = 4  # pairs of processes started at once


@contextmanager
def small_disk(path: Path, size: int = SIZE) -> Iterator[Path]:
    """A file system of so many bytes in memory."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "faults", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def small(ground: Ground) -> list[Row]:
    """Disks that are full or read-only; nothing without root."""
    if os.geteuid():
        ground.note("no root: disks were not tried")
        return []
    return [_read_only(ground), _in_the_way(ground), _small(ground)]


def _small(ground: Ground) -> Row:
    """A small disk with hardly any room, then with room again."""
    tally = Tally("disk full while training", ground.note)
    codes = []
    for room in ROOMS:
        with small_disk(ground.scratch / "disk") as disk:
            code, problems = _full(ground, disk, room)
        codes.append(code)
        tally.add(f"{room} KiB left", problems)
    remark = f"tmpfs with {ROOMS[0]} to {ROOMS[-1]} KiB left; exit codes {', '.join(map(str, sorted(set(codes))))}"
    return tally.row(remark)


def _full(ground: Ground, disk: Path, room: int) -> tuple[int, list[str]]:
    """Train with `room` KiB left: a clear message, checkpoints whole; then with room: the same end."""
    folder = ground.copy(disk / "run")
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    ballast.write_bytes(bytes(max(free.f_bavail * free.f_frsize - room * 1024, 0)))
    said = ground.train(folder)
    problems = [] if said.clean else [f"a traceback: {said.text[-600:]}"]
    problems += [] if said.code in (0, 1, 2) else [f"exit code {said.code}: {said.text[-300:]}"]
    if said.code:
        ground.note(f"{room} KiB left: {said.code}, {said.text.strip().splitlines()[-1]}")
        clear = "cannot be written" in said.text and "No space left" in said.text and str(disk) in said.text
        problems += [] if clear else [f"not a clear message: {said.text[-300:]}"]
    problems += unreadable(folder)
    known = [int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdecimal()]
    problems += [] if known and max(known) >= MIDDLE else [f"checkpoints lost: {known}"]
    ballast.unlink()
    problems += wrong(ground.train(folder), 0)
    return said.code, problems + differences(folder, ground.whole)


def _read_only(ground: Ground) -> Row:
    """A run on a file system that is read-only: refused, and drawn from all the same."""
    tally = Tally("file system read-only", ground.note)
    with small_disk(ground.scratch / "disk") as disk:
        folder = ground.copy(disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        tally.add("train", wrong(ground.train(folder), 2, str(folder), "cannot be written"))
        out = ground.scratch / "read-only.png"
        tally.add("sample", wrong(ground.gan("sample", "--ckpt", folder, "--n", 4, "--out", out), 0))
        tally.add("eval", wrong(ground.gan("eval", "--ckpt", folder, "--metric", "fid", "--n", 64), 0))
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        tally.add("train when it can be written", wrong(ground.train(folder), 0))
        tally.add("its end", differences(folder, ground.whole))
    return tally.row("train refused with exit code 2; sample and eval work")


def _in_the_way(ground: Ground) -> Row:
    """Files where folders should be, and a folder that nobody may change."""
    tally = Tally("a file or a locked folder in the way", ground.note)
    for name in ("", "samples", "checkpoints"):
        folder = ground.scratch / "way"
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("something else")
        problems = wrong(ground.train(folder), 2, str(folder))
        kept = (folder / name).read_text() == "something else"
        tally.add(f"a file at {name or 'the run folder'}", problems + ([] if kept else ["the file is gone"]))
    folder = ground.copy()
    subprocess.run(["chattr", "+i", str(folder)], check=True)
    try:
        problems = wrong(ground.train(folder), 2, str(folder), "cannot be written")
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)
    tally.add("chattr +i", problems)
    return tally.row("refused with exit code 2, nothing touched")


def locked(ground: Ground) -> list[Row]:
    """Two processes on one run folder; and a lock whose holder was killed."""
    return [_second(ground), _at_once(ground)]


def _second(ground: Ground) -> Row:
    """One trains, another is refused; the first is killed, and the folder is free at once."""
    tally = Tally("a second process while one trains, then SIGKILL of the first", ground.note)
    for number in range(SIDE_BY_SIDE):
        folder = ground.copy()
        first = fork.begin(ground.context, ground.command(folder), ground.scratch / "first")
        _wait_for_lock(folder, first)
        first.send_signal(signal.SIGSTOP)  # it must not have ended before the second one looks
        problems = wrong(ground.train(folder), 2, str(folder), "another process", str(first.pid))
        first.kill()
        first.wait()
        problems += wrong(ground.train(folder), 0)
        tally.add(str(number), problems + differences(folder, ground.whole))
    return tally.row("the second refused with exit code 2, the third trains at once")


def _wait_for_lock(folder: Path, process: fork.Child) -> None:
    until(process, lambda: (folder / ".lock.json").exists())


def _at_once(ground: Ground) -> Row:
    """Two processes started at the same moment: one trains, the other is refused or finds the work done."""
    tally = Tally("two processes started at once", ground.note)
    for number in range(SIDE_BY_SIDE):
        folder = ground.copy()
        files = [ground.scratch / f"said-{i}" for i in range(2)]
        both = [fork.begin(ground.context, ground.command(folder), file) for file in files]
        codes = sorted(process.wait() for process in both)
        problems = [] if codes in ([0, 2], [0, 0]) else [f"exit codes {codes}"]
        problems += ["a traceback"] if any("Traceback" in file.read_text() for file in files) else []
        tally.add(str(number), problems + differences(folder, ground.whole))
    return tally.row("one trained, the other was refused or came after it")
