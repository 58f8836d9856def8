"""A file is a name: what a recipe names is found wherever the file lies in its package."""

import itertools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flax import nnx

import gan_cli
from gan_cli import build, recipe
from gan_cli.binding import Kind, Table, kind
from gan_cli.games.game import Game
from gan_cli.types import Adversarial, Penalty, Ports, Spec

RECIPES = [*map(recipe.find_recipe, recipe.shipped()), *Path(__file__).parent.glob("recipes/*.toml")]
OF_THIS_PACKAGE = {"game": build.GAME, "loss": build.LOSS, "penalty": build.PENALTY, "network": build.NETWORK}
COUNT = itertools.count()  # what a package holds is remembered by its name
LOSS = '''
from gan_cli.types import Adversarial

def hinge() -> Adversarial:
    """Another loss of the same name."""
'''


def named(tables: Table) -> Iterator[tuple[str, str]]:
    """(kind, name) of every game, loss, penalty and network of a recipe."""
    game = tables["game"]
    yield "game", game["play"]
    losses = [("loss", part) for part in [game.get("loss")] if part]
    for word, part in losses + [("penalty", part) for part in game.get("penalties", ())]:
        yield word, part["name"] if isinstance(part, dict) else part
    for table in tables["networks"].values():
        yield "network", table["net"]


def moved(folder: Path, package: str) -> str:
    """A copy of a package of ours in which every file lies in a sub-package; returns its name, which is new."""
    name = f"moved_{package}_{next(COUNT)}"
    inner = folder / name / "family" / "branch"
    shutil.copytree(Path(gan_cli.__file__).parent / package, inner)
    for path in (inner.parent, inner.parent.parent):
        (path / "__init__.py").touch()
    return name


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Iterator[dict[str, Kind]]:
    """The kinds of OF_THIS_PACKAGE, of packages whose files have been moved."""
    monkeypatch.syspath_prepend(tmp_path)
    games, losses, nets = (moved(tmp_path, package) for package in ("games", "losses", "nets"))
    yield {
        "game": kind("game", "play", games, Game, Spec, ...),
        "loss": kind("loss", "name", losses, Adversarial),
        "penalty": kind("penalty", "name", losses, Penalty),
        "network": kind("network", "net", nets, nnx.Module, Ports, nnx.Rngs),
    }
    for name in [name for name in sys.modules if name.startswith("moved_")]:
        del sys.modules[name]


def test_every_name_in_a_recipe_is_found_in_its_package_and_in_a_sub_package(elsewhere):
    wanted = {pair for path in RECIPES for pair in named(recipe.read_tables(path))}
    assert {word for word, _ in wanted} == OF_THIS_PACKAGE.keys()
    for word, name in wanted:
        here, there = OF_THIS_PACKAGE[word], elsewhere[word]
        assert name in here.names()
        assert name in there.names()
        assert there.find(name).__qualname__ == here.find(name).__qualname__
        assert ".family.branch." in there.find(name).__module__


def test_moving_files_changes_no_name(elsewhere):
    for word, there in elsewhere.items():
        assert there.names() == OF_THIS_PACKAGE[word].names()


def test_one_name_in_two_places_is_an_error_that_names_both(elsewhere, tmp_path):
    (package,) = tmp_path.glob("moved_losses_*")
    (package / "adversarial.py").write_text(LOSS)
    places = f"{package.name}.adversarial and {package.name}.family.branch.adversarial"
    with pytest.raises(ImportError, match=f"'adversarial.hinge' is in two places, {places}"):
        elsewhere["loss"].names()


def test_helpers_of_the_same_name_in_two_sub_packages_are_no_error(elsewhere, tmp_path):
    (package,) = tmp_path.glob("moved_losses_*")
    (package / "penalties.py").write_text("def interpolate() -> int: ...\n")
    assert elsewhere["penalty"].names() == build.PENALTY.names()
    assert elsewhere["penalty"].find("penalties.r1").__module__ == f"{package.name}.family.branch.penalties"
