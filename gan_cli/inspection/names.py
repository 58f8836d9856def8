"""names.json, of what the package's functions say of themselves: `python -m gan_cli.inspection.names` writes it."""

import inspect
import json
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

from gan_cli import build, data, features, lab, metrics
from gan_cli.binding import Kind
from gan_cli.data.store import Origin
from gan_cli.export.formats import FORMAT, find_format
from gan_cli.names import literals

FILE = Path(build.__file__).with_name("names.json")
RECIPES = (build.LOSS, build.PENALTY, build.NETWORK, build.GAME, build.SOURCE)
KINDS = (*RECIPES, features.FEATURES, metrics.METRIC, lab.DEMONSTRATION, FORMAT)


def written() -> str:
    """The file's text."""
    found = {kind.word: {name: _entry(kind, name) for name in sorted(kind.names())} for kind in KINDS}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _entry(kind: Kind, name: str) -> dict[str, Any]:
    factory = kind.find(name)
    fields = kind.model(factory).model_fields.items()
    about: dict[str, Any] = {"line": (inspect.getdoc(factory) or "").partition("\n")[0]}
    if kind is metrics.METRIC:
        about["lower_is_better"] = metrics.find_metric(name).lower_is_better
    if kind is FORMAT:
        about["suffix"] = Path(find_format(name).file).suffix
    if kind is build.SOURCE and (origin := origins().get(name)):
        about |= {"published": True, "hub": origin.hub}
    return {**about, "options": {key: _option(field) for key, field in fields}}


def _option(field: Any) -> tuple[Any, list[str]]:
    """Its default, where that is a plain value, and the words that it can be."""
    default = field.get_default()
    nested = [] if isinstance(default, tuple) else [item for item in field.metadata if isinstance(item, Kind)]
    choices = [name for kind in nested for name in kind.names()] or literals(field.annotation)
    return default if isinstance(default, (bool, int, float, str)) else None, choices


def origins() -> dict[str, Origin]:
    """Name of a data source -> where its files are from, of those that say so in their module's ORIGIN."""
    modules = {info.name: import_module(f"{data.__name__}.{info.name}") for info in pkgutil.iter_modules(data.__path__)}
    return {name: module.ORIGIN for name, module in modules.items() if hasattr(module, "ORIGIN")}


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
