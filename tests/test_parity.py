"""The comparison with other people's code: its arithmetic and tables, without any of that code."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PARITY = ROOT / "scripts" / "parity"
BENCH = ROOT / "scripts" / "bench"


@pytest.fixture
def parity(monkeypatch):
    """The comparison's modules, which are scripts and no package."""
    monkeypatch.setattr(sys, "path", [str(PARITY), *sys.path, str(BENCH)])
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(ROOT / "scripts") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_differences_are_ours_less_theirs_and_relative_to_theirs(parity):
    record, table = parity("record"), parity("table")
    theirs = [record.Record("fid", "one", -2.0, of="a"), record.Record("kid", "two", 0.5, of="b")]
    fid, kid = table.joined({"a": {"fid": -2.5, "other": 7.0}, "b": {"kid": 0.5}}, theirs)
    assert (fid.difference, fid.relative) == (-0.5, 0.25)
    assert (kid.difference, kid.relative) == (0, 0)
    with pytest.raises(KeyError, match="mmd"):
        table.joined({"a": {}}, [record.Record("mmd", "one", 1.0, of="a")])


def test_a_difference_from_zero_is_infinitely_large_unless_there_is_none(parity):
    table = parity("table")
    assert table.relative(0.0, 0.0) == 0
    assert table.relative(1e-9, 0.0) == np.inf
    assert table.relative(1.0, 4.0) == 0.25


def test_arrays_are_compared_in_units_of_their_largest_value(parity):
    compared = parity("table").compared
    theirs = np.array([[1, -4], [2, 0]], np.float32)
    (found,) = compared({"x": theirs + np.float32([[0, 1], [0.5, 0]])}, {"x": theirs})
    assert found == ("x", (2, 2), 4.0, 1.0, 0.25)
    for other, message in (({"y": theirs}, "one side only: x, y"), ({"x": theirs[0]}, r"\(2, 2\), theirs of \(2,\)")):
        with pytest.raises(ValueError, match=message):
            compared({"x": theirs}, other)
    with pytest.raises(ValueError, match="not finite"):
        compared({"x": theirs * np.nan}, {"x": theirs})


def test_bytes_do_not_wrap_around(parity):
    (found,) = parity("table").compared({"x": np.uint8([1])}, {"x": np.uint8([255])})
    assert found.difference == 254


def test_other_protocols_are_shown_apart(parity):
    record, table = parity("record"), parity("table")
    theirs = [record.Record("kid", "all at once", 0.25, of="a"), record.Record("kid", "subsets", 0.3, False, of="a")]
    text = table.sections(table.joined({"a": {"kid": 0.25}}, theirs), [table.Arrays("x", (2, 3), 1.0, 1e-7, 1e-7)])
    first, arrays, other = text.split("\n\n")
    assert first.splitlines() == [
        "### a",
        "| value | whose code | ours | theirs | difference | relative |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `kid` | all at once | 0.25 | 0.25 | 0 | 0 |",
    ]
    assert arrays.splitlines()[-1] == "| x | 2x3 | 1 | 1.0e-07 | 1.0e-07 |"
    assert other.startswith("### Another protocol: a\n")
    assert "| `kid` | subsets | 0.25 | 0.3 | -5.0e-02 | 1.7e-01 |" in other


def test_a_table_goes_between_its_marks(parity):
    placed = parity("table").placed
    page = "# A\n<!-- t -->\nold\n<!-- /t -->\nend\n"
    assert placed(page, "t", "new") == "# A\n<!-- t -->\nnew\n<!-- /t -->\nend\n"
    assert placed(placed(page, "t", "new"), "t", "old") == page
    for damaged in ("# A\n", "<!-- t -->\n", "<!-- /t -->\n"):
        with pytest.raises(ValueError, match="the page has no <!-- t -->"):
            placed(damaged, "t", "new")


def test_what_both_sides_leave_in_a_folder_becomes_a_page(parity, tmp_path):
    (tmp_path / "ours.json").write_text(json.dumps({"digits, test": {"fid": 1.5}}))
    record = parity("record").Record("fid", "pytorch-fid", 1.0, of="digits, test")
    (tmp_path / "theirs.json").write_text(json.dumps({"records": [record._asdict()], "versions": {"torch": "9"}}))
    for side in ("ours", "theirs"):
        np.savez(tmp_path / f"{side}.npz", x=np.ones(2))
    text = parity("parity").tables(tmp_path)
    assert text.splitlines()[0].endswith("Theirs: torch 9.")
    assert "| `fid` | pytorch-fid | 1.5 | 1 | 5.0e-01 | 5.0e-01 |" in text


def test_the_page_has_a_place_for_the_tables_and_names_every_package(parity):
    page = (ROOT / "docs" / "parity.md").read_text()
    assert parity("table").placed(page, "parity", "x") != page
    pinned = re.findall(r"^([\w-]+)==(\S+)$", (PARITY / "requirements.txt").read_text(), re.MULTILINE)
    assert len(pinned) == 9
    assert all(f"{name} {version}" in page for name, version in pinned)


def test_speed_cases_have_names_of_their_own_and_scripts_that_exist(parity):
    found = parity("speed").cases("their-python", 100)
    assert len({case.name for case in found}) == len(found)
    assert all(case.what and sum(c.role == "ours" for c in case.contenders) for case in found)
    scripts = {part for case in found for c in case.contenders for part in c.command if part.endswith(".py")}
    assert all(Path(script).is_file() for script in scripts)


@pytest.mark.parametrize("script", ["parity.py", "speed.py"])
def test_help_names_the_other_interpreter(script):
    said = subprocess.run([sys.executable, str(PARITY / script), "--help"], capture_output=True, text=True, check=True)
    assert "--python" in said.stdout
    assert "PARITY_PYTHON" in said.stdout
