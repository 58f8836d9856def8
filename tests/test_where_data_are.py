"""Data of a recipe or run that is used from another folder than the one that its paths were written for."""

import shutil

import numpy as np
import pytest
from moved_runs import moved_run

from gan_cli.data.store import LEVELS, Store
from gan_cli.errors import InputError


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A folder with images.npz and runs/a, which was trained on them; another folder is the working folder."""
    work = tmp_path / "work"
    work.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(work / "images.npz", x=images)
    monkeypatch.chdir(work)
    moved_run(work / "runs" / "a", "files")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    return work


def judged(gan, run, *more):
    return gan("eval", "--ckpt", run, "--metric", "kid", "--features", "pixels", "--n", 20, *more)


def test_a_run_is_used_from_another_folder(trained, gan):
    code, _, err = judged(gan, "../work/runs/a")
    assert code == 0
    assert f"[data] path = 'images.npz': found at {trained / 'images.npz'}" in err
    code, _, err = gan("sample", "--ckpt", "../work/runs/a", "--n", 2, "--neighbours", 1, "--out", "near.png")
    assert code == 0
    assert "found at" in err
    assert "WARNING" not in err
    code, _, err = gan("recipe", "check", "../work/runs/a/recipe.toml", "--data")
    assert (code, "found at" in err) == (0, True)
    code, out, _ = gan("report", "../work/runs/a", "--out", "page.html")
    assert (code, "nearest neighbours" in out) == (0, False)  # nothing that needs the data is left out


def test_run_and_data_that_moved_together_are_found(trained, gan, tmp_path):
    trained.rename(tmp_path / "moved")
    assert judged(gan, tmp_path / "moved/runs/a")[0] == 0


def test_data_that_are_gone_are_asked_for(trained, gan, tmp_path):
    (tmp_path / "else").mkdir()
    (trained / "images.npz").rename(tmp_path / "else/images.npz")
    code, _, err = judged(gan, trained / "runs/a")
    assert code == 2
    assert f"relative to the working folder, {tmp_path / 'other'}" in err
    assert "--data-dir DIR names the folder that holds it" in err
    assert judged(gan, trained / "runs/a", "--data-dir", tmp_path / "else")[0] == 0


def test_other_data_by_the_same_name_are_told(trained, gan):
    np.savez("images.npz", x=np.zeros((40, 8, 8, 3), np.uint8) + np.arange(40, dtype=np.uint8)[:, None, None, None])
    for command in (("eval", "--metric", "kid", "--features", "pixels"), ("sample", "--neighbours", 1)):
        code, _, err = gan(command[0], "--ckpt", trained / "runs/a", "--n", 20, *command[1:])
        assert code == 0
        assert "the data are no longer those that step 7 was trained on" in err


def test_the_working_folder_and_the_data_folder_come_first(tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("here", "data", "run/above")]
    for place in places:
        (place / "imgs").mkdir(parents=True)
    monkeypatch.chdir(places[0])
    store = Store(data_dir=places[1], note=lambda _: None).near(places[2] / "runs/a")
    for place in places:
        found = store.locate(type(place)("imgs"))
        assert found.resolve() == place / "imgs"
        shutil.rmtree(found)
    with pytest.raises(InputError, match="no such file or folder"):
        store.locate(type(tmp_path)("imgs"))


def test_only_the_nearest_folders_are_looked_at(tmp_path, monkeypatch):
    (tmp_path / "imgs").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    deep = tmp_path.joinpath(*"abcd")
    assert len("abcd") == LEVELS
    assert Store(note=lambda _: None).near(deep).locate(type(deep)("imgs")) == tmp_path / "imgs"
    with pytest.raises(InputError):
        Store().near(deep / "e").locate(type(deep)("imgs"))


@pytest.mark.parametrize(
    ("path", "mend"),
    [
        ("C:\new\table", r"it holds the sign '\n'"),
        ("C:Usersme", "/mnt/c/ in WSL"),
        ("/gone/imgs", "--data-dir DIR would do"),
        ("imgs", "relative to the working folder"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_what_would_be_right(path, mend, tmp_path):
    with pytest.raises(InputError) as error:
        Store().locate(type(tmp_path)(path))
    assert mend in str(error.value)
