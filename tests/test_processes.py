"""One job in several real processes: the same numbers as one, and no process waits for a dead one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from gan_cli.engine import parallel, processes
from gan_cli.errors import InputError
from gan_cli.runs.load import load

RECIPE = """
[data]
source = "digits"
split = "all"
size = 8
channels = 1
[networks.generator]
net = "dcgan.generator"
width = 4
[networks.discriminator]
net = "dcgan.discriminator"
width = 4
norm = "batch"
[game]
play = "standard"
loss = "adversarial.non_saturating"
latent = 4
[optimisers.generator]
name = "adam"
learning_rate = 1e-3
[optimisers.discriminator]
name = "adam"
learning_rate = 1e-3
[train]
batch = 16
steps = 20
steps_per_call = 2
[run]
log_every = 2
sample_every = 20
checkpoint_every = 10
[eval]
every = 20
n = 100
[monitor]
every = 20
n = 50
"""
WAIT = 240  # seconds until a process that does not end counts as hanging
GONE = 75


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE)
    return path


def start(count: int, *arguments: object, devices: int = 1) -> list[subprocess.Popen]:
    """`gan train` in so many processes, each with so many virtual devices."""
    flags = f"--xla_backend_optimization_level=0 --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    train = [sys.executable, "-m", "gan_cli", "train", *map(str, arguments)]
    jobs = [["--coordinator", place, "--num-processes", count, "--process-id", i] for i in range(count)]
    return [
        subprocess.Popen(
            [*train, *(map(str, job) if count > 1 else ())],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for job in jobs
    ]


def ends(started: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each."""
    said = [process.communicate(timeout=WAIT) for process in started]
    return [(process.returncode, *each) for process, each in zip(started, said, strict=True)]


