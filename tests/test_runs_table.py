"""`gan runs`: what is read of runs, in which order they stand, and what damage does."""

import fcntl
import json
import subprocess
import sys

import pytest
import tomli_w

from gan_cli import metrics, recipe
from gan_cli.names import lower_is_better


def make(path, *, steps=100, step=100, fids=(), extra=(), alarms=(), checkpoint=None):
    """A run folder as training leaves it, without its arrays."""
    path.mkdir(parents=True)
    tables = recipe.read_tables(recipe.find_recipe("dcgan_digits"), [f"train.steps={steps}"])
    (path / "recipe.toml").write_text(f"# The run {path.name}.\n\n{tomli_w.dumps(tables)}")
    log = [{"step": s, "generator/loss": 0.5} for s in range(10, step + 1, 10)]
    log += [{"step": step, "monitor": {"diversity": 0.5}, "alarms": list(told)} for told in alarms]
    (path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    lines = [{"step": 10 * i, "fid": fid, "fid-note": 1.0, "protocol": {}} for i, fid in enumerate(fids)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, *extra]))
    (path / "checkpoints" / str(step if checkpoint is None else checkpoint)).mkdir(parents=True)
    return path


@pytest.fixture
def runs(tmp_path):
    root = tmp_path / "runs"
    make(root / "good", fids=[90.0, 7.0, 9.0])
    make(root / "deep" / "er" / "better", fids=[80.0, 5.0], step=40, alarms=[["collapse: all alike"], []])
    coverage = {"step": 100, "precision-recall": 0.5, "weights": "average", "protocol": {}}
    make(root / "asked", extra=[coverage], alarms=[[], ["explosion: generator/loss is 9 times its median"]])
    return root


def listed(gan, folder, *options) -> list[dict]:
    code, out, err = gan("runs", folder, "--json", *options)
    assert code == 0, err
    return json.loads(out)["runs"]


def test_runs_are_found_at_any_depth_and_read(gan, runs):
    found = {run["name"]: run for run in listed(gan, runs)}
    assert list(found) == ["asked", "deep/er/better", "good"]
    good = found["good"]
    assert good["metrics"] == {"fid": {"best": 7.0, "last": 9.0, "best_step": 10}}
    assert (good["step"], good["steps"], good["state"]) == (100, 100, "finished")
    assert (good["game"], good["loss"], good["data"]) == ("standard", "adversarial.non_saturating", "digits")
    assert good["title"] == "The run good."
    assert found["deep/er/better"]["state"] == "unfinished"
    assert (found["deep/er/better"]["alarmed"], found["deep/er/better"]["alarms"]) == (1, [])
    make(runs / "judging", checkpoint=50)  # its log is at its end, its last evaluation and checkpoint are not
    state = next(run["state"] for run in listed(gan, runs) if run["name"] == "judging")
    assert state == "unfinished"
    assert found["asked"]["metrics"]["precision-recall"]["best"] == 0.5  # by `gan eval`, for want of others
    assert found["asked"]["alarms"] == ["explosion: generator/loss is 9 times its median"]


def test_the_better_is_first_whichever_way_is_better_and_who_lacks_it_is_last(gan, runs):
    def names(*options):
        return [run["name"] for run in listed(gan, runs, *options)]

    assert names("--sort", "fid") == ["deep/er/better", "good", "asked"]
    assert names("--sort", "fid", "--reverse") == ["good", "deep/er/better", "asked"]
    assert names("--sort", "precision-recall")[0] == "asked"
    make(runs / "worse", extra=[{"step": 1, "precision-recall": 0.25, "protocol": {}}])
    assert names("--sort", "precision-recall")[:2] == ["asked", "worse"]
    assert names("--sort", "step")[-1] == "deep/er/better"
    assert names("--sort", "name", "--reverse")[0] == "worse"
    assert set(names("--sort", "kid")) == set(names())  # a metric that none has


def test_directions_read_from_files_are_those_of_the_metrics():
    for name in metrics.names():
        assert lower_is_better(name) == metrics.find_metric(name).lower_is_better, name
    assert lower_is_better("fid-note") is None
    assert lower_is_better("../secret") is None


