"""What keeps JAX from starting is said in one message that names what to mend."""

import os
import subprocess
import sys

import jax
import pytest

from gan_cli import backend
from gan_cli.engine import platform
from gan_cli.errors import InputError, StorageError
from gan_cli.remote import user_cache


def ended(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """`gan` in a process of its own, JAX being started there."""
    command = [sys.executable, "-m", "gan_cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "value", "arguments"),
    [
        ("JAX_PLATFORMS", "cuda", ["recipe", "check", "ring", "--data"]),
        ("JAX_ENABLE_X64", "maybe", ["recipe", "check", "ring"]),
        ("XLA_FLAGS", "--xla_force_host_platform_device_count=two", ["recipe", "check", "ring", "--data"]),
    ],
)
def test_a_variable_that_keeps_jax_from_starting_is_named(name, value, arguments):
    code, out, err = ended(*arguments, **{name: value})
    assert (code, out) == (2, "")
    assert err.startswith("error: JAX cannot start: ")
    assert name in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 3


def test_the_python_interface_says_it_too():
    code = "import gan_cli\ntry: gan_cli.load\nexcept Exception as e: print(type(e).__name__)"
    variables = {**os.environ, "JAX_ENABLE_X64": "maybe"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert done.stdout == "InputError\n"


@pytest.mark.parametrize(
    ("said", "variables", "found", "mend"),
    [
        (
            "Unable to initialize backend 'tpu': no libtpu.so (set JAX_PLATFORMS='' to automatically choose one)",
            {"JAX_PLATFORMS": "tpu"},
            "Unable to initialize backend 'tpu': no libtpu.so",
            "JAX_PLATFORMS is 'tpu': unset or correct it, or pip install 'gan-cli[tpu]'",
        ),
        ("I: x\nF1 1:2 a.cc:9] Unknown flag in XLA_FLAGS: --a", {}, "Unknown flag in XLA_FLAGS: --a", "XLA_FLAGS"),
        (
            "bad",
            {"JAX_A": "1", "CUDA_VISIBLE_DEVICES": "9"},
            "bad",
            "CUDA_VISIBLE_DEVICES is '9': unset or correct it, or JAX_A is '1': unset",
        ),
        ('Invalid value "x" for JAX flag jax_b', {"JAX_A": "1", "JAX_B": "x"}, "Invalid value", "JAX_B is 'x': unset"),
        ("No module named 'jax'", {"JAX_A": "1"}, "No module named", "pip install --force-reinstall"),
        ("jaxlib is too old", {}, "jaxlib is too old", "pip install --force-reinstall"),
    ],
)
def test_words_for_what_jax_says(monkeypatch, said, variables, found, mend):
    for name in [name for name in os.environ if name.startswith("JAX_") or name in backend.OTHERS]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    problem, way = backend.problem(said)
    assert problem.startswith(found)
    assert mend in way


def test_flags_of_xla_are_read_before_it_aborts(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_of_another_version=1")
    with pytest.raises(InputError, match="Unknown flag in XLA_FLAGS: --xla_of_another_version=1"):
        backend.check_flags("--xla_of_another_version=1")


@pytest.fixture
def caches():
    """JAX's own settings of its cache, given back."""
    names = ("jax_compilation_cache_dir", "jax_compilation_cache_max_size", "jax_enable_compilation_cache")
    before = {name: jax.config.values[name] for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize("chosen", [False, True])
def test_a_cache_that_cannot_be_written_is_one_notice(caches, monkeypatch, tmp_path, chosen):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path / "file"))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "file" / "x") if chosen else None)
    (message,) = platform._cache_programs()
    assert "programs are compiled anew each time" in message
    assert ("JAX_COMPILATION_CACHE_DIR" if chosen else "GAN_CACHE_DIR") in message
    assert not jax.config.values["jax_enable_compilation_cache"]


def test_a_user_without_a_home_has_a_cache_that_cannot_be_made(monkeypatch):
    monkeypatch.delenv("GAN_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(platform.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(OSError, match="Not a directory"):
        user_cache().mkdir(parents=True)


def test_a_full_cache_costs_time_and_nothing_else(monkeypatch, tmp_path):
    from gan_cli.metrics import cache

    def full(*_) -> None:
        raise StorageError("full")

    monkeypatch.setattr(cache, "save_statistics", full)
    sample = cache.Sample(None)
    assert cache.cached(tmp_path, "x", None, lambda: sample) is sample


def test_what_libraries_warn_of_is_not_shown(tmp_path):
    code = (
        "import logging, warnings\nfrom gan_cli.__main__ import _quiet\n_quiet()\n"
        "warnings.warn('a warning')\nlogging.getLogger('a.library').warning('a log')\n"
    )
    for variables, shown in (({}, False), ({"PYTHONWARNINGS": "default"}, True)):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **variables}, check=True
        )
        assert ("a warning" in done.stderr) == shown
        assert "a log" not in done.stderr
