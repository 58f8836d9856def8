"""The command line as a person uses it: real runs of a tiny recipe, real signals, and what bad input is told."""

import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from tiny import RUN, both, tiny_recipe

from gan_cli.engine.checkpoint import Checkpoints
from gan_cli.engine.platform import idle_accelerators
from gan_cli.runs.load import load_run
from gan_cli.sampling.options import parse_seeds
from gan_cli.training.signals import stop_on_signals


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(f"# A tiny recipe\n{RUN}")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny) -> Path:
    """A finished run, trained once by a real process."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    subprocess.run([*GAN, "train", tiny, "--out", folder], check=True, env=environment())
    return folder


GAN = [sys.executable, "-m", "gan_cli"]


def gan_process(*arguments) -> tuple[int, str, str]:
    """As `gan`, in a process of its own: reading damaged files leaves threads behind that complain later."""
    ended = subprocess.run([*GAN, *map(str, arguments)], capture_output=True, text=True, env=environment())
    return ended.returncode, ended.stdout, ended.stderr


def environment() -> dict[str, str]:
    return {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}


def state_hash(folder: Path, step: int) -> str:
    """SHA-256 of every array of a checkpoint."""
    loaded = load_run(folder / "checkpoints" / str(step))
    leaves = jax.tree.leaves(loaded.state)
    plain = [jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in leaves]
    return hashlib.sha256(b"".join(np.asarray(x).tobytes() for x in plain)).hexdigest()


def logged(folder: Path) -> list[dict]:
    """The lines of the log that are of training; the others are the monitor's."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "monitor" not in line]


def test_a_run_leaves_everything_a_person_looks_for(run):
    assert (run / "recipe.toml").read_text().startswith("# A tiny recipe")
    log = logged(run)
    assert [line["step"] for line in log] == [20, 40, 60]
    assert {"generator/loss", "generator/update_norm", "discriminator/real_score"} <= log[0].keys()
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()][:3] == [0, 30, 60]
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["0000000.png", "0000030.png", "0000060.png"]
    with Image.open(run / "samples" / "0000060.png") as grid:
        assert grid.mode == "L"
        assert grid.width == grid.height


def test_resolved_recipe_reproduces_the_run(run, tmp_path):
    subprocess.run([*GAN, "train", run / "recipe.toml", "--out", tmp_path / "again"], check=True, env=environment())
    assert state_hash(tmp_path / "again", 60) == state_hash(run, 60)


def start(*arguments) -> subprocess.Popen:
    return subprocess.Popen([*GAN, *map(str, arguments)], env=environment(), stderr=subprocess.PIPE, text=True)


def wait_for_step(folder: Path, step: int, process: subprocess.Popen) -> None:
    """Until the log has a line of `step` or later."""
    log = folder / "log.jsonl"
    for _ in range(1200):
        lines = log.read_text().splitlines() if log.exists() else []
        if lines and json.loads(lines[-1])["step"] >= step:
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    pytest.fail("training did not get going in a minute")


def test_killed_in_the_middle_and_resumed_equals_uninterrupted(tiny, tmp_path):
    long = ["--set", "train.steps=3000", "--set", "eval.every=0", "--set", "run.checkpoint_every=0"]
    subprocess.run([*GAN, "train", tiny, "--out", tmp_path / "whole", *long], check=True, env=environment())
    for number in (signal.SIGHUP, signal.SIGINT):
        cut = tmp_path / number.name
        arguments = ["train", tiny, "--out", cut, *long]
        with start(*arguments) as process:
            wait_for_step(cut, 100, process)
            process.send_signal(number)
            assert process.wait(60) == 75, process.stderr.read()
        (cut_at,) = (int(path.name) for path in (cut / "checkpoints").iterdir() if path.name.isdigit())
        assert 100 <= cut_at < 3000
        subprocess.run([*GAN, *arguments], check=True, env=environment())
        assert state_hash(cut, 3000) == state_hash(tmp_path / "whole", 3000)
        assert [line["step"] for line in logged(cut)] == list(range(20, 3001, 20))


