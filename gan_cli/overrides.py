"""`--set`: a recipe with some of its keys replaced. Where a name is replaced, the options of the old one are left out.

What a person has set is never left out: where the new name does not know it, checking the recipe says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gan_cli import build, datasets, recipe, recipe_tables
from gan_cli.binding import Kind, Table
from gan_cli.engine.optim import OPTIMISER
from gan_cli.names import canonical_metric, canonical_metrics

NAMED = {"data": datasets.SOURCE, "game": build.GAME}
PARTS = {"networks": build.NETWORK, "optimisers": OPTIMISER}
Place = tuple[str, ...]  # a key and the tables that it is in


def read_overridden(path: Path, overrides: Iterable[str], note: Callable[[str], None]) -> Table:
    """Read a recipe's tables with `table.key=value` overrides applied; raises InputError.

    One call of `note` names the keys that are left out.
    """
    overrides = list(overrides)
    old, new = recipe.read_tables(path), recipe.read_tables(path, overrides)
    if not overrides:
        return new
    given = recipe_tables.overriding({}, overrides)
    gone: list[Place] = []
    for obsolete in (_options_of_old_names, _parts_of_old_game, _options_of_old_metrics):
        found = list(obsolete(old, new, given))
        for place in found:  # at once: a game is looked at without the options that are gone
            del _at(new, place[:-1])[place[-1]]
        gone += found
    if gone:
        keys = ", ".join(".".join(place) for place in gone)
        note(f"{path}: left out, because --set puts another name in place of the one that they belonged to: {keys}")
    return new


def _options_of_old_names(old: Table, new: Table, given: Table) -> Iterator[Place]:
    """Yield the options that the new names of their tables do not know, also those of things within other things."""
    waiting: list[tuple[Kind, Place]] = [(kind, (name,)) for name, kind in NAMED.items()]
    parts = {**PARTS, **({"data": datasets.SOURCE} if "" not in datasets.data_tables(new.get("data", {})) else {})}
    waiting += [(kind, (table, name)) for table, kind in parts.items() for name in _keys(new, (table,))]
    while waiting:
        kind, place = waiting.pop(0)
        name = _name(kind, new, place)
        if name is None or not kind.has(name):
            continue  # checking the recipe will say so
        known = kind.model(kind.find(name)).model_fields
        if _name(kind, old, place) not in (None, name):
            chosen = [kind.key, *known, *_keys(given, place)]
            yield from ((*place, key) for key in _keys(new, place) if key not in chosen)
        nested = [(item, (*place, key)) for key, field in known.items() for item in field.metadata]
        waiting = [(item, inner) for item, inner in nested if isinstance(item, Kind)] + waiting


def _parts_of_old_game(old: Table, new: Table, given: Table) -> Iterator[Place]:
    """Yield the networks for which the new game has no role, and the optimisers of the same names."""
    names = [_name(build.GAME, tables, ("game",)) for tables in (old, new)]
    if names[0] == names[1] or not all(map(build.GAME.has, names)):
        return
    had, has = (build.roles(str(name)) for name in names)
    for table in PARTS:
        kept = [*has, *_keys(given, (table,))]
        yield from ((table, role) for role in _keys(new, (table,)) if role in had and role not in kept)


def _options_of_old_metrics(_: Table, new: Table, given: Table) -> Iterator[Place]:
    """Yield the options of metrics that are no longer asked for."""
    place, metric = ("eval", "options"), _at(given, ("eval", "metric"))
    if isinstance(metric, (str, list)):
        wanted = canonical_metrics(metric if isinstance(metric, str) else ",".join(map(str, metric)))
        wanted += map(canonical_metric, _keys(given, place))
        yield from ((*place, name) for name in _keys(new, place) if canonical_metric(name) not in wanted)


def _name(kind: Kind, tables: Table, place: Place) -> str | None:
    """Return what the table at `place` names, which may be that name alone; None if it names nothing."""
    value = _at(tables, place)
    name = value.get(kind.key) if isinstance(value, Mapping) else value
    return name if isinstance(name, str) else None


def _keys(tables: Table, place: Place) -> list[str]:
    """Return the keys of the table at `place`; none where there is no table."""
    value = _at(tables, place)
    return list(value) if isinstance(value, Mapping) else []


def _at(tables: Any, place: Place) -> Any:
    """Return the value at `place`; None where there is none."""
    for part in place:
        tables = tables.get(part) if isinstance(tables, Mapping) else None
    return tables
