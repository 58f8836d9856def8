"""`gan push` to a stand-in for the Hugging Face Hub: what arrives is what was made."""

import json
import os
from pathlib import Path

import hub_stand_in
import numpy as np
import pytest
from moved_runs import STEP, moved_run

from gan_cli import errors
from gan_cli.engine.sampler import Sampler, draw_many
from gan_cli.runs.load import load_run
from gan_cli.runs.weights import load_weights as load_weights

hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")
REPO = "some_one/tiny-gan"
FILES = {
    *("README.md", "example.npz", "metrics.json", "recipe.toml", "sample_grid.png"),
    *("sampler.jaxexport", "sampler.json", "weights.safetensors"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return moved_run(tmp_path_factory.mktemp("push") / "run", "images")


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """The stand-in, and this process set to talk to it without the Xet protocol, which it does not speak."""
    with hub_stand_in.running() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        files = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("HF_TOKEN", hub_stand_in.TOKEN)
        hub.close_session()
        yield server
        hub.close_session()


def push(gan, run, *options):
    return gan("push", "--ckpt", run, "--repo", REPO, *options)


def test_what_arrives_is_what_was_made(gan, run, stand_in, tmp_path):
    code, out, err = push(gan, run, "--private", "--license", "mit", "--json")
    assert code == 0, err
    report = json.loads(out)
    arrived = stand_in.files[REPO]
    assert set(arrived) == FILES
    assert {name: len(data) for name, data in arrived.items()} == report["files"]
    assert stand_in.visibility[REPO] == "private"
    assert report["url"] == f"{stand_in.url}/{REPO}"
    assert [commit["summary"] for commit in stand_in.commits] == [f"Step {STEP}, by gan-cli 0.1.0"]
    assert {name for name, mode in stand_in.modes.items() if mode == "lfs"} == {
        *("example.npz", "sample_grid.png", "sampler.jaxexport", "weights.safetensors")
    }
    # bytes: the same as those that gan export makes on this machine
    for form, name in (("stablehlo", "sampler.jaxexport"), ("safetensors", "weights.safetensors")):
        assert gan("export", "--ckpt", run, "--format", form, "--out", tmp_path / name)[0] == 0
        assert (tmp_path / name).read_bytes() == arrived[name]
    assert f'hf_hub_download("{REPO}", "sampler.jaxexport")' in arrived["README.md"].decode()
    # and as people fetch them
    path = hub.hf_hub_download(REPO, "weights.safetensors", cache_dir=tmp_path / "cache")
    loaded, back = load_run(run), load_weights(Path(path))
    inputs = draw_many(loaded.experiment, 0, 4)
    made, wanted = (Sampler(one.experiment, 4)(one.weights(False), inputs) for one in (back, loaded))
    np.testing.assert_array_equal(made, wanted)


def test_the_code_of_the_card_runs_on_what_was_fetched(gan, run, stand_in, tmp_path, monkeypatch):
    assert push(gan, run)[0] == 0
    page = stand_in.files[REPO]["README.md"].decode()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    found = [part.partition("```")[0] for part in page.split("```python\n")[1:]]
    assert len(found) == 2
    names: dict = {}
    exec(found[0], names)
    assert (names["images"].shape, names["images"].dtype) == ((16, 8, 8, 1), np.uint8)
    exec(found[1], names)
    assert (tmp_path / "samples.png").exists()


@pytest.mark.slow  # five seconds; the first push is tested in `make test`
def test_a_second_push_uploads_what_has_changed(gan, run, stand_in):
    assert push(gan, run)[0] == 0
    code, _, err = push(gan, run)
    assert code == 0, err
    assert f"{REPO} has all of this already: no commit was made" in err
    assert len(stand_in.commits) == 1
    assert push(gan, run, "--license", "mit")[0] == 0
    assert [commit["files"] for commit in stand_in.commits[1:]] == [["README.md"]]
    assert b"license: mit" in stand_in.files[REPO]["README.md"]
    assert sum(request.startswith("PUT /lfs/") for request in stand_in.requests) == 4


def test_a_refused_token_is_said(gan, run, stand_in, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    code, out, err = push(gan, run)
    assert (code, out) == (2, "")
    assert "token was refused (401" in err
    assert "hf_secret" not in err
    assert not stand_in.files


@pytest.mark.parametrize(
    ("part", "status", "code", "said"),
    [
        ("/repos/create", 403, 2, "may not write to"),
        ("/repos/create", 503, 1, "the same command goes on later"),
        ("/validate-yaml", 400, 2, "metadata"),
        ("/lfs/", 403, 2, "may not write to"),
        ("/commit/", 412, 2, "was refused (412"),
    ],
)
def test_whatever_the_hub_refuses_is_said(gan, run, stand_in, part, status, code, said):
    stand_in.refuse[part] = status
    found, _, err = push(gan, run)
    assert (found, said in err) == (code, True), err
    assert not any(stand_in.files.values())


def test_a_hub_that_is_away_is_said(gan, run, stand_in, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    code, _, err = push(gan, run)
    assert (code, "127.0.0.1:9: cannot be reached" in err) == (1, True), err


def test_a_dry_run_lists_and_asks_nobody(gan, run, stand_in, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    code, out, err = push(gan, run, "--dry-run", "--json")
    assert code == 0, err
    assert set(json.loads(out)["files"]) == FILES
    assert stand_in.requests == []
    assert "HF_TOKEN" not in os.environ
    code, _, err = push(gan, run)
    assert (code, "set HF_TOKEN" in err) == (2, True), err
    assert stand_in.requests == []


@pytest.mark.parametrize("repo", ["tiny", "a/b/c", "a/..", "a b/c", "/c", "a/" + "x" * 200, "--x/y"])
def test_names_that_are_none_are_refused(gan, run, stand_in, repo):
    code, _, err = gan("push", "--ckpt", run, f"--repo={repo}")
    assert (code, "--repo" in err) == (2, True), err
    assert stand_in.requests == []


def test_a_missing_package_is_named(gan, run, monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    code, _, err = push(gan, run, "--dry-run")
    assert (code, "pip install 'gan-cli[hub]'" in err) == (2, True), err
