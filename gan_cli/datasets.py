"""[data] -> sources of examples: the streams of a recipe, as a training reads them."""

from collections.abc import Callable, Mapping
from typing import Any

from gan_cli import media, recipe
from gan_cli.binding import Table, call, kind, options_model, typed, validate_part
from gan_cli.data import augment, images, labelled, levels, pipeline, tasks, views
from gan_cli.data.source import Source, digest, told
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.recipe_tables import has_streams
from gan_cli.types import Spec, Specs

# [data] holds the options of its source and of what is then done to it.
OF_TRAINING = (labelled.hide, augment.change, tasks.divide)  # what metrics do without
HIDING = options_model(*OF_TRAINING).model_fields
TRANSFORMS: tuple[Callable[..., Source], ...] = (images.fit, views.see, levels.quantise, *OF_TRAINING)
SOURCE = kind("data source", "source", "gan_cli.data", Source, Store)._replace(
    model=lambda source: options_model(source, *TRANSFORMS)
)


def checked_data(tables: Mapping[str, Any], where: str) -> dict[str, Table]:
    """[data], checked, or the tables in it of a game with several streams, by stream; raises InputError."""
    found = data_tables(tables.get("data", {}))
    if "" in found:
        return {"": recipe.checked_part(SOURCE, "data", tables, where)}
    return {stream: validate_part(SOURCE, own, f"{where}: [data.{stream}] ") for stream, own in found.items()}


def data_tables(data: Table) -> dict[str, Table]:
    """The tables in [data], by stream: that of a game with a single one is called ""."""
    return dict(data) if has_streams(data) else {"": data}


def stream_table(resolved: Table, stream: str) -> Table:
    """The recipe with the data of one of its streams alone, as if its game had no other."""
    return {**resolved, "data": data_tables(resolved["data"])[stream]}


def with_split(resolved: Table, split: str, where: str) -> Table:
    """The recipe with another split of its data and no label hidden; raises InputError when there is no such split."""
    data = {key: value for key, value in resolved["data"].items() if key not in HIDING}
    return {**resolved, "data": validate_part(SOURCE, {**data, "split": split}, where)}


def data_table(tables: Mapping[str, Any], where: str, split: str | None) -> Table:
    """The checked [data] of a recipe, or of a file with nothing else; with another split, if one is named.

    Raises InputError for several streams of data.
    """
    found = checked_data(tables, where)
    if "" not in found:
        raise InputError(
            f"{where}: has several streams of data, {', '.join(found)}, and one is wanted: a file with [data]"
        )
    table = found[""]
    return table if split is None else with_split({"data": table}, split, f"{where}: [data] ")["data"]


def load_data(resolved: Table, store: Store) -> Source:
    """The data source of a recipe with one stream, as a training reads it: fitted, labels hidden."""
    return load_source(resolved["data"], store)


def load_streams(resolved: Table, store: Store) -> dict[str, Source]:
    """The data sources of a recipe by stream, as a training reads them."""
    return {stream: load_source(table, store) for stream, table in data_tables(resolved["data"]).items()}


def as_trained(resolved: Table, specs: Specs) -> Table:
    """The recipe of a run whose examples looked like `specs`: with as many channels, whatever is in the data by now.

    An alpha that a model learned is a channel of its images, opaque or not; and nobody looks for one again. Where
    `views` are learned, their channels need not be those of the images that they are made of.
    """

    def fixed(table: Table, spec: Spec) -> Table:
        is_fixed = media.is_image(spec) and spec.shape[2] in images.MODES and not table.get("views")
        return {**table, "channels": spec.shape[2]} if is_fixed else table

    tables = data_tables(resolved["data"])
    if not tables.keys() <= specs.keys():
        return resolved
    made = {stream: fixed(table, specs[stream]) for stream, table in tables.items()}
    return {**resolved, "data": made.get("", made)}


def load_source(data: Table, store: Store) -> Source:
    """The data source of a checked table [data]; its remarks are told."""
    return told(read_source(data, store), store.tell)


def read_source(data: Table, store: Store) -> Source:
    """The data source of a checked table [data], without telling its remarks."""
    own = options_model(SOURCE.find(data["source"]))
    table = {key: value for key, value in data.items() if key == SOURCE.key or key in own.model_fields}
    return transformed(call(SOURCE._replace(model=lambda _: own), table, store), data)


def transformed(source: Source, data: Table) -> Source:
    """What a checked table [data] makes of the examples of its source: fitted, seen otherwise, labels hidden."""
    for transform in TRANSFORMS:
        source = transform(source, **options_of(transform, data))
    return source


def options_of(transform: Callable[..., Source], data: Table) -> dict[str, Any]:
    """The options of one of TRANSFORMS in a checked table [data]."""
    model = options_model(transform)
    return typed(model, {key: data[key] for key in model.model_fields if key in data})


def feed(resolved: Table, sources: Source | Mapping[str, Source], rows: slice = pipeline.ALL) -> pipeline.Feed:
    """The batches of a run, or these rows of them: on the device, or streamed (see data/pipeline.py)."""
    train, seed = resolved["train"], resolved["run"]["seed"]
    return pipeline.pipeline(sources, batch=train["batch"], seed=seed, resident=train["resident"], rows=rows)


def fingerprint(sources: Mapping[str, Source]) -> str:
    """SHA-256 of what decides every example of these streams."""
    prints = [source.fingerprint for source in sources.values()]
    return prints[0] if len(prints) == 1 else digest(*prints)