def lines(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(recipe, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    ((code, _, said),) = ends(start(1, recipe, "--out", folder))
    assert code == 0, said
    return folder


def test_two_processes_do_what_one_does(alone, recipe, tmp_path):
    """Two of two devices each: batches, batch norm, metrics and samples are those of one, but for rounding."""
    folder = tmp_path / "run"
    (first, second) = ends(start(2, recipe, "--out", folder, "--json", devices=2))
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert json.loads(first[1])["step"] == 20
    assert second[1] == ""  # the first one speaks for both
    for one, two in zip(lines(alone, "log.jsonl"), lines(folder, "log.jsonl"), strict=True):
        assert one.keys() == two.keys()
        np.testing.assert_allclose(
            [one[k] for k in one if "loss" in k], [two[k] for k in two if "loss" in k], rtol=1e-4
        )
    for one, two in zip(lines(alone, "metrics.jsonl"), lines(folder, "metrics.jsonl"), strict=True):
        assert one["fid"] == pytest.approx(two["fid"], rel=1e-4)
        assert one["protocol"] == two["protocol"]
    states = [load(run, "latest").state for run in (alone, folder)]
    one, two = ([np.asarray(x) for x in jax.tree.leaves(state.variables)] for state in states)
    for x, y in zip(one, two, strict=True):
        np.testing.assert_allclose(x, y, atol=2e-4)
    assert sorted(p.name for p in alone.iterdir()) == sorted(p.name for p in folder.iterdir())


def test_when_one_process_is_killed_the_other_ends_and_one_alone_goes_on(recipe, tmp_path):
    folder = tmp_path / "run"
    both = start(2, recipe, "--out", folder, "--set", "train.steps=100000", "--set", "eval.every=0")
    until = time.monotonic() + WAIT
    while not (folder / "checkpoints" / "20").is_dir() and time.monotonic() < until:
        time.sleep(0.05)
    both[1].kill()
    began = time.monotonic()
    (code, _, said), _ = ends(both)
    assert time.monotonic() - began < 60
    assert code in (GONE, -signal.SIGABRT), said  # JAX's runtime may notice first, and ends the process itself
    if code == GONE:
        assert "error: another process of the job is gone" in said
        assert "run the same commands to go on from the newest checkpoint" in said
    done = int(max(folder.glob("checkpoints/[0-9]*"), key=lambda path: int(path.name)).name)
    more = [*("--set", "eval.every=0"), *("--set", f"train.steps={done + 10}"), "--override-recipe"]
    ((code, _, said),) = ends(start(1, recipe, "--out", folder, *more))
    assert code == 0, said
    assert f"resumed {folder} at step {done}" in said
    steps = [line["step"] for line in lines(folder, "log.jsonl") if "generator/loss" in line]
    assert steps == list(range(2, done + 12, 2))


def test_a_signal_to_one_process_stops_all_at_the_same_step(recipe, tmp_path):
    folder = tmp_path / "run"
    both = start(2, recipe, "--out", folder, "--set", "train.steps=100000", "--set", "eval.every=0")
    until = time.monotonic() + WAIT
    while not (folder / "checkpoints" / "10").is_dir() and time.monotonic() < until:
        time.sleep(0.05)
    both[1].terminate()
    (first, second) = ends(both)
    assert (first[0], second[0]) == (GONE, GONE), first[2] + second[2]
    assert "stopped by a signal to another process of the job at step" in first[1]
    stopped = int(first[1].split("at step ")[1].split()[0])
    assert (folder / "checkpoints" / str(stopped)).is_dir()


def test_processes_that_were_given_different_things_say_so(recipe, tmp_path):
    def job(process: int, *more: str) -> subprocess.Popen:
        place = ["--coordinator", f"127.0.0.1:{port}", "--num-processes", "2", "--process-id", str(process)]
        command = [sys.executable, "-m", "gan_cli", "train", str(recipe), "--out", str(tmp_path / "run"), *place, *more]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for code, _, said in ends([job(0), job(1, "--set", "run.seed=3")]):
        assert code == 2, said
        assert "error: process 1 of the job has another recipe than process 0" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--num-processes", "2"], "--coordinator and --process-id: missing"),
        (["--coordinator", "here:1", "--process-id", "0"], "--num-processes: missing"),
        (["--coordinator", "here", "--num-processes", "2", "--process-id", "0"], "expected HOST:PORT"),
        (["--coordinator", "h:1", "--num-processes", "2", "--process-id", "2"], "of 2 processes are 0 to 1"),
        (["--num-processes", "0"], "num-processes"),
    ],
)
def test_a_place_in_a_job_that_is_none_is_refused(gan, recipe, tmp_path, options, said):
    code, _, err = gan("train", recipe, "--out", tmp_path / "run", *options)
    assert code == 2
    assert said in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("variables", "many"),
    [
        ({}, False),
        ({"SLURM_NTASKS": "4"}, False),  # in the batch script, not under srun
        ({"SLURM_NTASKS": "4", "SLURM_STEP_NODELIST": "node[1-4]"}, True),
        ({"SLURM_NTASKS": "1", "SLURM_STEP_NODELIST": "node1"}, False),
        ({"TPU_WORKER_HOSTNAMES": "t0,t1"}, True),
        ({"TPU_WORKER_HOSTNAMES": "t0"}, False),
    ],
)
def test_srun_and_tpu_pods_are_recognised(monkeypatch, variables, many):
    for name in ("SLURM_NTASKS", "SLURM_STEP_NODELIST", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert processes._launched_as_many() == many


def test_srun_starts_a_job_by_itself(recipe, tmp_path):
    """What srun sets for two tasks on this machine; JAX finds the rest."""
    job = str(os.getpid())  # JAX derives the port from it
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    slurm = {"SLURM_JOB_ID": job, "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "1"}
    command = [sys.executable, "-m", "gan_cli", "train", str(recipe), "--out", str(tmp_path / "run")]
    command += ["--set", "train.steps=2", "--set", "eval.every=0"]
    both = [
        subprocess.Popen(
            command,
            env={**environment, **slurm, "SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    (first, second) = ends(both)
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert "2 cpu devices (cpu) in 2 processes" in first[2]


def test_alone_everything_is_told_and_done_as_it_is():
    assert processes.alone()
    assert processes.first()
    assert processes.tell({"a": [1.5, None]}) == {"a": [1.5, None]}
    state = {"w": np.arange(3), "key": jax.random.key(1)}
    assert processes.tell_arrays(state) is state
    assert processes.by_first(lambda: "done") == "done"
    with pytest.raises(InputError, match="no"), processes.noticing_loss():
        raise InputError("no")
    with pytest.raises(ValueError, match="Gloo"), processes.noticing_loss():
        raise ValueError("Gloo all-reduce failed")  # one process alone has lost nobody
    assert parallel.rows(8, parallel.everyone()) == slice(0, 8)
