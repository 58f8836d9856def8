"""All that a recipe or a command line can name, with options and defaults: read from names.json, without JAX.

`python -m gan_cli.inspection.names` (`make names`) writes that file anew.
"""

import json
from functools import cache
from importlib import resources
from typing import Any, NamedTuple


class Option(NamedTuple):
    """A key beside the name."""

    name: str
    default: Any  # a number, a text or a boolean; None: it has none, or one that is no such thing
    choices: tuple[str, ...]  # the words that it can be; empty: it is of another type


class Entry(NamedTuple):
    """A thing that has a name."""

    name: str  # "dcgan.generator", "inception-score"
    line: str  # the first one of what it says of itself
    options: tuple[Option, ...]
    lower_is_better: bool | None = None  # of a metric
    published: bool = False  # a data set whose files other people publish
    hub: str = ""  # that data set's name on the Hugging Face Hub, where it has one
    suffix: str = ""  # of files in an export format: ".onnx"


KINDS = (
    *("loss", "penalty", "network", "game", "data source"),  # of a recipe
    *("feature network", "metric", "demonstration", "export format"),
)


def entries(kind: str) -> dict[str, Entry]:
    """Name -> what is known of it, for one of KINDS, by name."""
    return _all()[kind]


@cache
def _all() -> dict[str, dict[str, Entry]]:
    text = (resources.files("gan_cli") / "names.json").read_text(encoding="utf-8")
    return {kind: {name: _entry(name, known) for name, known in own.items()} for kind, own in json.loads(text).items()}


def _entry(name: str, known: dict[str, Any]) -> Entry:
    options = tuple(Option(key, default, tuple(choices)) for key, (default, choices) in known.pop("options").items())
    return Entry(name, options=options, **known)


def lower_is_better(metric: str) -> bool | None:
    """Whether less of a metric is better; None for what is no metric."""
    found = entries("metric").get(metric)
    return found.lower_is_better if found else None


def literals(annotation: Any) -> list[str]:
    """The words that a value of this type can be; empty: it is of another type."""
    from typing import Literal, get_args, get_origin

    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if annotation is bool:
        return ["true", "false"]
    return [value for inner in get_args(annotation) for value in literals(inner)]
