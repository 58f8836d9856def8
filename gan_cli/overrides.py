"""`--set`: a recipe with some of its keys replaced. Where a name is replaced, what only the old one knew goes with it.

What a person has set is never left out: where the new name does not know it, checking the recipe says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gan_cli import build, recipe, recipe_tables
from gan_cli.binding import Kind, Table
from gan_cli.engine.optim import OPTIMISER
from gan_cli.metric_names import all_canonical, canonical

NAMED = {"data": build.SOURCE, "game": build.GAME}
PARTS = {"networks": build.NETWORK, "optimisers": OPTIMISER}
Place = tuple[str, ...]  # a key and the tables that it is in


def read_overridden(path: Path, overrides: Iterable[str], note: Callable[[str], None]) -> Table:
    """A recipe's tables with overrides applied; one notice names the keys that are left out. Raises InputError."""
    overrides = list(overrides)
    written, tables, given = (
        recipe.read_tables(path),
        recipe.read_tables(path, overrides),
        recipe_tables.overriding({}, overrides),
    )
    gone: list[Place] = []
    for obsolete in (_of_names, _of_game, _of_metrics) if overrides else ():  # a game is checked without what is gone
        found = list(obsolete(written, tables, given))
        for place in found:
            del _at(tables, place[:-1])[place[-1]]
        gone += found
    if gone:
        keys = ", ".join(".".join(place) for place in gone)
        note(f"{path}: left out, because --set puts another name in place of the one that they belonged to: {keys}")
    return tables


def _of_names(old: Table, new: Table, given: Table) -> Iterator[Place]:
    for name, kind in NAMED.items():
        yield from _of_kind(kind, (name,), old, new, given)
    for table, kind in PARTS.items():
        for name in list(_tables(new.get(table))):
            yield from _of_kind(kind, (table, name), old, new, given)


def _of_kind(kind: Kind, place: Place, old: Table, new: Table, given: Table) -> Iterator[Place]:
    """Options in the table at `place` that its new name does not know, and in the tables of things within it."""
    name = _name(kind, _at(new, place))
    if name not in kind.names():
        return  # which checking the recipe will say
    known = kind.model(kind.find(name)).model_fields
    if _name(kind, _at(old, place)) not in (None, name):
        chosen = _tables(_at(given, place))
        options = [key for key in _tables(_at(new, place)) if key != kind.key]
        yield from ((*place, key) for key in options if key not in known and key not in chosen)
    for key, field in known.items():
        for nested in (item for item in field.metadata if isinstance(item, Kind)):
            yield from _of_kind(nested, (*place, key), old, new, given)


def _of_game(old: Table, new: Table, given: Table) -> Iterator[Place]:
    """Networks of the old game that the new one has no part for, and the optimisers called like them."""
    names = [_name(build.GAME, tables.get("game")) for tables in (old, new)]
    if names[0] == names[1] or not all(name in build.GAME.names() for name in names):
        return
    had, has = (build.roles(str(name)) for name in names)
    for table in PARTS:
        chosen = _tables(given.get(table))
        yield from (
            (table, role) for role in _tables(new.get(table)) if role in had and role not in has and role not in chosen
        )


def _of_metrics(_: Table, new: Table, given: Table) -> Iterator[Place]:
    """Options of metrics that are no longer asked for."""
    metric = _at(given, ("eval", "metric"))
    if not isinstance(metric, (str, list)):
        return
    wanted = all_canonical(metric if isinstance(metric, str) else ",".join(map(str, metric)))
    chosen = set(map(canonical, _tables(_at(given, ("eval", "options")))))
    for name in _tables(_at(new, ("eval", "options"))):
        if canonical(name) not in {*wanted, *chosen}:
            yield ("eval", "options", name)


def _name(kind: Kind, value: Any) -> str | None:
    name = value.get(kind.key) if isinstance(value, Mapping) else value
    return name if isinstance(name, str) else None


def _tables(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _at(table: Any, place: Place) -> Any:
    for part in place:
        table = _tables(table).get(part)
    return table
