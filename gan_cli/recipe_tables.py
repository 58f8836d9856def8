"""Recipes as tables of TOML: parsed within bounds, one laid over another, single keys set, flattened."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gan_cli import slips
from gan_cli.binding import Table
from gan_cli.errors import InputError
from gan_cli.names import canonical_metric

DEPTH = 16  # nested tables and lists, and names of a key joined by dots
LIST = 256  # values of a list: of layers, modes or penalties
WHOLE = 1 << 63  # whole numbers are from -WHOLE to WHOLE - 1, as TOML has them
NAME = r"""(?>[\w-]+|"(?>[^"\\\n]|\\.)*"|'[^'\n]*')"""
LONG_KEY = re.compile(rf"(?<![\w-])(?>{NAME}[ \t]*\.[ \t]*){{{DEPTH}}}")


def parse(text: bytes, where: str) -> Table:
    """Parse a recipe file's bytes into tables; raises InputError, which begins with `where`."""
    decoded = slips.decoded(text, where)
    if LONG_KEY.search(decoded):  # tomllib takes quadratic time and memory for such a key
        raise InputError(f"{where}: a key of more than {DEPTH} names joined by dots")
    try:
        tables = tomllib.loads(decoded)
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or a number or nesting beyond all bounds
        raise InputError(f"{where}: not valid TOML: {error}{slips.of_text(decoded, error)}") from None
    _check_values(tables, where)
    return tables


def _check_values(value: Any, where: str, depth: int = 0) -> None:
    """Raise InputError for nesting that is too deep, lists that are too long, and numbers of more than 64 bits."""
    if depth > DEPTH:
        raise InputError(f"{where}: more than {DEPTH} tables or lists in one another")
    if isinstance(value, int) and not -WHOLE <= value < WHOLE:
        raise InputError(f"{where}: a whole number of {value.bit_length()} bits; 64 are the most in TOML")
    if isinstance(value, list) and len(value) > LIST:
        raise InputError(f"{where}: a list of {len(value)} values; at most {LIST} are expected")
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(inner, f"{where}: {key}"[:200], depth + 1)


def set_key(tables: Table, override: str, form: str = "table.key=value, for example train.steps=2000") -> None:
    """Apply `table.key=value` to nested tables, in place; raises InputError, which shows the right `form`.

    The value is TOML, or else a bare word. A name that stands for a whole table ("adversarial.hinge") becomes that
    table when one of its options is set.
    """
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise InputError(f"--set {override}: expected {form}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError) as error:
        value = text.strip()  # a bare word is a string: game.loss=adversarial.hinge
        if value.startswith(('"', "'", "[", "{")):
            mend = slips.of_line(f"{key.strip()} = {value}")
            raise InputError(f"--set {override[:200]}: not valid TOML: {error}{mend and '; '}{mend}") from None
    _check_values(value, f"--set {override[:200]}")
    if parts[:2] == ["eval", "options"] and len(parts) > 2:  # the name by which the recipe calls this metric
        known = tables.get("eval", {}).get("options", {})
        parts[2] = next((name for name in known if canonical_metric(name) == canonical_metric(parts[2])), parts[2])
    table = tables
    for i, part in enumerate(parts[:-1], 1):
        inner, name = table.get(part, {}), _name_key(parts[:i])
        if isinstance(inner, str) and name:
            inner = {name: inner}
        elif part == "learning_rate" and isinstance(inner, (int, float)):
            inner = {}
        if not isinstance(inner, dict):
            raise InputError(f"--set {override}: {part} is a value, not a table")
        table[part] = inner
        table = inner
    there = table.get(parts[-1])
    if isinstance(there, dict) and isinstance(value, str) and (name := _name_key(parts)):
        there[name] = value
    else:
        table[parts[-1]] = value


def _name_key(parts: list[str]) -> str:
    """Return the key that names what the table at `parts` stands for; empty for a table that stands for no thing."""
    if len(parts) == 1:
        return {"data": "source", "game": "play"}.get(parts[0], "")
    if len(parts) == 2:
        return {"networks": "net", "optimisers": "name", "game": "name", "data": "source"}.get(parts[0], "")
    return "schedule" if parts[0] == "optimisers" and parts[2:] == ["learning_rate"] else ""


def overriding(tables: Table, overrides: Iterable[str]) -> Table:
    """Apply `table.key=value` overrides to `tables`, in place, and return them; raises InputError.

    Their order does not matter: a name is set before the options beside it.
    """
    for override in sorted(overrides, key=lambda text: text.partition("=")[0].count(".")):
        set_key(tables, override)
    return tables


def laid_over(base: Mapping[str, Any], own: Mapping[str, Any], place: tuple[str, ...] = ()) -> Table:
    """Return `base` with the values of `own` in place of its own, key by key.

    A table that names another thing, a network or a source for example, keeps none of the old one's options.
    """
    made = dict(base)
    for key, value in own.items():
        old, name = base.get(key), _name_key([*place, key])
        if isinstance(old, Mapping) and isinstance(value, Mapping) and _are_of_one_thing(old, value, name):
            made[key] = laid_over(old, value, (*place, key))
        else:
            made[key] = value
    return made


def has_streams(data: Mapping[str, Any]) -> bool:
    """Whether [data] holds a table for each of several streams, one of which may be called "source"."""
    return bool(data) and all(isinstance(own, Mapping) for own in data.values())


def _are_of_one_thing(old: Mapping[str, Any], own: Mapping[str, Any], name: str) -> bool:
    """Whether one table adds to another: `name` is the key of what they are of, and [data] of streams has none."""
    if name == "source" and name in old and has_streams(own):
        return has_streams(old)  # else streams stand in the place of a single one
    return bool(own.get(name, old.get(name)) == old.get(name))


def leaves(tables: Mapping[str, Any], joint: str = ".") -> Iterator[tuple[str, Any]]:
    """Yield the values in nested tables with their keys joined: "train.batch", 64."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}{joint}{inner}", leaf) for inner, leaf in leaves(value, joint))
        else:
            yield key, value
