"""Starts JAX, and says in our words what keeps it from starting and how to mend that. Quick to import."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from traceback import walk_tb
from typing import TYPE_CHECKING

from gan_cli.errors import InputError

if TYPE_CHECKING:
    import jax

LONGEST = 300  # characters of JAX's message that are repeated
ADVICE = " (set JAX_PLATFORMS=''"  # where JAX's own advice begins: ours says the same
FLAGS = "XLA_FLAGS"
FLAG_SIGNS = (f"Unknown flag in {FLAGS}", "for flag xla_", f'"{FLAGS}"')  # what XLA prints before it aborts
READ_FLAGS = "from jaxlib import _jax; _jax.CompileOptions()"
REINSTALL = "pip install --force-reinstall 'jax>=0.10' 'jaxlib>=0.10'"
EXTRAS = {"cuda": "cuda", "gpu": "cuda", "tpu": "tpu"}  # JAX's platform -> our extra
OTHERS = (FLAGS, "CUDA_VISIBLE_DEVICES", "LIBTPU_INIT_ARGS")  # variables that JAX reads besides JAX_*
LOGGED = re.compile(r"^[IWEF][0-9]+ [^]]*\] ")  # prefix of a message in a C++ log
PATIENCE = 60  # seconds that reading the flags may take


def devices() -> list["jax.Device"]:
    """Return all devices of the job, starting JAX if need be; raises InputError when it cannot start."""
    import jax

    check_flags(os.environ.get(FLAGS, ""))
    try:
        return jax.devices()
    except Exception as error:  # RuntimeError, AssertionError or another, by backend
        raise _refused(str(error) or f"what JAX_PLATFORMS asks for is not installed ({type(error).__name__})") from None


@contextmanager
def importing_jax() -> Iterator[None]:
    """Turn an exception from JAX's import, because of a variable or a broken installation, into an InputError.

    Other exceptions in the block, and those of a JAX that is imported already, pass unchanged.
    """
    try:
        yield
    except Exception as error:
        is_missing = isinstance(error, ImportError) and (error.name or "").partition(".")[0] in ("jax", "jaxlib")
        in_jax = any(frame.f_globals.get("__name__") == "jax" for frame, _ in walk_tb(error.__traceback__))
        if "jax" in sys.modules or not (is_missing or in_jax):
            raise
        raise _refused(f"{type(error).__name__}: {error}") from None


@cache
def check_flags(flags: str) -> None:
    """Raise InputError for XLA_FLAGS that XLA would refuse.

    XLA aborts its process when it meets such flags, so another process reads them first.
    """
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
        return  # nothing is known about the flags
    if read.returncode and any(sign in read.stderr for sign in FLAG_SIGNS):
        raise _refused(read.stderr)


def _refused(said: str) -> InputError:
    """The InputError for a JAX that ended with the message `said`."""
    found, mend = problem(said)
    return InputError(f"JAX cannot start: {found}\n{mend}\ngan doctor looks at the whole machine")


def problem(said: str, otherwise: str = "") -> tuple[str, str]:
    """Return what keeps JAX from starting, and how to mend it.

    `said` is what JAX or XLA printed before it ended, `otherwise` what stands for it when that was nothing.
    """
    lines = [LOGGED.sub("", line) for line in said.splitlines() if line.strip()]
    for sign in FLAG_SIGNS:
        if wrong := [line for line in lines if sign in line]:
            mend = f"take that flag out of {FLAGS}, or unset {FLAGS}"
            return wrong[0][-LONGEST:], mend
    last = (lines[-1] if lines else otherwise).partition(ADVICE)[0].rstrip(": ")[-LONGEST:]
    # Without a variable that the message names, any that is set may be the cause, or the installation.
    settings = sorted(name for name in os.environ if name.startswith("JAX_") or name in OTHERS)
    named = [name for name in settings if name.lower() in last.lower()]
    suspects = [] if "No module named" in last else named or settings
    ways = [f"{name} is {os.environ[name]!r}: unset or correct it" for name in suspects]
    wanted = os.environ["JAX_PLATFORMS"] if "JAX_PLATFORMS" in suspects else ""
    ways += [f"pip install 'gan-cli[{extra}]'" for name, extra in EXTRAS.items() if name in wanted]
    return last, ", or ".join(ways if named else [*ways, REINSTALL])
