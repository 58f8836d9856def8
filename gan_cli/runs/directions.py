"""Which way metrics are better, without JAX."""

import ast
from functools import cache
from importlib import resources


@cache
def lower_is_better(metric: str) -> bool | None:
    """Whether less of a metric is better, None for what is no metric: read from its file, which would import JAX."""
    stem = metric.replace("-", "_")
    file = resources.files("gan_cli") / "metrics" / f"{stem}.py"
    if not stem.isidentifier() or not file.is_file():
        return None
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "lower_is_better" and isinstance(node.value, ast.Constant):
            return bool(node.value.value)
    return None
