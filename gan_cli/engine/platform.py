"""Set-up of JAX that is the process's and not a run's: compilation cache, devices in use, idle accelerators."""

import os
from contextlib import suppress
from pathlib import Path

import jax

from gan_cli.data.store import user_cache

CACHE_BYTES = 2 * 2**30  # the compilation cache is kept below this by dropping what was used longest ago
ACCELERATORS = {
    "an NVIDIA GPU": ("nvidia[0-9]*", "pip install 'gan-cli[cuda]'"),
    "a TPU": ("accel[0-9]*", "pip install 'gan-cli[tpu]'"),
}


def start(*, cores: bool = False) -> list[str]:
    """Turn on the persistent compilation cache; returns warnings for the person.

    `cores`: on a CPU every core is a device of its own, for work that falls into independent parts.
    """
    if cores:
        _device_for_each_core()
    if not jax.config.values["jax_compilation_cache_dir"]:
        jax.config.update("jax_compilation_cache_dir", str(user_cache() / "compilation"))
        jax.config.update("jax_compilation_cache_max_size", CACHE_BYTES)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    return idle_accelerators()


def _device_for_each_core() -> None:
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return  # the person has said how many
    with suppress(RuntimeError):  # JAX runs already: it keeps the devices that it has
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)


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
    """The devices in use: "1 cpu device (cpu), jax 0.10.2"."""
    devices = jax.local_devices()
    kinds = sorted({d.device_kind for d in devices})
    plural = "s" if len(devices) > 1 else ""
    return f"{len(devices)} {devices[0].platform} device{plural} ({', '.join(kinds)}), jax {jax.__version__}"
