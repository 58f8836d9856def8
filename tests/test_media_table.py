"""Every medium through every command: it works, or it is refused with the message that docs/media.md has."""

import re
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from tiny import tiny_tables

from gan_cli import media
from gan_cli.types import Spec

PAGE = Path(__file__).parents[1] / "docs" / "media.md"
SPECS = {
    "image": Spec((8, 8, 1)),
    "vector": Spec((2,)),
    "video": Spec((2, 8, 8, 3), medium="video"),
    "volume": Spec((4, 4, 4, 1), medium="volume"),
    "series": Spec((6, 2), medium="series"),
    "notes": Spec((6, 4), medium="notes"),
    "sound": Spec((64,), medium="sound"),
    "tokens": Spec((5,), medium="tokens"),
}
QUICK = "tokens"  # and all with `make contract`
COMMANDS = (
    "recipe check",
    "data check",
    "train --dry-run",
    "train",
    "sample",
    "eval",
    "report",
    "explore",
    "export",
    "card",
    "inspect",
    "load()",
)


def recipe_of(name: str, folder: Path) -> Path:
    """A tiny recipe of data of this medium, and the data."""
    spec, random = SPECS[name], np.random.default_rng(0)
    low, high, dtype = {"uint8": (0, 256, np.uint8), "int32": (0, 4, np.int32)}.get(media.of(spec).dtype, (-1, 1, None))
    shape = (40, *spec.shape)
    x = random.integers(low, high, shape).astype(dtype) if dtype else random.uniform(low, high, shape)
    np.savez(folder / "x.npz", x=x)
    own = {"medium": spec.medium} if spec.medium else {}
    tables = tiny_tables(
        data={"source": "npz", "path": str(folder / "x.npz"), **own},
        networks={"generator": {"net": "mlp", "hidden": [8], "output": "tanh"}},
        run={"sample_every": 1, "grid": 4},
        eval={"metric": "sliced-wasserstein", "features": "pixels", "n": 20, "n_real": 20, "every": 1, "split": "all"},
        monitor={"n": 16},
    )
    (folder / "r.toml").write_text(tomli_w.dumps(tables))
    return folder / "r.toml"


def cells(name: str, gan, folder: Path) -> dict[str, str]:
    """What each command does with the medium: "works", or its message."""
    from gan_cli import load
    from gan_cli.errors import InputError
    from gan_cli.explore.requests import ASKED, parse_body
    from gan_cli.explore.service import Service
    from gan_cli.runs.load import load_run

    recipe, run = recipe_of(name, folder), folder / "run"

    def command(*arguments) -> str:
        code, _, err = gan(*arguments)
        assert code in (0, 2), err
        return "works" if code == 0 else " ".join(err.replace(str(folder), "").split())

    def called(function) -> str:
        try:
            function()
        except InputError as error:
            return str(error)
        return "works"

    def explored():
        service = Service(load_run(run), str(run))
        answer = service.draw(parse_body(b'{"view": "samples", "seed": 0, "n": 2}', ASKED))
        assert len(answer["images"]) == (1 if name == "vector" else 2)
        assert len(answer["sounds"]) == (2 if name == "sound" else 0)
        assert service.description()["medium"] == name

    def loaded():
        samples = load(run).sample(2)
        assert samples.arrays.dtype == media.find(name).dtype
        assert samples.arrays.shape == (2, *SPECS[name].shape)
        samples.grid()

    own = next((suffix for suffix in media.find(name).files if suffix != ".mid"), ".png")
    found = {
        "recipe check": command("recipe", "check", recipe),
        "data check": command("data", "check", recipe, "--out", folder / "sheet.png"),
        "train --dry-run": command("train", recipe, "--dry-run"),
        "train": command("train", recipe, "--out", run),
    }
    if found["train"] != "works":
        return found
    return {
        **found,
        "sample": command("sample", "--ckpt", run, "--n", 3, "--out", folder / f"own{own}"),
        "eval": command("eval", "--ckpt", run, "--metric", "sliced-wasserstein"),
        "report": command("report", run, "--out", folder / "page.html"),
        "explore": called(explored),
        "export": command("export", "--ckpt", run, "--format", "stablehlo", "--out", folder / "program"),
        "card": command("card", "--ckpt", run, "--out", folder / "card" / "README.md"),
        "inspect": command("inspect", run),
        "load()": called(loaded),
    }


def said(name: str) -> dict[str, str]:
    """The row of a medium in the page's table."""
    rows = re.findall(r"^\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    heads = next(row for row in rows if row.startswith("medium | recipe check")).split(" | ")[1:]
    own = next(row for row in rows if row.startswith(f"{name} | ")).split(" | ")[1:]
    return dict(zip(heads, own, strict=True))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in SPECS]
)
def test_the_page_says_what_each_command_does(name, gan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card").mkdir()
    stated, found = said(name), cells(name, gan, tmp_path)
    notes = dict(re.findall(r"^(\(\w\)) `(.*)`$", PAGE.read_text(), re.MULTILINE))
    for command, cell in stated.items():
        if cell == "-":  # there is no run to do it with
            assert command not in found
        else:
            assert notes.get(cell, cell) in found[command], command
