"""Recipe -> objects: the only place where names become things."""

import inspect
import math
import os
import typing
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from gan_cli import datasets, features, metrics, recipe, text
from gan_cli.binding import Table, call, kind, nearest, schema, validate_part
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.engine import kept, parallel
from gan_cli.engine.state import Experiment, Late, State, definitions, optimised, state_shapes
from gan_cli.errors import InputError
from gan_cli.games.game import Game, Labels
from gan_cli.games.networks import NetFactory
from gan_cli.names import canonical_metrics
from gan_cli.types import Adversarial, Penalty, Ports, Spec, Specs, Tasks, leaves

if TYPE_CHECKING:
    import optax
    from flax import nnx

LOSS = kind("loss", "name", "gan_cli.losses", Adversarial, option=True)
PENALTY = kind("penalty", "name", "gan_cli.losses", Penalty, option=True)
NETWORK = kind("network", "net", "gan_cli.nets", "flax.nnx:Module", Ports, "flax.nnx:Rngs")
GAME = kind("game", "play", "gan_cli.games", Game, Spec, ...)


def resolve(tables: Mapping[str, Any], where: str) -> Table:
    """Check a recipe's tables and fill in every default: the plain data that a run saves.

    Which tables [optimisers] must have is for the game to say, and it is asked once the data are known: `experiment`.
    Raises InputError that names the file (`where`), the table and the key.
    """
    from gan_cli.engine.optim import OPTIMISER

    recipe.check_tables(tables, where)
    data, game = datasets.checked_data(tables, where), recipe.checked_part(GAME, "game", tables, where)
    _check_streams(data, game["play"], where)
    _check_parts("networks", tables, roles(game["play"]), game["play"], f"{where}: ")
    many: dict[str, dict[str, Table]] = {}
    for what, table in ((NETWORK, "networks"), (OPTIMISER, "optimisers")):
        given = tables.get(table, {})
        many[table] = {name: validate_part(what, given[name], f"{where}: [{table}.{name}] ") for name in given}
    fixed = recipe.check_fixed(tables, where)

    judges, here = fixed["eval"], f"{where}: [eval] "
    options = metrics.options(canonical_metrics(judges["metric"]), judges["options"], here, f"{here}options.")
    features.check_shipped(judges["features"], here)
    fixed["eval"] = {**judges, "options": {name: own for name, own in options.items() if own}}

    resolved = {"data": data.get("", data), "game": game, **fixed, **many}
    return {name: resolved[name] for name in recipe.TABLES}


def _check_streams(given: Mapping[str, Table], play: str, where: str) -> None:
    """Raise InputError unless the checked tables of data, by stream, are exactly those that the game wants."""
    wanted = streams(play)
    if wanted == [""] and "" not in given:
        raise InputError(f"{where}: [data.{next(iter(given))}]: game {play!r} has a single stream of data: [data]")
    if wanted != [""] and "" in given:
        tables = " and ".join(f"[data.{stream}]" for stream in wanted)
        raise InputError(f"{where}: [data]: game {play!r} has several streams of data: {tables} in its place")
    _check_parts("data", {"data": given}, wanted, play, f"{where}: ")


def _check_parts(table: str, tables: Mapping[str, Any], wanted: Collection[str], game: str, where: str) -> None:
    """Raise InputError unless the sub-tables of [table] are exactly those that the game wants."""
    given = tables.get(table, {})
    for name in given:
        if name not in wanted:
            raise InputError(f"{where}[{table}.{name}]: game {game!r} has no such part{nearest(name, wanted)}")
    for name in wanted:
        if name not in given:
            raise InputError(f"{where}[{table}.{name}] is missing: game {game!r} needs it")


def roles(game: str) -> list[str]:
    """The roles of a game's networks: the positional parameters of its function that are network factories."""
    return [name for name, kind in _positional(game).items() if kind not in (Spec, Tasks)]


def streams(game: str) -> list[str]:
    """The streams of data of a game: its parameters annotated Spec. One called `spec` is the only one: [""]."""
    found = [name for name, kind in _positional(game).items() if kind is Spec]
    return [""] if found == ["spec"] else found


def _positional(game: str) -> dict[str, Any]:
    """The positional parameters of a game's function, and their types."""
    function = GAME.find(game)
    hints, parameters = typing.get_type_hints(function), inspect.signature(function).parameters.values()
    return {p.name: hints[p.name] for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}


