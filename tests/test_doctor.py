"""`gan doctor`: what is well, what is broken, and how to mend it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli import machine
from gan_cli.doctor import doctor, requirements
from gan_cli.doctor.doctor import Check


def checks(report) -> dict[tuple[str, str], dict]:
    return {(check["group"], check["name"]): check for check in report["checks"]}


@pytest.fixture(scope="module")
def own():
    """What the doctor says of this machine as it is."""
    return doctor.examine(None)


def test_this_machine_is_well(own, monkeypatch):
    found, seconds = own
    report = doctor.report(found, seconds)
    assert report["well"], [check for check in report["checks"] if check["status"] == "broken"]
    by_name = checks(report)
    assert "cpu" in by_name["devices", "jax"]["found"]
    assert by_name["devices", "float32"]["status"] == by_name["devices", "bfloat16"]["status"] == "ok"
    assert by_name["versions", "jax"]["found"].startswith("0.")
    assert "free of" in by_name["machine", "memory"]["found"]
    assert by_name["environment", "JAX_PLATFORMS"]["found"] == "cpu"
    assert ("data", "mnist") in by_name
    text = doctor.text(found, seconds)
    assert max(map(len, text.splitlines())) <= 100
    assert f"({seconds:.1f} s)" in text


def answers(monkeypatch, stdout="", stderr="", code=0):
    """The probe answers so."""
    done = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: done)


@pytest.mark.parametrize(
    ("stdout", "stderr", "found", "mend"),
    [
        ("", "E0000 parse_flags: Unknown flag in XLA_FLAGS: --foo", "--foo", "XLA_FLAGS"),
        ('{"error": "ModuleNotFoundError: No module named \'jax\'"}', "", "No module named 'jax'", "pip install"),
        ("", "", "ended with code 3", "pip install"),
    ],
)
def test_a_jax_that_does_not_start_is_broken_and_the_rest_still_said(gan, monkeypatch, stdout, stderr, found, mend):
    monkeypatch.delenv("JAX_PLATFORMS")
    answers(monkeypatch, stdout, stderr, 3)
    code, out, _ = gan("doctor", "--json")
    assert code == 1
    report = json.loads(out)
    jax = checks(report)["devices", "jax"]
    assert jax["status"] == "broken"
    assert found in jax["found"]
    assert mend in jax["mend"]
    assert ("machine", "memory") in checks(report)


def test_without_jax_the_command_still_runs(tmp_path):
    """A process in which JAX cannot be imported, nor in those it starts."""
    (tmp_path / "jax.py").write_text("raise ImportError('this jax is broken')")
    code = "import sys; sys.argv = ['gan', 'doctor', '--json']; from gan_cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 1, done.stderr
    jax = checks(json.loads(done.stdout))["devices", "jax"]
    assert "this jax is broken" in jax["found"]
    assert jax["mend"]


def test_an_accelerator_that_is_stuck_or_idle_is_told(monkeypatch):
    def stuck(*_, **__):
        raise subprocess.TimeoutExpired("probe", 1)

    monkeypatch.setattr(doctor.subprocess, "run", stuck)
    (check,) = doctor._jax(None)
    assert check.status == "broken"
    assert "JAX_PLATFORMS=cpu" in check.mend
    said = {
        "platform": "cpu",
        "devices": [{"kind": "cpu", "memory": None}],
        "started": 1.0,
        "idle": ["WARNING: this machine has a TPU, but JAX runs on the CPU. Install support for it (pip install x)."],
        "precision": {"float32": 1e-3, "bfloat16": "NotImplementedError: no"},
        "data": {"mnist": ["/d"]},
    }
    answers(monkeypatch, json.dumps(said))
    found = {check.name: check for check in doctor._jax(None)}
    assert found["idle"].status == "warning"
    assert "pip install x" in found["idle"].mend
    assert "coarser" in found["float32"].found
    assert found["bfloat16"].status == "warning"
    assert "float32" in found["bfloat16"].mend


def test_every_problem_says_how_to_mend_it(gan, monkeypatch, tmp_path):
    answers(monkeypatch, '{"error": "x"}')
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(2 << 30, 1 << 20))
    monkeypatch.setattr(machine, "room", lambda _: 1 << 20)
    monkeypatch.setattr(machine, "refusal", lambda _: "/x: Permission denied")
    monkeypatch.setattr(requirements, "base", lambda: [requirements.Wanted("flax", ">=9", "0.1", False)])
    monkeypatch.setattr(requirements, "python", lambda: ">=4")
    code, out, _ = gan("doctor", "--data-dir", tmp_path / "nowhere", "--json")
    assert code == 1
    report = json.loads(out)
    wrong = [check for check in report["checks"] if check["status"] != "ok"]
    assert {check["name"] for check in wrong} >= {"python", "flax", "jax", "memory", "disk", "runs", "cache", "folder"}
    assert all(check["mend"] for check in wrong)
    code, out, _ = gan("doctor", "--data-dir", tmp_path / "nowhere")
    assert code == 1
    assert out.count("mend: ") == len(wrong)
    assert "pip install 'flax>=9'" in out


def test_warnings_alone_are_well(gan, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda _: ([Check("machine", "memory", "warning", "little", "end it")], 0.1))
    code, out, _ = gan("doctor")
    assert code == 0
    assert "warnings only" in out


def test_data_are_found_by_the_names_of_their_files(tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").touch()
    found = {check.name: check.found for check in doctor._jax(str(tmp_path)) if check.group == "data"}
    assert found["mnist"] == str(tmp_path / "mnist")
    assert "not here" in found["kmnist"]


def test_requirements_are_those_of_the_metadata():
    names = {one.name for one in requirements.base()}
    assert {"jax", "flax", "typer"} <= names
    assert "pytest" not in names
    extras = requirements.extras()
    assert "test" not in extras
    assert any("cuda" in one.name for one in extras["cuda"])  # what JAX's own extra wants
    assert requirements.Wanted("jax", ">=1", None, False, ("cuda13",)).spelt == "jax[cuda13]>=1"


def test_secrets_are_not_shown(monkeypatch):
    monkeypatch.setenv("GAN_API_KEY", "abc")
    monkeypatch.setenv("GAN_DATA_DIR", "s3://me:word@bucket/x")
    found = {check.name: check.found for check in doctor._environment()}
    assert found["GAN_API_KEY"] == "(hidden)"
    assert found["GAN_DATA_DIR"] == "s3://bucket/x"


def test_memory_of_a_container_is_its_own(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.memory() == (1_000_000, 600_000)
    assert machine.refusal(Path("/proc/x")) is not None
    assert machine.existing(tmp_path / "a" / "b") == tmp_path
