"""names.json, of what the package's functions say of themselves: `python -m gan_cli.inspection.names` writes it."""

import inspect
import json
from pathlib import Path
from typing import Any

from gan_cli import build, datasets, features, lab, metrics
from gan_cli.binding import Kind
from gan_cli.data.augment import AUGMENT
from gan_cli.data.store import origins
from gan_cli.data.views import VIEW
from gan_cli.export.formats import FORMAT, find_format
from gan_cli.names import literals

FILE = Path(build.__file__).with_name("names.json")
RECIPES = (build.LOSS, build.PENALTY, VIEW, AUGMENT, build.NETWORK, build.GAME, datasets.SOURCE)
KINDS = (*RECIPES, features.FEATURES, metrics.METRIC, lab.DEMONSTRATION, FORMAT)


def names_json() -> str:
    """The file's text: kind -> name -> the first line of what it says of itself, what Tab offers, and its options."""
    published = origins()
    found: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        entries = found[kind.word] = {}
        for name in sorted(kind.names()):
            factory = kind.find(name)
            entry = entries[name] = {"line": (inspect.getdoc(factory) or "").partition("\n")[0]}
            if kind is metrics.METRIC:
                entry["lower_is_better"] = metrics.find_metric(name).lower_is_better
            if kind is FORMAT:
                entry["suffix"] = Path(find_format(name).file).suffix
            if kind is datasets.SOURCE and name in published:
                entry |= {"published": True, "hub": published[name].hub}
            fields = kind.model(factory).model_fields.items()
            entry["options"] = {key: _default_and_choices(field) for key, field in fields}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _default_and_choices(field: Any) -> tuple[Any, list[str]]:
    """An option's default, where that is a plain value, and the words that it can be."""
    default = field.get_default()
    nested = [] if isinstance(default, tuple) else [item for item in field.metadata if isinstance(item, Kind)]
    choices = [name for kind in nested for name in kind.names()] or literals(field.annotation)
    return default if isinstance(default, (bool, int, float, str)) else None, choices


if __name__ == "__main__":
    FILE.write_text(names_json(), encoding="utf-8")
