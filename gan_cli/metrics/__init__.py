"""Metrics: `find("inception-score")` is the function `inception_score` of `gan_cli/metrics/inception_score.py`, called.

A new metric is one file with one factory of its own name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.binding import Table, call, check, kind, nearest
from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric

_BY_FILE = kind("metric", "metric", "gan_cli.metrics", Metric)
# a metric is written with dashes, as on the command line
METRIC = _BY_FILE._replace(
    names=lambda: [name.replace("_", "-") for name in _BY_FILE.names()],
    find=lambda name: _BY_FILE.find(name.replace("-", "_")),
)


def find(name: str, **options: object) -> Metric:
    """The metric of this name, with its options; InputError for an unknown name, with the nearest valid one."""
    metric: Metric = call(METRIC, check(METRIC, {"metric": name.replace("_", "-"), **options}))
    return metric


def names() -> list[str]:
    """The names of all metrics."""
    return METRIC.names()


def options(chosen: Sequence[str], given: Mapping[str, Any], where: str = "") -> dict[str, Table]:
    """The options of the chosen metrics, defaults filled in: `given`, by metric, checked.

    Raises InputError, beginning with `where`, for an unknown metric, and for options of one that is not chosen.
    """
    chosen = [name.replace("_", "-") for name in chosen]
    for name in given:
        if name not in chosen:
            raise InputError(f"{where}options.{name}: this metric is not asked for{nearest(name, chosen)}")
    filled = {name: check(METRIC, {"metric": name, **_table(name, given, where)}, where) for name in chosen}
    return {name: {key: value for key, value in table.items() if key != "metric"} for name, table in filled.items()}


def _table(name: str, given: Mapping[str, Any], where: str) -> Table:
    own = given.get(name, {})
    if not isinstance(own, Mapping):
        raise InputError(f"{where}options.{name} = {own!r}: a table of options is wanted")
    return dict(own)
