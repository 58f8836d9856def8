"""`gan doctor`: whether everything is there that training needs, and how to mend what is not. Without JAX in here."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gan_cli import backend, machine
from gan_cli.errors import printable
from gan_cli.remote import user_cache
from gan_cli.remote.place import is_url
from gan_cli.text import WIDTH, pairs, size
from gan_cli.version import PACKAGES, __version__

Status = Literal["ok", "warning", "broken"]
PATIENCE = 180.0  # seconds until JAX is taken for stuck
LITTLE_DISK, NO_DISK = 1 << 30, 64 << 20  # free bytes below which training is warned of, or cannot be
LITTLE_MEMORY = 1 << 30  # free bytes
SETTINGS = re.compile(r"(JAX|XLA|GAN|CUDA|NVIDIA|TPU|OMP|TF_CPP|TF_XLA)_\w+|LD_LIBRARY_PATH")
HIDDEN = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
FULL, PASSES, HALF = 1e-5, 1e-2, 2e-2  # errors of products: float32; float32 in quicker passes; bfloat16


class Check(NamedTuple):
    """One thing that was looked at, and what is wrong with it."""

    group: str  # "versions", "devices"
    name: str
    status: Status
    found: str
    mend: str = ""  # what to do, where it is not "ok"


def examine(data_dir: str | None) -> tuple[list[Check], float]:
    """All checks of this machine and installation, and how long they took, in seconds; nothing that is found is raised.

    data_dir: the folder with the data that a person named; None: $GAN_DATA_DIR.
    """
    began = time.perf_counter()
    found = [*_versions(), *_jax(data_dir), *_machine(), *_environment()]
    return found, time.perf_counter() - began


def _versions() -> Iterator[Check]:
    try:
        from gan_cli.doctor import requirements
    except ImportError:
        mend = "pip install packaging"
        yield Check("versions", "packaging", "warning", "not installed: versions cannot be compared", mend)
        return
    from packaging.specifiers import SpecifierSet

    wanted, here = requirements.python(), platform.python_version()
    right = SpecifierSet(wanted).contains(here, prereleases=True)
    mend = "" if right else f"make a virtual environment with Python {wanted}, and install gan-cli there"
    yield Check("versions", "python", "ok" if right else "broken", f"{here}, {sys.executable}", mend)
    yield Check("versions", "gan", "ok", f"{__version__}, {Path(__file__).parents[1]}")
    base = requirements.base()
    if not base:
        mend = "pip install gan-cli, or pip install -e . in a checkout"
        yield Check("versions", "requirements", "warning", "gan-cli is not installed: what it needs is not known", mend)
    for one in sorted(base, key=lambda one: one.name not in PACKAGES):
        if one.fits and one.name not in PACKAGES:
            continue
        has = one.found or "not installed"
        told = has if one.fits else f"{has}, where {one.wanted or 'any version'} is wanted"
        mend = "" if one.fits else f"pip install '{one.spelt}'"
        yield Check("versions", one.name, "ok" if one.fits else "broken", told, mend)
    others = sum(one.fits and one.name not in PACKAGES for one in base)
    if others:
        yield Check("versions", "others", "ok", f"{others} more packages, as gan-cli's metadata want them")
    for name, parts in requirements.extras().items():
        there = bool(parts) and all(part.fits for part in parts)
        told = "installed" if there else f"not installed; pip install 'gan-cli[{name}]'"
        yield Check("extras", name, "ok", told)


def _jax(data_dir: str | None) -> Iterator[Check]:
    """What the probe finds; it is a process of its own, because a wrong flag makes XLA abort."""
    named = data_dir or os.environ.get("GAN_DATA_DIR")
    there = named is None or Path(named).is_dir()
    if named and is_url(named):
        yield Check("data", "folder", "ok", f"{printable(named)}: at a URL, not looked at")
    elif not there:
        mend = "name the folder that holds mnist/ and the like, with --data-dir or GAN_DATA_DIR"
        yield Check("data", "folder", "broken", f"{named}: no such folder", mend)
    environment = {name: value for name, value in os.environ.items() if there or name != "GAN_DATA_DIR"}
    command = [sys.executable, "-m", "gan_cli.doctor.probe", *([named] if named and there else [])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        mend = "another process may hold the accelerator: end it, or set JAX_PLATFORMS=cpu"
        yield Check("devices", "jax", "broken", f"has not started after {PATIENCE:.0f} s", mend)
        return
    try:
        found = json.loads(done.stdout.splitlines()[-1])
        said, otherwise = found.get("error"), ""
    except (ValueError, IndexError):
        said, otherwise = done.stderr, f"ended with code {done.returncode}"
    if said is not None:  # by what JAX said before it ended
        problem, mend = backend.problem(said, otherwise)
        yield Check("devices", "jax", "broken", f"cannot be used: {problem}", mend)
        return
    yield from _devices(found)
    offline = os.environ.get("GAN_OFFLINE")
    absent = (
        "not here, and GAN_OFFLINE forbids to download it" if offline else "not here yet; downloaded when asked for"
    )
    for name, folders in found["data"].items():
        yield Check("data", name, "ok", ", ".join(folders) or absent)


def _devices(found: dict[str, Any]) -> Iterator[Check]:
    devices = found["devices"]
    kinds = ", ".join(sorted({device["kind"] for device in devices}))
    memory = f", {size(devices[0]['memory'])} each" if devices[0]["memory"] else ""
    told = f"{len(devices)} {found['platform']} ({kinds}){memory}, ready in {found['started']:.1f} s"
    yield Check("devices", "jax", "ok", told)
    for message in found["idle"]:
        problem, _, mend = message.removeprefix("WARNING: ").partition(". ")
        yield Check("devices", "idle", "warning", problem, mend)
    for name, error in found["precision"].items():
        is_half = name == "bfloat16"
        mend = 'set [train] precision = "float32"' if is_half else "set JAX_PLATFORMS=cpu, and report it"
        if isinstance(error, str):
            yield Check("devices", name, "warning" if is_half else "broken", error, mend)
            continue
        told = f"products are right to {error:.1e} of their largest value"
        if not error < (HALF if is_half else PASSES):  # NaN is wrong, too
            yield Check("devices", name, "broken", told, mend)
            continue
        if not is_half and error >= FULL:
            told += ": computed in quicker, coarser passes (JAX_DEFAULT_MATMUL_PRECISION=highest)"
        yield Check("devices", name, "ok", told)


def _machine() -> Iterator[Check]:
    """Processors, memory, and the folders that are written."""
    yield Check("machine", "cores", "ok", f"{machine.cores()} to be used of {os.cpu_count()}, {platform.machine()}")
    total, free = machine.memory()
    little = free < LITTLE_MEMORY
    mend = "end other programs, or train with a smaller [train] batch" if little else ""
    yield Check("machine", "memory", "warning" if little else "ok", f"{size(free)} free of {size(total)}", mend)
    here, runs = Path.cwd(), Path("runs")
    cache = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or user_cache() / "compilation")
    for name, folder, mend in (
        ("working folder", here, "cd to a folder of your own, or name a run's with --out"),
        ("runs", runs, "name another folder with --out"),
        ("cache", user_cache(), "set GAN_CACHE_DIR to a folder that can be written"),
        (
            "compilation cache",
            cache,
            "set GAN_CACHE_DIR to a folder that can be written; without, all is compiled anew",
        ),
    ):
        refusal = machine.refusal(folder)
        kept = f", {size(machine.folder_bytes(folder))}" if folder in (cache, runs) and folder.is_dir() else ""
        told = f"{folder.absolute()}{kept}" if refusal is None else f"cannot be written: {refusal}"
        yield Check("folders", name, "ok" if refusal is None else "warning", told, "" if refusal is None else mend)
    for name, folder in (("disk", here), ("disk of the cache", user_cache())):
        free = machine.room(folder)
        status: Status = "broken" if free < NO_DISK else "warning" if free < LITTLE_DISK else "ok"
        mend = "" if status == "ok" else "make room, or name a folder on another disk: --out, GAN_CACHE_DIR"
        yield Check("folders", name, status, f"{size(free)} free at {machine.existing(folder)}", mend)


def _environment() -> Iterator[Check]:
    for name, value in sorted(os.environ.items()):
        if SETTINGS.fullmatch(name):
            shown = "(hidden)" if HIDDEN.search(name) else re.sub(r"//[^/\s]*@", "//", value)
            yield Check("environment", name, "ok", shown)


def report(found: list[Check], seconds: float) -> dict[str, Any]:
    """The checks as plain JSON, with the number of each status; `seconds`: how long they took."""
    counts = {status: sum(check.status == status for check in found) for status in ("ok", "warning", "broken")}
    return {
        "well": not counts["broken"],
        **counts,
        "seconds": round(seconds, 2),
        "checks": [c._asdict() for c in found],
    }


def text(found: list[Check], seconds: float) -> str:
    """The checks for a person: what was found, group by group, and at the end what to mend."""
    groups: dict[str, dict[str, str]] = {}
    for check in found:
        mark = "" if check.status == "ok" else f"{check.status.upper()}: "
        groups.setdefault(check.group, {})[f"  {check.name}"] = f"{mark}{check.found}"
    parts = [f"{group}\n{pairs(lines)}" for group, lines in groups.items()]
    wrong = [check for check in found if check.status != "ok"]
    mends = [f"- {check.name}: {printable(check.found)}\n  mend: {check.mend}"[: 10 * WIDTH] for check in wrong]
    broken = any(check.status == "broken" for check in found)
    end = "something is broken" if broken else "warnings only: training works" if wrong else "all is well"
    return "\n\n".join([*parts, *(["\n".join(mends)] if mends else []), f"{end} ({seconds:.1f} s)"])