WAITING = """
import os, signal, time
from gan_cli.training.signals import stop_on_signals
with stop_on_signals() as request:
    print("ready", flush=True)
    while not request:
        time.sleep(0.01)
    print(request.signal.name, flush=True)
    time.sleep(60)
"""
ASKING = ("SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM")


@contextmanager
def waiting(*before: str, **options) -> Iterator[subprocess.Popen]:
    """A process that waits for a signal to stop; `before`: what runs the command."""
    command = [*before, sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", ASKING)
def test_whatever_ends_a_program_asks_a_run_to_save(name):
    with stop_on_signals() as request:
        signal.raise_signal(getattr(signal, name))
        for later in (
            "SIGXCPU",
            "SIGTERM",
            "SIGHUP",
        ):  # a limit repeats its signal, schedulers send one after the other
            signal.raise_signal(getattr(signal, later))
    assert request.signal.name == name


@pytest.mark.parametrize(("first", "second", "code"), [("SIGTERM", "SIGINT", 130), ("SIGHUP", "SIGQUIT", 131)])
def test_a_second_key_stops_at_once(first, second, code):
    with waiting(stderr=subprocess.DEVNULL) as process:
        process.send_signal(getattr(signal, first))
        assert process.stdout.readline() == f"{first}\n"
        process.send_signal(getattr(signal, second))
        assert process.wait(10) == code


def test_what_nohup_and_a_shell_ignore_stays_ignored():
    ignored = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    with waiting("sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh", stderr=subprocess.PIPE) as process:
        for number in (*ignored, signal.SIGTERM):
            process.send_signal(number)
        assert process.stdout.readline() == "SIGTERM\n"


def test_a_run_can_be_suspended_and_resumed():
    with stop_on_signals():
        assert signal.getsignal(signal.SIGTSTP) == signal.getsignal(signal.SIGCONT) == signal.SIG_DFL
    with waiting(stderr=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)  # a process group without a shell above it does not heed SIGTSTP
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "SIGUSR1\n"


def test_a_terminal_that_has_gone_does_not_keep_a_run_from_saving():
    end, terminal = pty.openpty()
    with waiting(stderr=terminal) as process:
        os.close(terminal)
        os.close(end)  # what is written to stderr fails from now on
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "SIGHUP\n"


def test_resume_refuses_another_recipe_and_names_the_keys(gan, run, tiny):
    before = (run / "recipe.toml").read_text()
    changed = ["--set", "train.batch=32", "--set", "game.loss=adversarial.hinge"]
    code, _, err = gan("train", tiny, "--out", run, *changed)
    assert code == 2
    assert "train.batch: 16 was saved, 32 is given" in err
    assert "game.loss.name: 'adversarial.non_saturating' was saved, 'adversarial.hinge' is given" in err
    assert (run / "recipe.toml").read_text() == before


def rot(folder: Path) -> None:
    """Spoil every array's file in a folder."""
    for path in folder.glob("**/state/*/*"):
        path.write_bytes(b"rot")


def test_resume_falls_back_to_the_checkpoint_before_a_damaged_one(tiny, tmp_path):
    folder = tmp_path / "run"
    assert gan_process("train", tiny, "--out", folder, "--set", "eval.every=0")[0] == 0
    rot(folder / "checkpoints" / "60")
    code, out, err = gan_process("train", tiny, "--out", folder, "--set", "eval.every=0")
    assert code == 0, err
    assert "is damaged: its SHA-256 is" in err
    assert "trying the checkpoint before it" in err
    assert (folder / "checkpoints" / "damaged-60").is_dir()
    assert f"resumed {folder} at step 40" in err
    assert "done: 60 steps" in out


def test_when_no_checkpoint_can_be_read_nothing_is_touched(tiny, tmp_path):
    folder = tmp_path / "run"
    assert gan_process("train", tiny, "--out", folder, "--set", "eval.every=0")[0] == 0
    rot(folder / "checkpoints")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for _ in range(2):
        code, _, err = gan_process("train", tiny, "--out", folder, "--set", "eval.every=0")
        assert code == 2
        assert "no checkpoint can be read" in err
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_override_goes_on_with_another_recipe_and_keeps_the_old_one(gan, tiny, tmp_path):
    folder = tmp_path / "run"
    short = ["--out", folder, "--set", "eval.every=0"]
    assert gan("train", tiny, *short)[0] == 0
    longer = [*short, "--set", "train.steps=80", "--set", "train.batch=8"]
    assert gan("train", tiny, *longer)[0] == 2
    code, out, err = gan("train", tiny, *longer, "--override-recipe")
    assert code == 0, err
    assert "done: 80 steps" in out
    assert "batch = 16" in (folder / "recipe.until-60.toml").read_text()
    assert "batch = 8" in (folder / "recipe.toml").read_text()
    code, _, err = gan("train", tiny, *longer, "--set", "train.batch=8", "--set", "eval.metric=class-coverage")
    assert code == 2


def test_idle_accelerator_is_warned_about(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS")
    assert idle_accelerators(tmp_path) == []
    (tmp_path / "nvidia3").touch()
    assert "WARNING: this machine has an NVIDIA GPU, but JAX runs on the CPU" in idle_accelerators(tmp_path)[0]


def test_a_finished_run_says_how_to_go_on(gan, run, tiny):
    code, out, _ = gan("train", tiny, "--out", run)
    assert code == 0
    assert "nothing was left to do, and --set train.steps=N goes on to step N" in out


def test_train_reports_as_json(gan, run, tiny):
    code, out, _ = gan("train", tiny, "--out", run, "--json")
    assert code == 0
    report = json.loads(out)
    assert report["step"] == 60
    assert report["best_step"] in (30, 60)


def test_a_folder_that_is_no_run_is_left_alone(gan, tiny, tmp_path):
    (tmp_path / "log.jsonl").write_text("mine")
    code, _, err = gan("train", tiny, "--out", tmp_path)
    assert code == 2
    assert "is not a run folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_dry_run_writes_nothing(gan, tiny, tmp_path):
    code, out, _ = gan("train", tiny, "--out", tmp_path / "run", "--dry-run")
    assert code == 0
    assert "generator parameters: " in out
    assert not (tmp_path / "run").exists()


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """20 images in my_photos, and a tiny recipe of them beside it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_photos").mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"my_photos/{i}.png")
    recipe = tiny_recipe(
        data={"source": "folder", "path": "my_photos"},
        networks=both(hidden=[4]),
        game={"latent": 2},
        optimisers=both(name="sgd", learning_rate=0.1),
        train={"steps": 2, "batch": 4},
    )
    (tmp_path / "my_photos.toml").write_text(recipe)
    return tmp_path


@pytest.mark.parametrize("dry", [(), ("--dry-run", "--no-trial")])
@pytest.mark.parametrize(
    ("out", "message"),
    [("my_photos", "lies in the data"), ("my_photos/run", "lies in the data"), ("other", "holds 'notes.txt'")],
)
def test_a_run_does_not_go_into_data_or_among_other_files(gan, photos, out, message, dry):
    (photos / "other").mkdir()
    (photos / "other/notes.txt").write_text("mine")
    before = sorted(photos.rglob("*"))
    code, _, err = gan("train", "my_photos.toml", "--out", out, *dry)
    assert code == 2
    assert message in err
    assert sorted(photos.rglob("*")) == before


def test_a_dry_run_refuses_what_training_would(gan, photos):
    fid = ("--set", "eval.every=1", "--set", "eval.metric=fid", "--set", "eval.n=5")
    for dry in ((), ("--dry-run", "--no-trial")):
        code, _, err = gan("train", "my_photos.toml", *fid, *dry)
        assert code == 2
        assert "20 real images are too few for features of dimension 64" in err
        assert "take a metric for which few will do: kid" in err
    assert not (photos / "runs").exists()


def test_an_evaluation_takes_the_metric_of_the_recipe(gan, photos):
    kid = ("--set", "eval.metric=kid", "--set", "eval.n=10")
    assert gan("train", "my_photos.toml", *kid)[0] == 0
    code, out, err = gan("eval", "--ckpt", "runs/my_photos", "--n", 10, "--json")
    assert code == 0, err
    assert "kid" in json.loads(out)
    assert "no longer those" not in err
    Image.new("L", (8, 8)).save("my_photos/20.png")
    code, _, err = gan("eval", "--ckpt", "runs/my_photos", "--n", 10)
    assert code == 0
    assert "WARNING: folder all: the data are no longer those that step 2 was trained on" in err


def test_another_recipe_in_a_run_is_told_in_full(gan, photos):
    assert gan("train", "my_photos.toml", "--set", "eval.every=1", "--set", "eval.metric=kid")[0] == 0
    other = ("--set", "eval.n=9", "--set", "networks.generator.hidden=[8]")
    code, _, err = gan("train", "my_photos.toml", "--set", "eval.every=1", "--set", "eval.metric=kid", *other)
    assert code == 2
    assert "eval.n" in err
    assert "networks.generator.hidden" in err
    assert "gan eval" not in err  # of another model's
    code, _, err = gan("train", "my_photos.toml", "--set", "eval.every=1", "--set", "eval.metric=kid", *other[2:])
    assert "--override-recipe, if its networks can have the weights of the old ones" in err


def test_sample_to_grid_folder_and_archive(gan, run, tmp_path):
    code, out, err = gan("sample", "--ckpt", run, "--n", 5, "--out", tmp_path / "grid.png", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == 5
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.mode == "L"
    assert gan("sample", "--ckpt", run, "--n", 5, "--out", tmp_path / "folder")[0] == 0
    assert gan("sample", "--ckpt", run, "--n", 5, "--out", tmp_path / "all.npz", "--batch", 2)[0] == 0
    archive = np.load(tmp_path / "all.npz", allow_pickle=False)["arr_0"]
    assert archive.shape == (5, 8, 8, 1)
    assert archive.dtype == np.uint8
    with Image.open(tmp_path / "folder" / "000003.png") as image:
        np.testing.assert_array_equal(np.asarray(image), archive[3, :, :, 0])


def test_seeds_weights_and_truncation(gan, run, tmp_path):
    def draw(*options) -> np.ndarray:
        code, _, err = gan("sample", "--ckpt", run, "--out", tmp_path / "x.npz", *options)
        assert code == 0, err
        return np.load(tmp_path / "x.npz", allow_pickle=False)["arr_0"]

    by_seed = draw("--seeds", "7,2-3")
    np.testing.assert_array_equal(by_seed[1:], draw("--seeds", "2,3"))
    assert not np.array_equal(draw("--n", 3), draw("--n", 3, "--seed", 1))
    assert not np.array_equal(draw("--n", 3), draw("--n", 3, "--raw"))
    narrow, wide = draw("--n", 64, "--truncation", 0.1), draw("--n", 64)
    assert narrow.astype(float).std(axis=0).mean() < 0.5 * wide.astype(float).std(axis=0).mean()


def test_eval_prints_the_protocol_and_keeps_a_line(gan, run):
    before = len((run / "metrics.jsonl").read_text().splitlines())
    options = ["--metric", "fid,class-coverage", "--n", 300, "--n-real", 400, "--at", "latest"]
    code, out, err = gan("eval", "--ckpt", run, *options, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["fid"] > 0
    assert report["step"] == 60
    assert report["protocol"]["n_fake"] == 300
    assert report["protocol"]["n_real"] == 400
    assert report["protocol"]["split"] == "digits all"
    assert len(report["protocol"]["features_hash"]) == 12
    assert len((run / "metrics.jsonl").read_text().splitlines()) == before + 1
    code, out, _ = gan("eval", "--ckpt", run, *options)
    assert f"fid: {report['fid']:.5g}" in out
    assert "400 real (digits all), 300 fake, seed 0" in out


def test_best_checkpoint_is_the_one_with_the_best_metric(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()[:3]]
    best = min((line for line in lines if line["step"] > 0), key=lambda line: line["fid"])
    checkpoints = Checkpoints(run / "checkpoints", read_only=True)
    assert checkpoints.best() == best["step"]
    checkpoints.close()


REFUSED = [
    (["sample", "--ckpt", "nowhere"], "no such run or checkpoint"),
    (["sample", "--ckpt", "{run}", "--at", "31"], "no checkpoint '31'; there are best, latest and steps"),
    (["sample", "--ckpt", "{run}", "--seeds", "3,x"], "'x' is neither a seed nor a range"),
    (["sample", "--ckpt", "{run}", "--seeds", "9-3"], "not an ascending range"),
    (["sample", "--ckpt", "{run}", "--seeds", "1,2", "--n", "5"], "--seeds goes with neither --n nor --seed"),
    (["sample", "--ckpt", "{run}", "--seeds", "²"], "neither a seed nor a range"),
    (["sample", "--ckpt", "{run}/checkpoints/60", "--at", "latest"], "is already one checkpoint"),
    (["eval", "--ckpt", "{run}", "--split", "foo"], "split = 'foo'"),
    (["eval", "--ckpt", "{run}", "--metric", "fid,"], "no such metric"),
    (["train", "{tiny}", "--out", "new", "--set", "eval.n=20"], "20"),
    (
        ["train", "ring", "--out", "new", "--set", "eval.every=9", "--set", "eval.metric=stacked-modes"],
        "stacked_digits",
    ),
    (["train", "{tiny}", "--out", "new", "--set", "eval.metric=modes"], "mixture of Gaussians is known"),
    (["sample", "--ckpt", "{run}", "--out", "missing/x.png"], "the folder missing does not exist"),
    (["sample", "--ckpt", "{run}", "--out", "x.jpg"], "a grid is .png"),
    (["sample", "--ckpt", "{run}", "--n", "0"], "--n"),
    (["eval", "--ckpt", "{run}", "--metric", "fdi"], "fid"),
    (["eval", "--ckpt", "{run}", "--n", "20"], "20"),
    (["train", "no_such_recipe"], "no such recipe file"),
    (["train", "{tiny}", "--data-dir", "nowhere"], "nowhere"),
    (["train", "{tiny}", "--out", "/proc/run"], "/proc/run: cannot be written"),
    (["train", "dcgan_mnist", "--data-dir", "{empty}"], "train-images"),
    (["train", "{tiny}", "--set", "train.steps=x"], "[train] steps = 'x'"),
    (["train", "{tiny}", "--set", "networks.generator.net=dcgan.generator", "--set", "data.size=9"], "networks"),
    (["train", "{tiny}", "--stepz", "3"], "--stepz"),
    (["trian"], "train"),
    (["recipe", "show", "rign"], "did you mean 'ring'"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_bad_input_exits_with_2_and_one_clear_message(gan, run, tiny, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    names = {"run": run, "tiny": tiny, "empty": tmp_path / "empty"}
    code, out, err = gan(*(argument.format(**names) for argument in arguments))
    assert code == 2, err
    assert message in err
    assert not out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_recipes_can_be_listed_shown_and_checked(gan):
    code, out, _ = gan("recipe", "list")
    assert code == 0
    assert "dcgan_mnist" in out
    assert json.loads(gan("recipe", "list", "--json")[1])["recipes"]["ring"]
    assert 'source = "toy.ring"' in gan("recipe", "show", "ring")[1]
    assert "keep_last = 2" in gan("recipe", "show", "ring", "--resolved")[1]
    assert gan("recipe", "check", "ring", "--data")[0] == 0
    assert json.loads(gan("recipe", "schema")[1])["title"] == "gan recipe"


def test_parse_seeds():
    assert parse_seeds("0,3,7-9") == [0, 3, 7, 8, 9]
