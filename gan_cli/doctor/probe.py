"""What only JAX knows of this machine, as one JSON object on stdout: run in a process of its own, which may crash."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

SIDE = 128  # rows and columns of the matrices that are multiplied


def main() -> None:
    """`python -m gan_cli.doctor.probe [DATA_DIR]`."""
    began = time.perf_counter()
    import jax

    devices = jax.devices()
    started = time.perf_counter() - began  # seconds
    memory: list[int | None] = []  # bytes of each accelerator
    for device in devices:
        try:
            memory.append((device.memory_stats() or {}).get("bytes_limit"))
        except Exception:  # what a backend without statistics makes of the question
            memory.append(None)
    found: dict[str, Any] = {
        "platform": devices[0].platform,
        "devices": [
            {"kind": device.device_kind, "memory": bytes_} for device, bytes_ in zip(devices, memory, strict=True)
        ],
        "started": started,
        "precision": {name: _product_error(name) for name in ("float32", "bfloat16")},
        "cache": jax.config.values["jax_compilation_cache_dir"],
    }
    from gan_cli.engine.platform import idle_accelerators

    found["idle"] = idle_accelerators()
    found["data"] = _folders_of_data(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(json.dumps(found))


def _product_error(dtype: str) -> float | str:
    """How far a matrix product in `dtype` is from NumPy's in float64, over its largest value; or why there is none."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    a, b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE))
    try:
        a, b = (jnp.asarray(x, dtype) for x in (a, b))
        made = np.asarray(jax.jit(jnp.matmul)(a, b), np.float64)
    except Exception as error:  # whatever a backend that lacks the type raises
        return f"{type(error).__name__}: {error}"[:300]
    true = np.asarray(a, np.float64) @ np.asarray(b, np.float64)
    return float(np.abs(made - true).max() / np.abs(true).max())


def _folders_of_data(data_dir: Path | None) -> dict[str, list[str]]:
    """Data set -> the folders in which files of it are, by their names: nothing is read."""
    from gan_cli.data.store import Store, origins

    store = Store.from_environment(data_dir)
    folders: dict[str, set[str]] = {}
    for origin in origins().values():
        here = folders.setdefault(origin.dataset, set())
        for asset in origin.files:
            own, cached = store.find_own(origin.dataset, asset), store.cache_dir / origin.dataset / asset.name
            if own is not None:
                here.add(str(own.parent))
            if os.path.isfile(cached):
                here.add(str(cached.parent))
    return {name: sorted(found) for name, found in folders.items()}


if __name__ == "__main__":
    try:
        main()
    except Exception as failure:  # whatever keeps JAX from starting: the other process says it
        print(json.dumps({"error": f"{type(failure).__name__}: {failure}".rstrip(": ")[:300]}))
