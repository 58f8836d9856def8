"""The keys of a recipe and what they can be, for completion: from its tables and from names.json, without JAX."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gan_cli.names import entries, literals

Keys = dict[str, list[str]]  # "train.batch" -> values, the recipe's or the default first, as --set has them
OF_OPTIMISERS = ("learning_rate", "clip_norm", "clip_weights", "bound_units", "historical_averaging")


def keys(tables: Mapping[str, Any]) -> Keys:
    """Every key of these tables, and those that have a default."""
    found: Keys = {}
    for key, values in (*_fixed(), *_named(tables), *_written(tables)):
        there = found.setdefault(key, [])
        found[key] = list(dict.fromkeys([*(values[:1] if key in dict(_written(tables)) else []), *there, *values]))
    return dict(sorted(found.items()))


def _fixed() -> Iterator[tuple[str, list[str]]]:
    """[run], [train], [ema], [eval], [monitor]."""
    from gan_cli.recipe import FIXED

    for table, model in FIXED.items():
        for name, field in model.model_fields.items():
            yield f"{table}.{name}", [*_shown(field.default), *literals(field.annotation)]


def _named(tables: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """[data], [game], [networks.*]: the names that they can have, and the options of those that they have."""
    networks = [(f"networks.{role}", "net", "network") for role in _tables(tables, "networks")]
    for table, key, kind in (("data", "source", "data source"), ("game", "play", "game"), *networks):
        found, own = entries(kind), _at(tables, table).get(key)
        yield f"{table}.{key}", list(found)
        for option in found[own].options if own in found else ():
            yield f"{table}.{option.name}", [*_shown(option.default), *option.choices]
    for table in _tables(tables, "optimisers"):
        yield from ((f"optimisers.{table}.{name}", []) for name in OF_OPTIMISERS)


def _written(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _written(value, f"{prefix}{key}.")
        elif prefix:
            yield f"{prefix}{key}", _shown(value)


def _tables(tables: Mapping[str, Any], name: str) -> Sequence[str]:
    found = tables.get(name)
    return list(found) if isinstance(found, dict) else []


def _at(tables: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    found: Any = tables
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _shown(value: Any) -> list[str]:
    """A value as --set has it; none for what a shell would have to quote."""
    return [value] if isinstance(value, str) else [json.dumps(value)] if isinstance(value, (bool, int, float)) else []
