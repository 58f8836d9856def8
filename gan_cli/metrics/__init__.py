"""Metrics: `find("inception-score")` is the function `inception_score` of `gan_cli/metrics/inception_score.py`, called.

A new metric is one file with one factory of its own name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.binding import Table, call, kind, nearest, validate_part
from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric
from gan_cli.names import canonical_metric, elsewhere

_BY_FILE = kind("metric", "metric", "gan_cli.metrics", Metric)
# a metric is written with dashes, as on the command line
METRIC = _BY_FILE._replace(
    names=lambda: [name.replace("_", "-") for name in _BY_FILE.names()],
    find=lambda name: _BY_FILE.find(name.replace("-", "_")),
)


def find_metric(name: str, **options: object) -> Metric:
    """The metric of this name, with its options; InputError for an unknown name, with the nearest valid one."""
    metric: Metric = call(METRIC, validate_part(METRIC, {"metric": canonical_metric(name), **options}))
    return metric


def names() -> list[str]:
    """The names of all metrics."""
    return METRIC.names()


def options(
    chosen: Sequence[str], given: Mapping[str, Any], where: str = "", option: str = "options."
) -> dict[str, Table]:
    """The options of the chosen metrics, defaults filled in: `given`, by metric, checked.

    Raises InputError for an unknown metric, which begins with `where`, and for a wrong option, or one of a metric that
    is not chosen, which begins with `option`.
    """
    for name in chosen:
        if canonical_metric(name) not in METRIC.names():
            mend = elsewhere(name) or nearest(name, METRIC.names())
            raise InputError(f"{where}metric = {name!r}: no such metric{mend}")
    wanted = {canonical_metric(name): own for name, own in given.items()}
    names_chosen = list(map(canonical_metric, chosen))
    for name in wanted:
        if name not in names_chosen:
            raise InputError(f"{option}{name}: this metric is not asked for{nearest(name, names_chosen)}")
    filled = {name: validate_part(METRIC, _table(name, wanted, option), f"{option}{name}.") for name in names_chosen}
    return {name: {key: value for key, value in table.items() if key != "metric"} for name, table in filled.items()}


def _table(name: str, given: Mapping[str, Any], option: str) -> Table:
    own = given.get(name, {})
    if not isinstance(own, Mapping):
        raise InputError(f"{option}{name} = {own!r}: a table of options is wanted, {name}.option = value")
    if "metric" in own:
        raise InputError(f"{option}{name}.metric: unknown option")
    return {**own, "metric": name}
