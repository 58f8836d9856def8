"""Help and tables on terminals of any width: nothing is cut off."""

import json
import os
import re
import subprocess
import sys

import pytest

HELP = """
import json
from typer.main import get_command
from typer.testing import CliRunner
from gan_cli.cli.app import app

def pages(command, path):
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from pages(below, [*path, name])

def page(path):
    return CliRunner().invoke(app, [*path, "--help"], prog_name="gan").output

print(json.dumps({" ".join(path): page(path) for path in pages(get_command(app), [])}))
"""


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_no_word_of_help_is_cut_off(columns):
    environment = {**os.environ, "COLUMNS": str(columns)}
    made = subprocess.run([sys.executable, "-c", HELP], env=environment, capture_output=True, text=True, check=True)
    pages = json.loads(made.stdout)
    assert len(pages) > 20
    for name, page in pages.items():
        assert "…" not in page, name
        assert not re.search(r"[a-z,]\.\.\.", page), name
        assert max(map(len, page.splitlines())) <= columns, name
    train = " ".join(pages["train"].replace("│", " ").split())
    assert "The run folder, or its URL; an existing run is resumed." in train


def test_metrics_that_a_table_has_no_room_for_are_named(tmp_path, gan, monkeypatch):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "recipe.toml").write_text("[train]\nsteps = 10\n")
    lines = [{"step": 5, "fid": 2.0, "kid": 0.1, "one-nn": 0.5, "protocol": {}}]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setenv("COLUMNS", "40")
    code, out, _ = gan("runs", tmp_path)
    assert code == 0
    assert "no room for kid, one-nn; --json has all" in out
    monkeypatch.setenv("COLUMNS", "200")
    assert "no room" not in gan("runs", tmp_path)[1]
