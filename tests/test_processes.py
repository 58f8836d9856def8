"""One job in several real processes: the same numbers as one, and no process waits for a dead one."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny import dcgan, tiny_recipe

from gan_cli.engine import parallel, places, processes
from gan_cli.engine.places import Job
from gan_cli.errors import InputError
from gan_cli.runs.load import load_run

RECIPE = tiny_recipe(
    data={"channels": 1},
    networks=dcgan(norm="batch"),
    train={"steps": 20, "steps_per_call": 2},
    run={"log_every": 2, "sample_every": 20, "checkpoint_every": 10},
    eval={"every": 20, "n": 100},
    monitor={"every": 20, "n": 50},
)
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
    states = [load_run(run, "latest").state for run in (alone, folder)]
    one, two = ([np.asarray(x) for x in jax.tree.leaves(state.variables)] for state in states)
    for x, y in zip(one, two, strict=True):
        np.testing.assert_allclose(x, y, atol=2e-4)
    assert sorted(p.name for p in alone.iterdir()) == sorted(p.name for p in folder.iterdir())


@pytest.mark.slow  # half a minute; `make faults` kills processes, too
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


SLURM = {"SLURM_STEP_NODELIST": "localhost", "SLURM_JOB_ID": "7", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}
MPI = {
    "OMPI_MCA_orte_hnp_uri": "4096.0;tcp://127.0.0.1:9",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}


@pytest.fixture
def launched(monkeypatch):
    """Set the variables of a launcher, and no others: the place that they make."""

    def call(variables: dict[str, str]) -> places.Place | None:
        for name in (*SLURM, *MPI, "SLURM_NTASKS", "TPU_WORKER_HOSTNAMES"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return places.find_place(Job())

    return call


@pytest.mark.parametrize(
    ("variables", "processes"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "4"}, None),  # in the batch script, not under srun
        (SLURM, None),
        ({**SLURM, "SLURM_NTASKS": ""}, None),
        ({**SLURM, "SLURM_NTASKS": "1"}, None),
        ({**SLURM, "SLURM_NTASKS": "4"}, 4),
        (MPI, 4),
        ({**MPI, "OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"TPU_WORKER_HOSTNAMES": "t0,t1"}, 2),
        ({"TPU_WORKER_HOSTNAMES": "t0"}, None),
    ],
)
def test_launchers_are_recognised(launched, variables, processes):
    place = launched(variables)
    assert (place and place.processes) == processes


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({**SLURM, "SLURM_NTASKS": "4(x2)"}, "SLURM_NTASKS is '4(x2)': a whole number is expected"),
        ({**SLURM, "SLURM_NTASKS": "4", "SLURM_PROCID": ""}, "SLURM_PROCID is ''"),
        ({**SLURM, "SLURM_NTASKS": "4", "SLURM_PROCID": "4"}, "SLURM_PROCID 4: the numbers of 4 processes are 0 to 3"),
        ({**SLURM, "SLURM_NTASKS": "4", "SLURM_JOB_ID": "x"}, "SLURM_JOB_ID is 'x'"),
        ({"SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "4"}, "SLURM_PROCID is missing"),
        ({**MPI, "OMPI_COMM_WORLD_RANK": "-1"}, "OMPI_COMM_WORLD_RANK is '-1'"),
    ],
)
def test_what_a_launcher_sets_wrongly_is_named(launched, variables, said):
    with pytest.raises(InputError, match=re.escape(said)):
        launched(variables)


@pytest.fixture
def taken():
    """A port at which somebody listens, among those that JAX takes in a Slurm job."""
    with socket.socket() as holder:
        for port in range(61440 + os.getpid() % 4096, 65536):
            with suppress(OSError):
                holder.bind(("", port))
                holder.listen()
                break
        yield holder.getsockname()[1]


def test_a_port_that_is_taken_is_said_before_jax_crashes(launched, taken):
    said = f"port {taken}, .* cannot be had: Address already in use"
    with pytest.raises(InputError, match=said):
        places.find_place(Job(f"localhost:{taken}", 2, 0))
    with pytest.raises(InputError, match=said):
        launched({**SLURM, "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": str(taken - 61440)})
    assert places.find_place(Job(f"localhost:{taken}", 2, 1)).process == 1  # the one that does not listen there


WAITS = """
from gan_cli.engine import processes
processes.PATIENCE, processes.START_TIMEOUT = 0.1, {limit}
from gan_cli.__main__ import main
main()
"""


def waiting(recipe, limit: float, *options: str, **variables: str) -> subprocess.Popen:
    """`gan train` that has `limit` seconds to wait for others."""
    command = [sys.executable, "-c", WAITS.format(limit=limit), "train", str(recipe), "--out", "nowhere", *options]
    return subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_process_that_is_alone_says_whom_it_waits_for_and_ends(recipe):
    slurm = {**SLURM, "SLURM_JOB_ID": str(os.getpid()), "SLURM_PROCID": "0", "SLURM_NTASKS": "4"}
    out, said = (process := waiting(recipe, 1, **slurm)).communicate(timeout=WAIT)
    assert (process.returncode, out) == (GONE, "")
    first, *_, error, mend = said.splitlines()
    assert first == ("waiting for 3 other processes (SLURM_NTASKS=4), at most 1 s; --num-processes 1 trains alone")
    assert error == "error: waited 1 s in vain for 3 other processes (SLURM_NTASKS=4)"
    assert "start the same command in all of them" in mend


def test_who_waits_for_a_machine_without_a_name_is_told_and_hears_control_c(recipe):
    job = ["--coordinator", "nowhere.invalid:8476", "--num-processes", "2", "--process-id", "1"]
    with waiting(recipe, WAIT, *job) as process:
        assert "1 other process (" in (said := process.stderr.readline())
        assert "this machine does not know nowhere.invalid yet" in said
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 130
        assert "Traceback" not in process.stderr.read()


@pytest.mark.slow  # twenty seconds: what srun sets is read by JAX, not by this package
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
