"""JAX is started here, and what keeps it from starting is said in our words, with how to mend it. Quick to import."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from gan_cli.errors import InputError

if TYPE_CHECKING:
    import jax

LONGEST = 300  # characters of what JAX said
ADVICE = " (set JAX_PLATFORMS=''"  # JAX's own, which is ours in other words
FLAGS = "XLA_FLAGS"
FLAG_SIGNS = (f"Unknown flag in {FLAGS}", "for flag xla_", f'"{FLAGS}"')  # what XLA says of them before it ends
READ_FLAGS = "from jaxlib import _jax; _jax.CompileOptions()"
REINSTALL = "pip install --force-reinstall 'jax>=0.10' 'jaxlib>=0.10'"
EXTRAS = {"cuda": "cuda", "gpu": "cuda", "tpu": "tpu"}  # platform of JAX -> ours
OTHERS = (FLAGS, "CUDA_VISIBLE_DEVICES", "LIBTPU_INIT_ARGS")  # variables that JAX reads, beside its own
LOGGED = re.compile(r"^[IWEF][0-9]+ [^]]*\] ")  # what a log of C++ has before its message
PATIENCE = 60  # seconds that reading the flags may take


class Problem(NamedTuple):
    """What keeps JAX from starting."""

    found: str
    mend: str


def devices() -> list["jax.Device"]:
    """All devices of the job, JAX started where it is not yet; raises InputError when it cannot be."""
    import jax

    check_flags(os.environ.get(FLAGS, ""))
    try:
        return jax.devices()
    except Exception as error:  # RuntimeError, AssertionError: whatever a backend, or JAX without one, makes of it
        raise _refused(str(error) or f"what JAX_PLATFORMS asks for is not installed ({type(error).__name__})") from None


@contextmanager
def importing_jax() -> Iterator[None]:
    """Turn what JAX raises while it is imported, of a variable or an installation that is wrong, into an InputError."""
    try:
        yield
    except Exception as error:
        if "jax" in sys.modules or not _of_jax(error):
            raise
        raise _refused(f"{type(error).__name__}: {error}") from None


def _of_jax(error: Exception) -> bool:
    """Whether JAX was being imported when it was raised, or is not there."""
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] in ("jax", "jaxlib"):
        return True
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__") == "jax":
            return True
        step = step.tb_next
    return False


@cache
def check_flags(flags: str) -> None:
    """Raise InputError for XLA_FLAGS that XLA would not take: another process reads them, because XLA aborts it."""
    if not flags:
        return
    try:
        read = subprocess.run(
            [sys.executable, "-c", READ_FLAGS],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # nothing is known of them
    if read.returncode and any(sign in read.stderr for sign in FLAG_SIGNS):
        raise _refused(read.stderr)


def _refused(said: str) -> InputError:
    found, mend = problem(said)
    return InputError(f"JAX cannot start: {found}\n{mend}\ngan doctor looks at the whole machine")


def problem(said: str, otherwise: str = "") -> Problem:
    """From what JAX or XLA said before it ended; `otherwise`: what is known where that is nothing."""
    lines = [LOGGED.sub("", line) for line in said.splitlines() if line.strip()]
    for sign in FLAG_SIGNS:
        if wrong := [line for line in lines if sign in line]:
            mend = f"take that flag out of {FLAGS}, or unset {FLAGS}"
            return Problem(wrong[0][-LONGEST:], mend)
    last = (lines[-1] if lines else otherwise).partition(ADVICE)[0].rstrip(": ")[-LONGEST:]
    named = [name for name in _settings() if name.lower() in last.lower()]
    suspects = [] if "No module named" in last else named or _settings()
    ways = [f"{name} is {os.environ[name]!r}: unset or correct it" for name in suspects]
    wanted = os.environ["JAX_PLATFORMS"] if "JAX_PLATFORMS" in suspects else ""
    ways += [f"pip install 'gan-cli[{extra}]'" for name, extra in EXTRAS.items() if name in wanted]
    return Problem(last, ", or ".join(ways if named else [*ways, REINSTALL]))


def _settings() -> Sequence[str]:
    """The variables that JAX reads, as far as they are set."""
    return sorted(name for name in os.environ if name.startswith("JAX_") or name in OTHERS)