def test_text_shows_a_line_a_run(gan, runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = gan("runs", runs, "--sort", "fid")
    assert code == 0
    assert "40 of 100 unfinished" in out
    assert "7 (9)" in out
    assert "1 of 2; now explosion" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 100


def test_damage_is_named_and_the_others_listed(gan, runs):
    (runs / "good" / "log.jsonl").write_bytes(b'{"step": 70}\n\xff\x00{{{\n[1]\n"x"\n{"step": ')
    (runs / "good" / "metrics.jsonl").write_bytes(b'{"step": 10, "fid": NaN}\n{"step": 20, "fid": 3}\n{"fid"\n[[[[')
    (runs / "deep" / "er" / "better" / "recipe.toml").write_text("steps = [[[")
    (runs / "asked" / "recipe.toml").unlink()
    code, out, err = gan("runs", runs, "--json")
    assert code == 0
    (run,) = json.loads(out)["runs"]
    assert run["name"] == "good"
    assert run["metrics"]["fid"] == {"best": 3.0, "last": 3.0, "best_step": 20}
    assert run["step"] == 100  # of the checkpoint
    assert "better is left out" in err
    assert "not valid TOML" in err
    assert "asked is left out" in err


def test_a_line_that_was_cut_short_hides_no_step_and_numbers_beyond_all_floats_are_none(gan, runs):
    run = make(runs / "cut", steps=900, step=500, checkpoint=400)
    with (run / "log.jsonl").open("a") as file:
        file.write('{"step": 510, "gen')
    (run / "metrics.jsonl").write_text(f'{{"step": {10**400}, "fid": {10**400}}}\n{{"step": 10, "fid": 4.0}}\n')
    found = next(one for one in listed(gan, runs) if one["name"] == "cut")
    assert found["step"] == 500
    assert found["metrics"]["fid"] == {"best": 4.0, "last": 4.0, "best_step": 10}


def test_links_are_not_followed_and_a_run_itself_is_one(gan, runs):
    (runs / "loop").symlink_to(runs)
    assert len(listed(gan, runs)) == 3
    assert [run["name"] for run in listed(gan, runs / "good")] == ["good"]


def test_names_of_strangers_cannot_command_the_terminal(gan, tmp_path):
    make(tmp_path / "runs" / "\x1b[2Jx")
    (make(tmp_path / "runs" / "\x1b[2Jy") / "recipe.toml").unlink()
    code, out, err = gan("runs", tmp_path / "runs")
    assert code == 0
    assert "y is left out" in err
    assert "\x1b" not in out + err


def test_a_run_that_is_being_trained_says_so(gan, runs):
    good = runs / "good"
    (good / ".lock.json").write_text('{"process": 12, "host": "here"}')
    (good / ".lock").touch()
    assert {run["name"]: run["state"] for run in listed(gan, runs)}["good"] == "finished"  # it was killed
    with (good / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = next(run for run in listed(gan, runs) if run["name"] == "good")
    assert run["state"] == "training"
    assert run["trained_by"] == "process 12 on here"


def test_no_runs_and_bad_input(gan, tmp_path):
    code, out, _ = gan("runs", tmp_path)
    assert code == 0
    assert "no runs in" in out
    for arguments, message in (
        ([tmp_path / "no"], "no such folder"),
        (["gs://bucket/runs"], "a folder of this machine"),
    ):
        code, _, err = gan("runs", *arguments)
        assert code == 2
        assert message in err


def test_a_misspelt_key_is_answered_with_the_nearest(gan, runs):
    code, _, err = gan("runs", runs, "--sort", "fidd")
    assert code == 2
    assert "did you mean 'fid'" in err


def test_neither_jax_nor_numpy_is_imported(runs):
    code = (
        "import sys; from pathlib import Path; from gan_cli.cli import runs; "
        f"runs.runs({str(runs)!r}, 'fid', False, False); "
        "assert not {'jax', 'numpy', 'flax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
