"""Metrics: `find("inception-score")` is the function `inception_score` of `gan_cli/metrics/inception_score.py`, called.

A new metric is one file with one factory of its own name.
"""

from gan_cli.binding import call, check, kind
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