def experiment(resolved: Table, specs: Spec | Specs, where: str = "", *, trained: bool = False) -> Experiment:
    """The game, its networks and optimisers for data that look like `specs`; computes nothing.

    Raises InputError, which begins with `where`, for parts that do not fit each other or the data. `trained`: the
    recipe is a run's, whose networks and optimisers are only made when they are asked for.
    """
    networks: dict[str, NetFactory] = {
        role: partial(_network, role, table) for role, table in resolved["networks"].items()
    }
    specs = streams_of(resolved, specs)
    game = game_of(resolved, specs, networks)
    for stream, spec in specs.items():
        if game.labels_of(stream) != "unused" and not spec.classes:
            table = datasets.data_tables(resolved["data"])[stream]
            raise InputError(
                f"[game] play = {resolved['game']['play']!r} wants data with labels, and [{_path(stream)}] source = "
                f"{table['source']!r} gives none (a folder has them with labels = true, an .npz file as array y)"
            )
    _check_asks(game, specs, resolved["game"]["play"])
    _check_parts("optimisers", resolved, optimised(game), resolved["game"]["play"], where)
    train, ema = recipe.Train(**resolved["train"]), recipe.Ema(**resolved["ema"])
    if game.differentiates and train.accumulate > 1:
        raise InputError(
            f"[train] accumulate = {train.accumulate}: the game looks ahead with the gradients of the whole batch, "
            "which no micro-batch has; accumulate = 1 would do"
        )
    parallel.check_batch(train.batch, train.accumulate, game.together, devices=1)  # a run asks for its own devices
    shaping = {name: resolved[name] for name in ("networks", "game", "optimisers", "train", "ema")}
    identity = kept.digest(shaping, specs.get("", specs))
    makes: tuple[Callable[[], Any], ...] = (partial(definitions, game), partial(_optimisers, resolved, game))
    networks_made, optimisers_made = (Late(make) if trained else make() for make in makes)
    return Experiment(specs, game, networks_made, optimisers_made, train, ema, identity)


def game_of(resolved: Table, specs: Spec | Specs, networks: Mapping[str, NetFactory]) -> Game:
    """The game of a checked recipe with these networks; raises InputError for data that it cannot be played with."""
    tasks = {name: _tasks(resolved) for name, kind in _positional(resolved["game"]["play"]).items() if kind is Tasks}
    game: Game = call(GAME, resolved["game"], *streams_of(resolved, specs).values(), **tasks, **networks)
    return game


def _tasks(resolved: Table) -> Tasks:
    """The tasks into which [data] divides its classes, for a game that learns one after the other."""
    data = resolved["data"]
    if data.get("tasks") is None:
        raise InputError(
            f"[game] play = {resolved['game']['play']!r} learns tasks one after the other: [data] tasks = 5"
        )
    return Tasks(data["tasks"], data["task_steps"])


def _check_asks(game: Game, specs: Specs, play: str) -> None:
    """Raise InputError where the data lack a leaf that an ask starts from or makes."""
    known = leaves(specs)
    for name, ask in game.asks.items():
        for wanted in (*ask.given, *([ask.like] if isinstance(ask.like, str) else [])):
            if wanted not in known:
                raise InputError(
                    f"[game] play = {play!r}: to {name} it wants {wanted} of an example, and these data have "
                    f"{', '.join(known)}"
                )


def streams_of(resolved: Table, specs: Spec | Specs) -> Specs:
    """The specs of a recipe's streams, in the order in which its game takes them; one alone is that of a single one."""
    return {"": specs} if isinstance(specs, Spec) else {name: specs[name] for name in streams(resolved["game"]["play"])}


def _path(stream: str) -> str:
    """The name of the table that describes a stream of data."""
    return f"data.{stream}" if stream else "data"


def _optimisers(resolved: Table, game: Game) -> dict[str, "optax.GradientTransformation"]:
    """The optimisers that a game wants; raises InputError for one through which it cannot differentiate."""
    from gan_cli.engine.optim import OPTIMISER, is_smooth

    made = {table: call(OPTIMISER, resolved["optimisers"][table]) for table in optimised(game)}
    for table in game.differentiates:
        if not is_smooth(made[table]):
            own = resolved["optimisers"][table]
            other = 'another one, for example "sgd" or "adam" with eps_root,'
            mend = "eps_root = 1e-12" if "eps_root" in own else other
            raise InputError(
                f"[optimisers.{table}] name = {own['name']!r}: the game differentiates through its updates, which have "
                f"no finite derivative where a gradient is 0; {mend} would do"
            )
    return made


