"""Files and folders that are named on the command line: neither nothing, nor a pipe, nor one in place of the other."""

import pytest
from typer.main import get_command

from gan_cli.cli.app import app

GIVEN = {
    "--ckpt": "x",
    "--out": "x",
    "--format": "onnx",
    "--repo": "a/b",
    "--image": "x",
}  # options that some commands insist on


def commands(group, path=()):
    """Every command below a group: its words, and itself."""
    for name, one in group.commands.items():
        yield from commands(one, (*path, name)) if hasattr(one, "commands") else [((*path, name), one)]


@pytest.mark.parametrize("place", ["-", "", " "])
def test_no_command_takes_a_pipe_or_nothing_for_a_file(place, gan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill = {"recipe": "ring", "recipes": "ring", "images": "digits", "run": "r", "runs": "r", "name": "ring"}
    tried = set()
    for words, command in commands(get_command(app)):
        arguments = [fill.get(p.name, "x") for p in command.params if p.param_type_name == "argument"]
        required = [
            w for p in command.params if p.required and p.opts[0] in GIVEN for w in (p.opts[0], GIVEN[p.opts[0]])
        ]
        for option in ("--out", "--ckpt", "--data-dir"):
            if any(option in p.opts for p in command.params):
                code, _, err = gan(*words, *arguments, *required, option, place)
                tried.add(option)
                assert code == 2, (words, option, err)
                assert f"{option} " in err
    assert tried == {"--out", "--ckpt", "--data-dir"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["inspect", "report", "runs"])
def test_a_run_has_a_name(command, gan):
    code, _, err = gan(command, "")
    assert (code, "an empty name" in err) == (2, True)


def test_a_folder_is_not_replaced_by_a_file(gan, tmp_path):
    for name in ("a.png", "a.npz"):
        (tmp_path / name).mkdir()
    for words in (
        ("eval", "--ckpt", "x", "--all-checkpoints", "--out", tmp_path / "a.png"),
        ("features", "statistics", "digits", "--out", tmp_path / "a.npz"),
        ("lab", "generator-losses", "--out", tmp_path / "a.png"),
    ):
        code, _, err = gan(*words)
        assert (code, "is a folder" in err) == (2, True), words
