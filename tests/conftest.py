"""Shared set-up: two virtual CPU devices, quick compilation, a cache for the test run, the real data where they are."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

# Tests compile longer than they compute: level 0 of the backend and, where jaxlib has it still, its older emitter of
# fusions, in one piece (a third of the time; an unknown flag aborts). The mathematics is the same.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
        if version("jaxlib").startswith("0.10.")
        else "",
    ]
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["GAN_OFFLINE"] = "1"

import jax
import pytest

pytest_plugins = ["browser", "untrained"]  # fixtures of files beside this one

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder of the real MNIST files."""
    if not (SHARED / "mnist").is_dir():
        pytest.skip("real MNIST is not at ../shared/data/mnist")
    return SHARED / "mnist"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A folder of this session's that all of its workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(shared_folder):
    """Compile each program once for all tests of a session, and keep the user's cache folder untouched."""
    os.environ["GAN_CACHE_DIR"] = str(shared_folder / "gan-cache")


@pytest.fixture(scope="session")
def quick(request) -> bool:
    """Whether this is `make test`, which takes recipes and pages that stand for the others, and smaller programs."""
    return "not slow" in request.config.option.markexpr


@pytest.fixture(scope="module", autouse=True)
def _forget_programs():
    """Give back the memory of a module's programs: each holds mappings, of which a process may have 65,530."""
    yield
    jax.clear_caches()


@pytest.fixture
def gan(capsys, monkeypatch):
    """Run `gan ...` in this process: (exit code, stdout, stderr)."""
    from gan_cli.__main__ import main

    def call(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gan", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call
