"""What a run folder says of itself: read when it is asked for, raised or noted where it cannot be read."""

import json
import shutil
from pathlib import Path

import pytest

from gan_cli.engine import metadata
from gan_cli.errors import InputError
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.reader import Reader


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """A run of a recipe, a log and a file of metrics, without checkpoints."""
    (tmp_path / "recipe.toml").write_text("# A title\n# more\n\n[run]\nseed = 3\ngrid = true\n")
    lines = [
        {"step": 100, "d/loss": 1.0},
        {"step": 100, "monitor": {}, "alarms": ["mode collapse: few", 7]},
        {"step": 50, "rollback": 1, "because": "of that"},
        {"step": 200, "monitor": {}, "alarms": []},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    values = [(100, 9.0), (200, 4.0), (300, 4.0), (400, 5.0)]
    (tmp_path / "metrics.jsonl").write_text("".join(f'{{"step": {s}, "fid": {v}, "fid-n": 1}}\n' for s, v in values))
    return RunFolder(tmp_path)


def test_a_run_without_checkpoints(folder):
    run = Reader(folder)
    assert (run.title, run.setting("run", "seed"), run.whole("run", "seed")) == ("A title", 3, 3)
    assert (run.setting("run", "no"), run.whole("run", "grid")) == (None, None)
    assert run.log == (200, 2, 1, (), 1)
    assert run.metrics == {"fid": (4.0, 5.0, 200)}
    assert (run.steps, run.metas, run.best, run.shown) == ([], {}, None, None)
    assert (run.lives, run.versions) == ((), {})
    assert run.written == max(path.stat().st_mtime for path in (folder.recipe, folder.log, folder.metrics))


def test_what_cannot_be_read_is_raised_or_noted(folder):
    folder.recipe.write_text("this is no TOML")
    folder.times.mkdir()
    (folder.checkpoints / "7").mkdir(parents=True)
    notes: list[str] = []
    for reader in (Reader(folder), Reader(folder, notes)):
        assert (reader.steps, notes) == ([7], [])  # nothing else has been looked at
    for ask in ("tables", "metas", "lives"):
        with pytest.raises(InputError, match=r"recipe\.toml|checkpoints/7|times\.jsonl"):
            getattr(Reader(folder), ask)
    run = Reader(folder, notes)
    assert (run.tables, run.recipe, run.metas, run.lives) == ({}, "", {}, ())
    assert [note.partition(": ")[0] for note in notes[:2]] == ["the recipe", "a checkpoint"]
    assert (len(notes), str(folder.times) in notes[2]) == (3, True)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(InputError, match=r"is not a run folder: it has neither recipe\.toml nor"):
        Reader(RunFolder(tmp_path))


def test_steps_are_those_of_folders(tmp_path):
    assert metadata.steps(tmp_path / "none") == []
    for name in ("10", "9", "007", "damaged-3", ".5"):
        (tmp_path / name).mkdir()
    (tmp_path / "11").touch()
    assert metadata.steps(tmp_path) == [9, 10]
    assert metadata.steps(tmp_path / "11") == []


@pytest.mark.parametrize(
    ("scores", "best"),
    [({}, None), ({5: None, 7: float("nan")}, None), ({1: -2.0, 9: 3.0, 4: 3.0}, 4), ({3: float("-inf"), 8: None}, 3)],
)
def test_the_best_is_the_first_of_equals(scores, best):
    assert metadata.best(scores) == best


def test_a_checkpoint_is_known_by_its_metadata(untrained, tmp_path):
    run = Reader(RunFolder(Path(shutil.copytree(untrained["plain"], tmp_path / "run"))))
    assert (run.steps, [*run.metas], run.best, run.shown) == ([0], [0], None, 0)
    assert run.versions["gan-cli"]
