"""The order in which packages may import each other, and what starting up may cost."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

from typer.main import get_command

import gan_cli
from gan_cli.cli.app import COMMANDS, app

ROOT = Path(gan_cli.__file__).parent
LAYERS = [
    {"errors", "types", "version"},
    {"backend", "door", "machine", "names", "streams"},
    {"devices", "files", "slips", "text"},
    {"binding"},
    {"recipe_tables", "remote"},
    {"recipe"},
    {"pictures"},
    {"media"},
    {"layers"},
    {"losses", "nets", "data", "features", "metrics"},
    {"games"},
    {"engine"},
    {"datasets"},
    {"build"},
    {"overrides"},
    {"runs"},
    {"judging"},
    {"sampling"},
    {"training"},
    {"lab", "report"},
    {"model"},
    {"datacheck", "doctor", "explore", "export"},
    {"inspection"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
LEAVES = RANK["losses"]


def package(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The parts of gan_cli that a module imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "gan_cli":
            names |= {alias.name if alias.name in RANK else "__init__" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gan_cli."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("gan_cli.")}
    return names


def test_packages_import_only_from_those_before_them():
    for path in ROOT.rglob("*.py"):
        here = package(path)
        if path == ROOT / "__init__.py":
            continue  # the front door: it opens what is asked for
        for name in imported(path):
            leaves = RANK[name] == RANK[here] == LEAVES
            assert RANK[name] < RANK[here] or name == here or leaves, f"{path} imports {name}"


def test_losses_and_networks_and_data_do_not_import_games_or_each_other():
    allowed = {"losses": set(), "nets": set(), "data": set(), "features": {"data"}, "metrics": {"features", "data"}}
    for name, others in allowed.items():
        for path in (ROOT / name).rglob("*.py"):
            assert {i for i in imported(path) if RANK[i] == LEAVES} <= others | {name}, path


def modules() -> dict[str, Path]:
    """Name -> file of every module."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def needs(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gan_cli"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else str(node.module) for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
    return found


def test_no_module_needs_itself():
    """Not by way of others either: TopologicalSorter names the circle."""
    known = modules()
    doors = {"gan_cli", "gan_cli.report", "gan_cli.explore"}
    graph = {name: needs(path, known) - doors for name, path in known.items() if name not in doors}
    assert list(TopologicalSorter(graph).static_order())


def modules_after(code: str) -> set[str]:
    """What a process has imported at the end of some code."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.splitlines()[-1].split())


def test_help_imports_what_it_shows_and_no_more():
    """Of the commands it knows the first lines, of rich what draws boxes."""
    found = modules_after(
        "sys.argv = ['gan', '--help']\nfrom gan_cli.__main__ import main\ntry: main()\nexcept SystemExit: pass"
    )
    commands = {f"gan_cli.cli.{entry.place.partition(':')[0]}" for entry in COMMANDS.values()}
    assert not found & {"jax", "flax", "numpy", "pydantic", "rich.markdown", "rich.traceback", "pygments", *commands}


def test_help_says_of_commands_what_they_say_of_themselves():
    for name, command in get_command(app).commands.items():
        assert COMMANDS[name].line == command.short_help
        assert COMMANDS[name].panel == command.rich_help_panel


def test_training_imports_only_what_its_recipe_names():
    """Libraries that it may want later, or never, take a second and more."""
    found = modules_after("""
from gan_cli import build, datasets, recipe
import gan_cli.cli.console
from gan_cli.data.store import Store
from gan_cli.judging.evaluator import lens
import gan_cli.training.train
resolved = build.resolve(recipe.read_tables(recipe.find_recipe("dcgan_digits")), "")
lens(recipe.Eval(**resolved["eval"]), datasets.load_data(resolved, Store()).spec)
""")
    assert {"gan_cli.data.digits", "gan_cli.nets.dcgan", "gan_cli.games.standard", "gan_cli.metrics.fid"} <= found
    assert not found & {"sklearn", "scipy", "matplotlib", "orbax", "grain", "plotly", "jinja2"}
    others = ("data.mnist", "data.toy", "nets.mlp", "games.unrolled", "metrics.kid", "features.inception")
    assert not found & {f"gan_cli.{module}" for module in others}


def test_nothing_is_ever_unpickled():
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        assert "import pickle" not in text
        assert "allow_pickle=True" not in text


def test_one_file_maps_functions_over_devices_by_pmap():
    """The day that pmap goes, it is the only one to change."""
    assert [path.name for path in ROOT.rglob("*.py") if "jax.pmap(" in path.read_text()] == ["devices.py"]
