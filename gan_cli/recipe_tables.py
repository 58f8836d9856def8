"""Recipes as tables of TOML: parsed within bounds, one laid over another, single keys set."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from gan_cli import slips
from gan_cli.binding import Table
from gan_cli.errors import InputError
from gan_cli.metric_names import canonical

DEPTH = 16  # tables and lists in one another; names joined by dots
LIST = 256  # values in a list: of layers, modes or penalties
WHOLE = 1 << 63  # whole numbers are from -WHOLE to WHOLE - 1, as TOML has them
NAME = r"""(?>[\w-]+|"(?>[^"\\\n]|\\.)*"|'[^'\n]*')"""
LONG_KEY = re.compile(rf"(?<![\w-])(?>{NAME}[ \t]*\.[ \t]*){{{DEPTH}}}")


def parse(text: bytes, where: str) -> Table:
    """The tables in a recipe file's bytes; raises InputError, which begins with `where`."""
    decoded = slips.decoded(text, where)
    if LONG_KEY.search(decoded):  # tomllib takes time and memory by the square of how many there are
        raise InputError(f"{where}: a key of more than {DEPTH} names joined by dots")
    try:
        tables = tomllib.loads(decoded)
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or of a number or nesting beyond all bounds
        raise InputError(f"{where}: not valid TOML: {error}{slips.of_text(decoded, error)}") from None
    _check_values(tables, where)
    return tables


def _check_values(value: Any, where: str, depth: int = 0) -> None:
    """Raise InputError for tables in tables without end, and for whole numbers that no computer's integer holds."""
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
    """Apply `table.key=value` to nested tables, in place; raises InputError, which says the `form` that is right."""
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
        parts[2] = next((name for name in known if canonical(name) == canonical(parts[2])), parts[2])
    table = tables
    for i, part in enumerate(parts[:-1], 1):
        table[part] = _opened(table.get(part, {}), parts[:i])
        table = table[part]
        if not isinstance(table, dict):
            raise InputError(f"--set {override}: {part} is a value, not a table")
    there = table.get(parts[-1])
    if isinstance(there, dict) and isinstance(value, str) and (name := _name_key(parts)):
        there[name] = value
    else:
        table[parts[-1]] = value


def _opened(value: Any, parts: list[str]) -> Any:
    """A value as the table that it is short for, so that there can be options beside a name."""
    name = _name_key(parts)
    if isinstance(value, str) and name:
        return {name: value}
    return {} if parts[-1] == "learning_rate" and isinstance(value, (int, float)) else value


def _name_key(parts: list[str]) -> str:
    """The key that holds the name of what the table at `parts` is; empty for a table that is of no such thing."""
    if len(parts) == 1:
        return {"data": "source", "game": "play"}.get(parts[0], "")
    if len(parts) == 2:
        return {"networks": "net", "optimisers": "name", "game": "name"}.get(parts[0], "")
    return "schedule" if parts[0] == "optimisers" and parts[2:] == ["learning_rate"] else ""


def overriding(tables: Table, overrides: Iterable[str]) -> Table:
    """The same tables with `table.key=value` overrides applied, in any order: names before what is within them."""
    for override in sorted(overrides, key=lambda text: text.partition("=")[0].count(".")):
        set_key(tables, override)
    return tables


def laid_over(base: Mapping[str, Any], own: Mapping[str, Any], place: tuple[str, ...] = ()) -> Table:
    """`base` with what `own` says in its place, table by table.

    A table that names another thing, a network or a source, has nothing of the old one's options.
    """
    made = dict(base)
    for key, value in own.items():
        old, name = base.get(key), _name_key([*place, key])
        if isinstance(old, Mapping) and isinstance(value, Mapping) and value.get(name, old.get(name)) == old.get(name):
            made[key] = laid_over(old, value, (*place, key))
        else:
            made[key] = value
    return made
