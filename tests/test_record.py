"""The logs of a run hold one history, whatever was done twice."""

import json
import shutil

import pytest
from tiny import both, tiny_recipe

RECIPE = tiny_recipe(
    data={"source": "toy.ring", "n": 256},
    networks=both(hidden=[4]),
    game={"latent": 2},
    optimisers=both(name="sgd", learning_rate=1e-3),
    train={"steps": 20, "batch": 8, "steps_per_call": 5},
    run={"log_every": 5, "checkpoint_every": 10, "sample_every": 0},
    eval={"every": 5, "metric": "modes", "n": 32, "n_real": 32},
    monitor={"every": 5, "grace": 0},
)


@pytest.fixture
def run(gan, tmp_path):
    """A run of 20 steps with checkpoints at 10 and 20, and the command that resumes it."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    command = ("train", recipe, "--out", tmp_path / "run")
    assert gan(*command)[0] == 0
    return tmp_path / "run", lambda: gan(*command)


def steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_what_is_done_again_is_logged_once(run):
    folder, resume = run
    logs = [folder / "log.jsonl", folder / "metrics.jsonl"]
    before = [path.read_bytes() for path in logs]
    shutil.rmtree(folder / "checkpoints" / "20")
    code, _, err = resume()
    assert code == 0
    assert "at step 10" in err
    assert [path.read_bytes() for path in logs] == before
    assert steps(logs[1]) == [0, 5, 10, 15, 20]


def test_a_run_without_a_checkpoint_begins_its_logs_anew(run):
    folder, resume = run
    before = (folder / "log.jsonl").read_bytes()
    shutil.rmtree(folder / "checkpoints")
    assert resume()[0] == 0
    assert (folder / "log.jsonl").read_bytes() == before
