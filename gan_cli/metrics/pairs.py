"""What metrics of pairs have in common: a number for each result beside what it should be, and the mean of these."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope
from gan_cli.types import Array


def of_pairs(name: str, pair: Callable[..., Array], *, better: str, one_line: str, paper: str) -> Metric:
    """The metric that is the mean of `pair`, and `NAME-error`, its standard error over draws of the pairs.

    `better`: "lower" or "higher". `one_line`, `paper`: as in `Metric`.
    """

    def compute(_: Sample | None, fake: Sample) -> dict[str, float]:
        values = np.asarray(fake.pairs[name], np.float64)
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
        return {name: float(values.mean()), f"{name}-error": float(error)}

    return Metric(
        name=name, lower_is_better=better == "lower", one_line=one_line, paper=paper, compute=compute, pair=pair
    )


def levels(x: Array) -> Array:
    """Values as stored -> float32: levels uint8 in [0, 1], other numbers as they are."""
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x.astype(jnp.float32)


def require_sides(name: str, plan: Scope, least: int = 1) -> tuple[str, ...]:
    """Raise InputError unless results are images of `least` pixels or more on each side. Returns no notices."""
    if len(plan.shape) != 3 or min(plan.shape[:2]) < least:
        shape = "x".join(map(str, plan.shape))
        raise InputError(f"{name} compares images of {least}x{least} pixels or more, and these are {shape}")
    return ()
