"""Metrics: `find_metric("inception-score")` calls `inception_score` of `gan_cli/metrics/inception_score.py`.

A new metric is one file with one factory of the same name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.binding import Table, call, kind, nearest, validate_part
from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric
from gan_cli.names import canonical_metric, elsewhere

_BY_FILE = kind("metric", "metric", "gan_cli.metrics", Metric)
# metrics are written with dashes, as on the command line
METRIC = _BY_FILE._replace(
    names=lambda: [name.replace("_", "-") for name in _BY_FILE.names()],
    has=lambda name: isinstance(name, str) and "_" not in name and _BY_FILE.has(name.replace("-", "_")),
    find=lambda name: _BY_FILE.find(name.replace("-", "_")),
)


def find_metric(name: str, **options: object) -> Metric:
    """Make the metric of this name with these options; InputError for an unknown name suggests the nearest one."""
    metric: Metric = call(METRIC, validate_part(METRIC, {"metric": canonical_metric(name), **options}))
    return metric


def names() -> list[str]:
    """Names of all metrics, with dashes."""
    return METRIC.names()


def options(
    chosen: Sequence[str], given: Mapping[str, Any], where: str = "", option: str = "options."
) -> dict[str, Table]:
    """Check the options `given` for the chosen metrics, by metric, and fill in the defaults.

    Raises InputError that begins with `where` for an unknown metric, and InputError that begins with `option` for a
    wrong option or for options of a metric that is not chosen.
    """
    for name in chosen:
        if not METRIC.has(canonical_metric(name)):
            mend = elsewhere(name) or nearest(name, METRIC.names())
            raise InputError(f"{where}metric = {name!r}: no such metric{mend}")
    wanted = {canonical_metric(name): own for name, own in given.items()}
    names_chosen = list(map(canonical_metric, chosen))
    for name in wanted:
        if name not in names_chosen:
            raise InputError(f"{option}{name}: this metric is not asked for{nearest(name, names_chosen)}")
    filled = {}
    for name in names_chosen:
        own = wanted.get(name, {})
        if not isinstance(own, Mapping):
            raise InputError(f"{option}{name} = {own!r}: a table of options is wanted, {name}.option = value")
        if "metric" in own:
            raise InputError(f"{option}{name}.metric: unknown option")
        table = validate_part(METRIC, {**own, "metric": name}, f"{option}{name}.")
        filled[name] = {key: value for key, value in table.items() if key != "metric"}
    return filled
