"""What the Tab key offers: names of recipes, runs, metrics, checkpoints and keys. Nothing here imports JAX.

Shells obey what they are given, and names of files may come from strangers: only those of plain letters are offered.
"""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from gan_cli import door
from gan_cli.errors import DamagedError

DEFAULT = "dcgan_digits"  # what `gan train` trains where nothing is named: its data are embedded
MOST = 200  # candidates
LOOKED = 2000  # folders that are looked into
DEPTH = 3  # of them in one another
ABOUT = 60  # letters of what is said of a candidate: rich would fold more into lines, which fish takes for candidates
PLAIN = re.compile(r"[\w./+@,=~-]+")
Candidates = list[tuple[str, str]]  # what is offered, and what a shell may say of it
_cut = ""  # the beginning of a key and its value, up to "=", which bash takes for a word of its own


def prepare() -> None:
    """Undo what bash does to words with "=" in them: it takes `game.loss=x` for three. Does nothing elsewhere."""
    global _cut
    if os.environ.get("_GAN_COMPLETE") != "complete_bash":
        return
    words = os.environ.get("COMP_WORDS", "").split("\n")[: int(os.environ.get("COMP_CWORD", "0")) + 1]
    joined: list[str] = []
    for i, word in enumerate(words):
        if i > 1 and "=" in (word, words[i - 1]):
            joined[-1] += word
        else:
            joined.append(word)
    if len(joined) < len(words) and (split := joined[-1].rpartition("="))[1]:
        option = joined[-1].startswith("-")  # --metric=fid is --metric fid
        _cut = "" if option else "".join(split[:2])
        joined[-1:] = [split[0], split[2]] if option else [split[2]]
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(joined), str(len(joined) - 1)


def _offered(found: Iterable[tuple[str, str]], incomplete: str) -> Candidates:
    """Those that begin as what was typed."""
    fitting = ((name, _said(about)) for name, about in found if name.startswith(incomplete) and PLAIN.fullmatch(name))
    return list(islice(dict(fitting).items(), MOST))


def _said(about: str) -> str:
    """What a shell may say of a candidate: on one line, and without any sign that a shell or rich obeys."""
    plain = re.sub(r"[^\w .,;+/=-]", " ", about)
    return " ".join(plain.split())[:ABOUT].rstrip()


def recipe(incomplete: str) -> Candidates:
    """Shipped recipes by name, and files."""
    from gan_cli import recipe as recipes

    root = recipes.folder()
    shipped = {name: _first_line(root / f"{name}.toml") for name in recipes.shipped()}
    return _offered([*shipped.items(), *((path, "") for path in _files(incomplete, ".toml"))], incomplete)


def _first_line(path: Path) -> str:
    try:
        with door.opened(path) as file:
            return file.readline(300).decode("utf-8-sig", "ignore").lstrip("# ").strip()
    except DamagedError:
        return ""


def _files(incomplete: str, suffix: str) -> Iterator[str]:
    """Files in the folder that was typed and in those below it."""
    base = Path(os.path.dirname(incomplete) or ".")
    for folder in (base, *_folders(base, 1)):
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(suffix))
        except OSError:
            continue
        yield from (os.path.join(folder, name).removeprefix("./") for name in names)


def _folders(base: Path, depth: int) -> Iterator[Path]:
    """Folders below one, hidden ones left out, those further up first; LOOKED at most."""
    waiting, seen = [(base, 0)], 0
    while waiting and seen < LOOKED:
        here, level = waiting.pop(0)
        seen += 1
        try:
            below = sorted(e.path for e in os.scandir(here) if e.is_dir() and not e.name.startswith("."))
        except OSError:
            continue
        for path in below:
            yield Path(path)
            if level + 1 < depth:
                waiting.append((Path(path), level + 1))


