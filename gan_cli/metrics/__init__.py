"""Metrics: `find("fid")` is the function `fid` of `gan_cli/metrics/fid.py`, called.

A new metric is one file with one factory of its own name, and its name below.
"""

import importlib
from difflib import get_close_matches
from typing import TYPE_CHECKING

from gan_cli.errors import InputError

if TYPE_CHECKING:
    from gan_cli.metrics.metric import Metric

NAMES = ("fid", "inception-score", "class-coverage")


def find(name: str, **options: object) -> "Metric":
    """The metric of this name, with its options; InputError for an unknown name, with the nearest valid one."""
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise InputError(f"there is no metric '{name}': {hint}The metrics are {', '.join(NAMES)}")
    function = name.replace("-", "_")
    metric: Metric = getattr(importlib.import_module(f"gan_cli.metrics.{function}"), function)(**options)
    return metric
