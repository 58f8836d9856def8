"""The real side of a comparison: examples, or the statistics that are left of them."""

from collections.abc import Mapping
from typing import NamedTuple

from gan_cli import datasets
from gan_cli.binding import Table
from gan_cli.data.source import Mixture, Source
from gan_cli.data.store import Store
from gan_cli.engine.checkpoint import Meta
from gan_cli.errors import InputError
from gan_cli.metrics.cache import Stored

EVERYTHING = "all"  # the split that holds all others


class Reference(NamedTuple):
    """What fakes are compared with. Without examples and statistics there is nothing real."""

    called: str = ""  # "mnist test", or a file's name; and what was done to its images, if that was for this comparison
    source: Source | None = None
    stored: Stored | None = None  # statistics in a file, in place of examples
    fitted: tuple[str, ...] = ()  # what may have been done to the images of `stored`, in words; none: as to the fakes
    training: Source | None = None  # what was trained on, where `source` is held out of it
    trained: str = ""  # what that is called
    streams: Mapping[str, Source] = {}  # all of the data of that split, by stream: what an ask is given comes from them

    @property
    def mixture(self) -> Mixture | None:
        """The distribution of the real examples, where it is known."""
        return self.source.mixture if self.source else None


def changed(fingerprint: str, meta: Meta, step: int, called: str) -> list[str]:
    """A warning where the data of a checkpoint's recipe, by their fingerprint, are not what `step` was trained on.

    The list is empty where they are. `called`: what messages call the data.
    """
    if fingerprint == meta.fingerprint:
        return []
    return [f"WARNING: {called}: the data are no longer those that step {step} was trained on"]


def of_streams(
    resolved: Table,
    stream: str,
    trained_on: Mapping[str, Source],
    split: str | None,
    store: Store,
    *,
    training: bool = False,
) -> Reference:
    """The real examples of a recipe with which results that belong to `stream` are compared, all streams beside them.

    trained_on: the recipe's data by stream, where they are loaded; otherwise as `of_recipe`.
    """
    found = {
        name: of_recipe(datasets.stream_table(resolved, name), trained_on.get(name), split, store, training=training)
        for name in datasets.data_tables(resolved["data"])
    }
    streams = {name: own.source for name, own in found.items() if own.source}
    return found[stream]._replace(streams=streams)


def of_recipe(
    resolved: Table, trained_on: Source | None, split: str | None, store: Store, *, training: bool = False
) -> Reference:
    """The real examples that samples of a recipe with one stream are compared with.

    trained_on: the recipe's data, where they are loaded; split: None for the one of [eval]; training: whether what was
    trained on is wanted, too, where the split is held out of it. Raises InputError for a split that there is not.
    """
    table = resolved["data"]
    if "split" not in table:
        if split is not None:
            raise InputError(f"--split {split}: data source {table['source']!r} has no splits")
        return Reference(f"{table['source']} all", trained_on or datasets.load_data(resolved, store))
    wanted = split or resolved["eval"]["split"]
    called = f"{table['source']} {wanted}"
    if wanted == table["split"]:
        return Reference(called, trained_on or datasets.load_data(resolved, store))
    source = datasets.load_data(datasets.with_split(resolved, wanted, "--" if split else "[eval] "), store)
    against = Reference(called, source)
    if not training or EVERYTHING in (wanted, table["split"]):
        return against
    return against._replace(
        training=trained_on or datasets.load_data(resolved, store), trained=f"{table['source']} {table['split']}"
    )
