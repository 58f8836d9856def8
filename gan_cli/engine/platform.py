"""Set-up of JAX that is the process's and not a run's: compilation cache, devices in use, idle accelerators."""

import os
from pathlib import Path

import jax

from gan_cli import backend
from gan_cli.errors import InputError
from gan_cli.files import make_folder
from gan_cli.remote import user_cache
from gan_cli.remote.place import is_url

CACHE_BYTES = 2 * 2**30  # the compilation cache is kept below this by dropping what was used longest ago
ACCELERATORS = {
    "an NVIDIA GPU": ("nvidia[0-9]*", "pip install 'gan-cli[cuda]'"),
    "a TPU": ("accel[0-9]*", "pip install 'gan-cli[tpu]'"),
}


def start() -> list[str]:
    """Start JAX with a persistent compilation cache; returns warnings for the person.

    Raises InputError, with how to mend it, where JAX cannot start.
    """
    backend.devices()
    return [*_cache_programs(), *idle_accelerators()]


def _cache_programs() -> list[str]:
    """Turn the persistent compilation cache on, or off where it cannot be written: JAX would warn of each program."""
    chosen = jax.config.values["jax_compilation_cache_dir"]
    if not chosen:
        jax.config.update("jax_compilation_cache_dir", str(user_cache() / "compilation"))
        jax.config.update("jax_compilation_cache_max_size", CACHE_BYTES)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    elif is_url(chosen):
        return []
    folder = Path(jax.config.values["jax_compilation_cache_dir"])
    try:
        make_folder(folder, f"set {'JAX_COMPILATION' if chosen else 'GAN'}_CACHE_DIR to a folder that can be")
    except InputError as error:
        jax.config.update("jax_enable_compilation_cache", False)
        return [f"WARNING: programs are compiled anew each time: {error}"]
    return []


def idle_accelerators(devices: Path = Path("/dev")) -> list[str]:
    """A warning for each accelerator of this machine that JAX does not use, unless JAX_PLATFORMS says so."""
    if jax.default_backend() != "cpu" or os.environ.get("JAX_PLATFORMS"):
        return []
    return [
        f"WARNING: this machine has {name}, but JAX runs on the CPU. Install support for it ({install}), "
        "or set JAX_PLATFORMS=cpu to silence this."
        for name, (files, install) in ACCELERATORS.items()
        if any(devices.glob(files))
    ]


def describe() -> str:
    """The devices in use: "1 cpu device (cpu), jax 0.10.2", of all processes of the job."""
    devices = jax.devices()
    kinds = sorted({d.device_kind for d in devices})
    plural = "s" if len(devices) > 1 else ""
    spread = f" in {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"{len(devices)} {devices[0].platform} device{plural} ({', '.join(kinds)}){spread}, jax {jax.__version__}"
