"""What the Tab key offers: names of recipes, runs, metrics, checkpoints and keys. Nothing here imports JAX.

Shells obey what they are given, and file names may come from strangers: only names of plain characters are offered.
"""

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gan_cli.errors import DamagedError

DEFAULT = "dcgan_digits"  # the recipe that `gan train` takes where none is named: its data are embedded
MOST = 200  # candidates
LOOKED = 2000  # folders that are searched
DEPTH = 3  # levels of folders that are searched for runs
ABOUT = 60  # characters of a candidate's description: rich would fold more, and fish takes each line for a candidate
OF_OPTIMISERS = ("learning_rate", "clip_norm", "clip_weights", "bound_units", "historical_averaging")
PLAIN = re.compile(r"[\w./+@,=~-]+")
Candidates = list[tuple[str, str]]  # what is offered, and its description in shells that show one
_cut = ""  # the beginning of a `key=value`, up to "=", which bash takes for a word of its own


def prepare() -> None:
    """Rejoin words with "=" in them, which bash splits: it takes `game.loss=x` for three. Does nothing elsewhere."""
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
    """Return the plain ones among the candidates that begin with what was typed, MOST of them at most."""
    offered: dict[str, str] = {}
    for name, about in found:
        if name.startswith(incomplete) and PLAIN.fullmatch(name):
            plain = re.sub(r"[^\w .,;+/=-]", " ", about)  # one line, without any sign that a shell or rich obeys
            offered[name] = " ".join(plain.split())[:ABOUT].rstrip()
    return list(offered.items())[:MOST]


def recipe(incomplete: str) -> Candidates:
    """Offer shipped recipes by name, and recipe files in the folder that was typed and in those below it."""
    from gan_cli import recipe as recipes

    root = recipes.folder()
    found = [(name, _first_line(root / f"{name}.toml")) for name in recipes.shipped()]
    base = Path(os.path.dirname(incomplete) or ".")
    for folder in (base, *_folders(base, 1)):
        with suppress(OSError):
            names = sorted(name for name in os.listdir(folder) if name.endswith(".toml"))
            found += [(os.path.join(folder, name).removeprefix("./"), "") for name in names]
    return _offered(found, incomplete)


def _first_line(path: Path) -> str:
    """Return the first line of a recipe's header; empty where it cannot be read."""
    from gan_cli import door

    try:
        with door.opened(path) as file:
            return file.readline(300).decode("utf-8-sig", "ignore").lstrip("# ").strip()
    except DamagedError:
        return ""


def _folders(base: Path, depth: int) -> Iterator[Path]:
    """Yield up to LOOKED folders below one, at most `depth` levels down, higher ones first, hidden ones left out."""
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
    """Offer run folders, and a run's checkpoints."""
    base = Path(os.path.dirname(incomplete) or ".")
    if base.name == "checkpoints":
        return _offered(((str(base / step), "") for step in _steps(base.parent)), incomplete)
    runs = (folder for folder in _folders(base, DEPTH) if (folder / "checkpoints").is_dir())
    return _offered(((str(path).removeprefix("./"), _first_line(path / "recipe.toml")) for path in runs), incomplete)


def _steps(run_folder: Path) -> list[str]:
    """Return the steps of a run's checkpoints; none where there is no run."""
    from gan_cli.engine import metadata

    try:
        return [str(step) for step in metadata.steps(run_folder / "checkpoints")]
    except OSError:
        return []


def at(incomplete: str) -> Candidates:
    """Offer "best", "latest", and the steps of the run that was named."""
    steps = next((found for word in _words() if (found := _steps(Path(word)))), [])
    words = [("best", "by the run's metric"), ("latest", "the newest")]
    return _offered([*words, *((step, "") for step in steps)], incomplete)


def _words() -> list[str]:
    """Return all words of the line so far but `gan`.

    The parser does not know them all: it hides arguments while the value of an option is completed.
    """
    if line := os.environ.get("_TYPER_COMPLETE_ARGS"):  # zsh, fish
        try:
            return shlex.split(line)[1:]
        except ValueError:  # a quotation mark that is not closed
            return line.split()[1:]
    return os.environ.get("COMP_WORDS", "").split("\n")[1:]


