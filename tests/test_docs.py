"""The documents: every command in them is run or at least parsed, every recipe checked, every link followed.

Of a page, blocks of `sh`, `python` and `toml` are run in their order in one folder, `gan` in this process. So that this
takes seconds, `gan train` and `gan compare` get their recipe with tiny networks and four steps (docs_desk.made_small),
and one seed; a dry run tries no steps; `gan eval` judges at most 1,000 images; demonstrations train for a few steps;
MNIST is scikit-learn's digits in MNIST's files. Everything else is what a person types. Blocks marked `no-run` (other
machines, downloads, services), `make`, `pip` and scripts are parsed: command and options must exist. `make test` runs
a few pages that most people meet first, `make contract` all.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs_desk import Service
from docs_pages import ASSIGNMENT, DIRECTIVES, LANGUAGES, PAGES, ROOT, anchors, commands, extras, make_targets, read

from gan_cli import recipe

READ = {path: read(path) for path in PAGES}
NAMES = {path: str(path.relative_to(ROOT)) for path in PAGES}
RUN = [path for path in PAGES if any(b.runs and b.language in ("sh", "python", "toml") for b in READ[path].blocks)]
FIRST = [ROOT / page for page in ("README.md", "docs/index.md", "docs/api.md", "docs/data.md")]
PATHS = re.compile(r"^(?:docs|gan_cli|recipes|scripts|tests)/[\w./-]+\.(?:py|md|toml|sh|sbatch|yaml|npz)$")
ids = NAMES.get


def entry(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words ask for, and what is left of them; fails for one that is not there."""
    import typer.main

    from gan_cli.cli.app import app

    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"no command {rest[0]!r} in: {' '.join(words)}"
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def parses(words: list[str]) -> None:
    """`gan ...` has a command and options of these names and types."""
    command, rest = entry(words)
    if "--help" in rest:
        return
    given = command.make_context(" ".join(words), list(rest)).params
    for name in given.get("recipes", [given.get("recipe", "ring")]):
        assert name.endswith(".toml") or recipe.find_recipe(name)


def exists(words: list[str]) -> None:
    """make, pip and scripts: target, extra, file and options are there."""
    first, *rest = words
    name = Path(first).name
    if name == "make":
        wanted = {word for word in rest if "=" not in word}
        assert wanted <= make_targets(), f"no make target: {wanted - make_targets()}"
    elif name == "pip":
        wanted = {extra for word in rest for extra in re.findall(r"^(?:\.|gan-cli)\[([\w,]+)\]$", word)}
        assert {e for names in wanted for e in names.split(",")} <= extras()
    for script in (word for word in words if word.removeprefix("./").startswith("scripts/")):
        source = (ROOT / script).read_text(encoding="utf-8")
        if not script.endswith((".sbatch", ".yaml")):
            for option in re.findall(r"(?<=\s)--[a-z][\w-]*", " ".join(["", *words[words.index(script) :]])):
                assert re.search(rf"{option}\b", source), f"{script} has no {option}"


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_every_block_says_what_it_is(path):
    """sh, python and toml are run; `no-run` after it: only parsed; text is output."""
    page = READ[path]
    assert not page.unfenced, f"indented code at lines {page.unfenced}: use a fence with a language"
    for block in page.blocks:
        assert block.language in LANGUAGES | DIRECTIVES, f"{block}: {block.language or 'no language'}"
        if block.language == "python" and not block.runs:
            ast.parse(block.text)


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_every_command_exists_with_its_options(path):
    page = READ[path]
    for block in (b for b in page.blocks if b.language == "sh"):
        for words in commands(block):
            words = words[sum(1 for w in words if ASSIGNMENT.match(w)) :]
            parses(words) if words[0] == "gan" else exists(words)
    for span in page.spans:
        if span.startswith("gan "):
            command, _ = entry(re.split(r"[\s]+", re.sub(r"(?<= )[|A-Z\[].*", "", span)))
            known = {name for parameter in command.params for name in parameter.opts} | {"--help", "--version"}
            assert set(re.findall(r"--[a-z][\w-]*", span)) <= known, f"{path.name}: `{span}`"
        elif span.startswith("make ") and re.fullmatch(r"make [\w-]+", span):
            exists(span.split())
        elif PATHS.match(span):
            assert (ROOT / span).exists(), f"{path.name}: `{span}` is not there"


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_links_within_the_repository_lead_somewhere(path):
    for link in READ[path].links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.is_file(), f"{path.name}: {link} leads nowhere"
        assert file.is_relative_to(ROOT), f"{path.name}: {link} leads out of the repository"
        assert not anchor or anchor in anchors(file), f"{path.name}: {link}: no such heading"


def test_the_headers_of_recipes_name_the_command_that_trains_them():
    """That each of them can be trained is in test_contract.py."""
    for name in recipe.shipped():
        path = recipe.find_recipe(name)
        line = re.search(r"command: +(.*?)(?:   |$)", recipe.header(path), re.MULTILINE)
        assert line, f"{name} has no command"
        words = line[1].split()
        parses(words)
        assert words[:2] == ["gan", "train"]
        named = ROOT / words[2] if words[2].endswith(".toml") else recipe.find_recipe(words[2])
        assert named.samefile(path), name


def test_the_readme_names_every_command():
    import typer.main

    from gan_cli.cli.app import app

    table = [span for span in READ[ROOT / "README.md"].spans if span.startswith("gan ")]
    for name in typer.main.get_command(app).commands:
        assert any(span.split()[1] == name for span in table), f"gan {name} is not in the README"


@pytest.mark.contract
@pytest.mark.parametrize("path", RUN, ids=ids)
def test_a_page_does_what_it_says(path, gan, tmp_path, monkeypatch, quick):
    if quick and path not in FIRST:
        pytest.skip("make test runs the pages that most people meet first, make contract this one")
    monkeypatch.chdir(tmp_path)
    desk = Service(gan, monkeypatch)
    desk.lay_out()
    for block in READ[path].blocks:
        if block.runs:
            desk.run(block)


def test_the_site_is_built_without_a_warning_and_asks_no_other_host(tmp_path):
    pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", ROOT / "docs", tmp_path / "site"]
    done = subprocess.run([*build, "-d", tmp_path / "trees"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text(encoding="utf-8")):
            assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", tag), f"{page.name}: {tag}"