def _network(role: str, table: Table, ports: Ports, rngs: "nnx.Rngs") -> "nnx.Module":
    """The network of a role; raises InputError that begins with its table."""
    try:
        made: nnx.Module = call(NETWORK, table, ports, rngs)
    except InputError as error:
        raise InputError(f"[networks.{role}] {error}") from None
    return made


class Prepared(NamedTuple):
    """A recipe with its data at hand."""

    resolved: Table
    sources: Mapping[str, Source]  # by stream
    experiment: Experiment
    shapes: State  # shapes and dtypes of its states

    @property
    def source(self) -> Source:
        """The stream that the results of the game's first ask are like."""
        return self.sources[self.experiment.stream()]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides every example of all streams."""
        return datasets.fingerprint(self.sources)


def prepare(tables: Mapping[str, Any], where: str, store: Store) -> Prepared:
    """Everything that can be wrong with a recipe and its data, found before anything is written or compiled."""
    resolved = resolve(tables, where)
    return fit(resolved, datasets.load_streams(resolved, store), where, store.note)


def fit(resolved: Table, sources: Mapping[str, Source], where: str, note: Callable[[str], None]) -> Prepared:
    """A checked recipe and its data, tried on each other; `note` is told which options have no effect.

    Raises InputError where labels are not hidden exactly for the games that want it so, and where parts do not fit.
    """
    made = experiment(resolved, {stream: source.spec for stream, source in sources.items()}, f"{where}: ")
    for stream, source in sources.items():
        _check_labelled(made.game.labels_of(stream), source, _path(stream), resolved["game"]["play"])
    for role, table in resolved["networks"].items():
        if table.get("width", 0) > table.get("max_width", math.inf):
            note(
                f"[networks.{role}] width = {table['width']}: max_width = {table['max_width']} holds, so that all maps "
                f"have {table['max_width']} channels; set max_width, too, for wider ones"
            )
    shapes = state_shapes(made)
    check_size(shapes)
    judges = resolved["eval"]  # a run's numbers are through one network, also where another is installed later
    resolved = {**resolved, "eval": {**judges, "features": features.decided(judges["features"], *made.specs.values())}}
    return Prepared(resolved, sources, made, shapes)


def _check_labelled(labels: Labels, source: Source, table: str, play: str) -> None:
    """Raise InputError unless as many labels are hidden as the game wants of a stream; [`table`] describes it."""
    shown = None if source.labelled is None else len(source.labelled)
    if labels == "some" and not shown:
        raise InputError(
            f"[game] play = {play!r} is for data of which few labels are known: set [{table}] labelled = "
            f"{max(len(source.spec.classes), source.size // 100)} or another number of examples"
        )
    if labels != "some" and shown:
        raise InputError(
            f"[{table}] labelled = {shown} hides the other labels, and [game] play = {play!r} has no use "
            "for a few of them; remove it"
        )
    if labels == "all" and shown == 0:
        raise InputError(f"[{table}] labelled = 0 hides the labels that [game] play = {play!r} reads; remove it")


def check_size(shapes: Any) -> None:
    """Raise InputError when a state, a pytree of shapes, is alone larger than this machine's memory."""
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(shapes))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise InputError(
            f"[networks] with their optimisers take {text.size(size)}, and this machine has {text.size(memory)}: "
            "make them smaller"
        )


def recipe_schema() -> Table:
    """JSON Schema of a recipe file, for completion in editors."""
    from gan_cli.engine.optim import OPTIMISER

    fixed = {name: model.model_json_schema() for name, model in recipe.FIXED.items()}
    source = {"$ref": "#/$defs/source"}
    data = {"anyOf": [source, {"type": "object", "additionalProperties": source}]}  # of one stream, or of several
    named = {"data": data, "game": schema(GAME)}
    many = {
        name: {"type": "object", "additionalProperties": schema(what)}
        for name, what in (("networks", NETWORK), ("optimisers", OPTIMISER))
    }
    properties = {name: {**named, **many, **fixed}[name] for name in recipe.TABLES}
    whole = {"required": ["data", "networks", "game", "optimisers"], "properties": properties}
    changes = {"required": [recipe.LIKE], "properties": {name: {"type": "object"} for name in recipe.TABLES}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gan recipe",
        "$defs": {"source": schema(datasets.SOURCE)},
        "type": "object",
        "additionalProperties": False,
        "properties": {recipe.LIKE: {"type": "string"}, **{name: {} for name in recipe.TABLES}},
        "if": {"required": [recipe.LIKE]},
        "then": changes,
        "else": whole,
    }