def metrics(incomplete: str) -> Candidates:
    """Offer names of metrics, several with commas between them."""
    from gan_cli.names import METRIC_ALIASES, canonical_metrics

    before, comma, last = incomplete.rpartition(",")
    named = canonical_metrics(before) if comma else []
    found = [(name, line) for name, line in _named("metric") if name not in named]
    if not any(name.startswith(last) for name, _ in found):  # their other names
        found = [(other, line) for name, line in found for other in METRIC_ALIASES.get(name, ())]
    return _offered(((f"{before}{comma}{name}", line) for name, line in found), incomplete)


def _named(kind: str) -> Candidates:
    """Return the names of a kind, see `names.KINDS`, with the first lines of their docstrings."""
    from gan_cli.names import entries

    return [(one.name, one.line) for one in entries(kind).values()]


def sort_key(incomplete: str) -> Candidates:
    """Offer the keys by which `gan runs` sorts."""
    words = [("name", ""), ("recipe", ""), ("step", "the furthest first"), ("time", "the newest first")]
    return _offered([*words, *_named("metric")], incomplete)


def demonstration(incomplete: str) -> Candidates:
    """Offer the demonstrations of `gan lab`."""
    return _offered(((name.replace("_", "-"), line) for name, line in _named("demonstration")), incomplete)


def features(incomplete: str) -> Candidates:
    """Offer the shipped feature networks."""
    return _offered(_named("feature network"), incomplete)


def set_key(incomplete: str) -> Candidates:
    """Offer keys of a recipe as `table.key=`; once a single one is left, its values.

    The recipe is the one that the command line names, or the one that `gan train` takes otherwise.
    """
    from gan_cli import recipe as recipes
    from gan_cli.errors import InputError

    tables: Mapping[str, Any] = {}
    words = _words()
    for word in (*words[1:], *([DEFAULT] if words[:1] == ["train"] else [])):
        if word and not word.startswith("-"):
            with suppress(InputError):
                tables = recipes.read_tables(recipes.find_recipe(word))
                break
    found, incomplete = keys(tables), _cut + incomplete
    chosen = {key: values for key, values in found.items() if f"{key}=".startswith(incomplete)}
    exact = incomplete.partition("=")[0]
    chosen = {exact: found[exact]} if "=" in incomplete and exact in found else chosen
    offered = ((f"{key}=", " ".join(values)[:60]) for key, values in chosen.items())
    if len(chosen) == 1:
        ((key, values),) = chosen.items()
        offered = ((f"{key}={value}", "") for value in values)
    return [(one.removeprefix(_cut), about) for one, about in _offered(offered, incomplete)]


def keys(tables: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the keys of a recipe's tables and those that have a default, each with the values it may have.

    "train.batch" -> values as --set takes them, that of the recipe or else the default first.
    """
    from gan_cli.names import entries, literals
    from gan_cli.recipe import FIXED
    from gan_cli.recipe_tables import has_streams, leaves

    named = {name: table for name, table in tables.items() if isinstance(table, dict)}
    own = {key: _plain(value) for key, value in leaves(named)}
    found: dict[str, list[str]] = {}
    for table, model in FIXED.items():
        for name, field in model.model_fields.items():
            found[f"{table}.{name}"] = [*_plain(field.default), *literals(field.annotation)]
    networks = [(f"networks.{role}", "net", "network") for role in named.get("networks", ())]
    data = named.get("data", {})
    places = [f"data.{stream}" for stream in data] if has_streams(data) else ["data"]
    streams = [(place, "source", "data source") for place in places]
    for table, key, kind in (*streams, ("game", "play", "game"), *networks):
        known = entries(kind)
        found[f"{table}.{key}"] = list(known)
        for name in own.get(f"{table}.{key}", ()):
            for option in known[name].options if name in known else ():
                found[f"{table}.{option.name}"] = [*_plain(option.default), *option.choices]
    for table in named.get("optimisers", ()):
        found |= {f"optimisers.{table}.{name}": [] for name in OF_OPTIMISERS}
    every = sorted(found.keys() | own.keys())
    return {key: list(dict.fromkeys([*own.get(key, ()), *found.get(key, ())])) for key in every}


def _plain(value: Any) -> list[str]:
    """Return a value in the form that --set takes, in a list; empty for what a shell would have to quote."""
    return [value] if isinstance(value, str) else [json.dumps(value)] if isinstance(value, (bool, int, float)) else []