def run(incomplete: str) -> Candidates:
    """Run folders, and a run's checkpoints."""
    base = Path(os.path.dirname(incomplete) or ".")
    if base.name == "checkpoints":
        return _offered(((str(base / step), "") for step in _steps(base.parent)), incomplete)
    runs = (folder for folder in _folders(base, DEPTH) if (folder / "checkpoints").is_dir())
    return _offered(((str(path).removeprefix("./"), _first_line(path / "recipe.toml")) for path in runs), incomplete)


def _steps(run_folder: Path) -> list[str]:
    from gan_cli.engine import metadata

    try:
        return [str(step) for step in metadata.steps(run_folder / "checkpoints")]
    except OSError:
        return []


def at(incomplete: str) -> Candidates:
    """Which checkpoint: words, and the steps of the run that was named."""
    steps = next((found for word in _words() if (found := _steps(Path(word)))), [])
    words = [("best", "by the run's metric"), ("latest", "the newest")]
    return _offered([*words, *((step, "") for step in steps)], incomplete)


def _words() -> list[str]:
    """All words of the line so far but `gan`: an option whose value is asked for hides arguments from the parser."""
    if line := os.environ.get("_TYPER_COMPLETE_ARGS"):  # zsh, fish
        try:
            return shlex.split(line)[1:]
        except ValueError:  # a quotation mark that is not closed
            return line.split()[1:]
    return os.environ.get("COMP_WORDS", "").split("\n")[1:]


def metrics(incomplete: str) -> Candidates:
    """Names of metrics, one after the other with commas between."""
    from gan_cli.metric_names import NAMES, all_canonical

    before, comma, last = incomplete.rpartition(",")
    named = all_canonical(before) if comma else []
    found = [(name, line) for name, line in _named("metric") if name not in named]
    if not any(name.startswith(last) for name, _ in found):  # then what else they are called
        found = [(other, line) for name, line in found for other in NAMES.get(name, ())]
    return _offered(((f"{before}{comma}{name}", line) for name, line in found), incomplete)


def _named(kind: str) -> Candidates:
    """The names of a kind, as on the command line, and what each says of itself."""
    from gan_cli.names import entries

    return [(one.name, one.line) for one in entries(kind).values()]


def sort_key(incomplete: str) -> Candidates:
    """What `gan runs` sorts by."""
    words = [("name", ""), ("recipe", ""), ("step", "the furthest first"), ("time", "the newest first")]
    return _offered([*words, *_named("metric")], incomplete)


def demonstration(incomplete: str) -> Candidates:
    """The demonstrations of `gan lab`."""
    return _offered(((name.replace("_", "-"), line) for name, line in _named("demonstration")), incomplete)


def features(incomplete: str) -> Candidates:
    """The shipped feature networks."""
    return _offered(_named("feature network"), incomplete)


def set_key(incomplete: str) -> Candidates:
    """Keys of a recipe as table.key=; of a single one its values: what the recipe has, what else it could be."""
    from gan_cli.completion_keys import keys

    found, incomplete = keys(_tables()), _cut + incomplete
    chosen = {key: values for key, values in found.items() if f"{key}=".startswith(incomplete)}
    exact = incomplete.partition("=")[0]
    chosen = {exact: found[exact]} if "=" in incomplete and exact in found else chosen
    offered = ((f"{key}=", " ".join(values)[:60]) for key, values in chosen.items())
    if len(chosen) == 1:
        ((key, values),) = chosen.items()
        offered = ((f"{key}={value}", "") for value in values)
    return [(one.removeprefix(_cut), about) for one, about in _offered(offered, incomplete)]


def _tables() -> Mapping[str, Any]:
    """The tables of the recipe that was named on the command line, or of the one that `gan train` takes otherwise."""
    from gan_cli import recipe as recipes
    from gan_cli.errors import InputError

    words = _words()
    for word in (*words[1:], *([DEFAULT] if words[:1] == ["train"] else [])):
        with suppress(InputError):
            if word and not word.startswith("-"):
                return recipes.read_tables(recipes.find_recipe(word))
    return {}
