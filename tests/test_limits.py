"""The table of bounds in docs/hostile-input.md says what the constants say, where they stand."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import gan_cli

PACKAGE = Path(gan_cli.__file__).parent
KIB, MIB, GIB = (1 << bits for bits in (10, 20, 30))
UNITS = {KIB: "KiB", MIB: "MiB", GIB: "GiB"}
BOUNDS = (  # input, module, constant, unit
    ("recipe", "recipe", "LONGEST", KIB),
    ("recipe", "recipe_tables", "DEPTH", 1),
    ("recipe", "recipe_tables", "LIST", 1),
    ("any gzip file", "data.packed", "FREE", MIB),
    ("any gzip file", "data.packed", "RATIO", 1),
    ("IDX", "data.packed", "LARGEST", GIB),
    ("IDX", "data.idx", "RANKS", 1),
    ("npz, npy, statistics", "data.packed", "LARGEST", GIB),
    ("npz, npy, statistics", "metrics.cache", "DIM", 1),
    ("zip of images", "data.tree", "LARGEST", MIB),
    ("zip of images", "data.packed", "RATIO", 1),
    ("folder of images", "data.tree", "READS", 1),
    ("`dataset.json`", "data.dataset_json", "ROOM", MIB),
    ("`dataset.json`", "data.dataset_json", "ROOM_EACH", KIB),
    ("image", "data.picture", "PIXELS", 1),
    ("fitting", "data.images", "LARGEST", 1),
    ("labels", "data.npz", "CLASSES", 1),
    ("download", "data.store", "TIMEOUT", 1),
    ("PyTorch file", "features.torch_file", "LARGEST", GIB),
    ("PyTorch file", "features.torch_pickle", "LIMIT", 1),
    ("checkpoint: metadata, and all else beside the arrays", "door", "SMALL", MIB),
    ("checkpoint: metadata, and all else beside the arrays", "door", "VALUES", 1),
    ("checkpoint: metadata, and all else beside the arrays", "door", "DEPTH", 1),
    ("its `checksums.json`", "files", "LISTING", MIB),
    ("logs", "door", "LOG", GIB),
    ("logs", "door", "LINE", MIB),
    ("picture of a page", "report.sample_grids", "MOST_BYTES", MIB),
    ("file of weights", "runs.weights", "LONGEST_HEAD", MIB),
    ("exported program", "features.probe", "MEMORY", GIB),
    ("exported program", "features.probe", "EACH", 1),
    ("exported program", "features.probe", "SECONDS", 1),
)


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, str]]:
    """Input -> its bound and the file that the bound is in, as the page has them."""
    page = (Path(__file__).parents[1] / "docs" / "hostile-input.md").read_text()
    table = page.partition("| input | bound | where |")[2].partition("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {name: (bound, where.strip("`")) for name, bound, where in cells}


@pytest.mark.parametrize(("name", "module", "constant", "unit"), BOUNDS)
def test_the_page_has_the_constants(rows, name, module, constant, unit):
    value = getattr(import_module(f"gan_cli.{module}"), constant)
    assert value % unit == 0
    said = f"{value // unit:,}" + (f" {UNITS[unit]}" if unit in UNITS else "")
    assert re.search(rf"(?<![\d,]){said}(?![\d,]*\d)", rows[name][0]), f"{said} is not in {rows[name][0]!r}"


def test_every_bound_is_where_the_page_says(rows):
    for _, where in rows.values():
        assert list(PACKAGE.glob(where)), where
