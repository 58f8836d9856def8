"""Recipe -> objects: the only place where names become things."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from flax import nnx

from gan_cli import recipe
from gan_cli.binding import Kind, Table, call, check, kind, nearest, options_model, schema
from gan_cli.data import images, pipeline
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.engine.optim import OPTIMISER
from gan_cli.engine.state import Experiment, definitions
from gan_cli.errors import InputError
from gan_cli.games.game import Game, NetFactory
from gan_cli.types import Adversarial, Ports, Spec

LOSS = kind("loss", "name", "gan_cli.losses", Adversarial, option=True)
NETWORK = kind("network", "net", "gan_cli.nets", nnx.Module, Ports, nnx.Rngs)
GAME = kind("game", "play", "gan_cli.games", Game, Spec, ...)
# [data] holds the options of its source and those of `images.fit`, which every image source goes through.
SOURCE = kind("data source", "source", "gan_cli.data", Source, Store)._replace(
    model=lambda source: options_model(source, images.fit)
)
FIT = options_model(images.fit)


def resolve(tables: Mapping[str, Any], where: str) -> Table:
    """Check a recipe's tables and fill in every default: the plain data that a run saves.

    Raises InputError that names the file (`where`), the table and the key.
    """
    recipe.check_tables(tables, where)
    named: dict[str, Table] = {"data": _check(SOURCE, tables, where), "game": _check(GAME, tables, where)}
    roles = _roles(named["game"])
    _check_entries("networks", tables, roles, f"game {named['game']['play']!r}", where)
    networks = {role: check(NETWORK, tables["networks"][role], f"{where}: [networks.{role}] ") for role in roles}
    optimisers = {
        name: check(OPTIMISER, table, f"{where}: [optimisers.{name}] ")
        for name, table in tables.get("optimisers", {}).items()
    }
    fixed = recipe.check_fixed(tables, where)
    resolved = {**named, **fixed, "networks": networks, "optimisers": optimisers}
    return {name: resolved[name] for name in recipe.TABLES}


def _check(what: Kind, tables: Mapping[str, Any], where: str) -> Table:
    table = {"source": "data", "play": "game"}[what.key]
    if table not in tables:
        raise InputError(f"{where}: [{table}] is missing: it names the {what.word}, {what.key} = ...")
    return check(what, tables[table], f"{where}: [{table}] ")


def _check_entries(table: str, tables: Mapping[str, Any], wanted: list[str], whose: str, where: str) -> None:
    """Raise InputError unless the sub-tables of [table] are exactly those that the game wants."""
    given = tables.get(table, {})
    for name in given:
        if name not in wanted:
            raise InputError(f"{where}: [{table}.{name}]: {whose} has no such part{nearest(name, wanted)}")
    for name in wanted:
        if name not in given:
            raise InputError(f"{where}: [{table}.{name}] is missing: {whose} needs it")


def _roles(game: Table) -> list[str]:
    """The positional parameters of the game's function, after the spec."""
    parameters = inspect.signature(GAME.find(game["play"])).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]


def load_data(resolved: Table, store: Store) -> Source:
    """The recipe's data source, its images brought to the recipe's size and channels."""
    table = resolved["data"]
    fit = {key: value for key, value in table.items() if key in FIT.model_fields}
    own = {key: value for key, value in table.items() if key not in fit}
    factory = SOURCE.find(table["source"])
    source: Source = call(SOURCE._replace(model=lambda _: options_model(factory)), own, store)
    return images.fit(source, **fit)


def feed(resolved: Table, source: Source) -> Any:
    """The batches of a run: `Resident` on the device, or `Streamed` (see data/pipeline.py)."""
    train = resolved["train"]
    return pipeline.pipeline(source, batch=train["batch"], seed=resolved["run"]["seed"], resident=train["resident"])


def experiment(resolved: Table, spec: Spec, where: str = "recipe") -> Experiment:
    """The game, its networks and optimisers for data that look like `spec`; computes nothing."""
    networks: dict[str, NetFactory] = {
        role: partial(call, NETWORK, table) for role, table in resolved["networks"].items()
    }
    game: Game = call(GAME, resolved["game"], spec, **networks)
    wanted = list(dict.fromkeys(turn.optimiser for turn in game.turns))
    _check_entries("optimisers", resolved, wanted, f"game {resolved['game']['play']!r}", where)
    made = {turn.name: call(OPTIMISER, resolved["optimisers"][turn.optimiser]) for turn in game.turns}
    train, ema = recipe.Train(**resolved["train"]), recipe.Ema(**resolved["ema"])
    return Experiment(spec, game, definitions(game), made, train, ema)


class Prepared(NamedTuple):
    """A recipe with its data at hand."""

    resolved: Table
    source: Source
    experiment: Experiment


def prepare(tables: Mapping[str, Any], where: str, store: Store) -> Prepared:
    """Everything that can be wrong with a recipe and its data, found before anything is written or compiled."""
    resolved = resolve(tables, where)
    source = load_data(resolved, store)
    return Prepared(resolved, source, experiment(resolved, source.spec, where))


def recipe_schema() -> Table:
    """JSON Schema of a recipe file, for completion in editors."""
    fixed = {name: model.model_json_schema() for name, model in recipe.FIXED.items()}
    named = {"data": schema(SOURCE), "game": schema(GAME)}
    many = {
        name: {"type": "object", "additionalProperties": schema(what)}
        for name, what in (("networks", NETWORK), ("optimisers", OPTIMISER))
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gan recipe",
        "type": "object",
        "additionalProperties": False,
        "required": ["data", "networks", "game", "optimisers"],
        "properties": {name: {**named, **many, **fixed}[name] for name in recipe.TABLES},
    }
