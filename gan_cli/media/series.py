"""Series: float32 [T, F], F numbers at each of T times; games see them as they are."""

import numpy as np

from gan_cli.media.medium import Medium, unchanged
from gan_cli.pictures import curves
from gan_cli.types import Spec


def tile(series: np.ndarray, spec: Spec) -> np.ndarray:  # noqa: ARG001
    """A line for each number over time, on the scale of all the series."""
    return curves.panels(series)


def csv(series: np.ndarray, spec: Spec, rate: float) -> bytes:  # noqa: ARG001
    """A row for each time of each series: its number among them, the time, and the numbers then."""
    n, times, numbers = series.shape
    head = ",".join(["series", "time", *(f"x{i}" for i in range(numbers))])
    rows = [f"{i},{t},{','.join(repr(float(x)) for x in series[i, t])}" for i in range(n) for t in range(times)]
    return "\n".join([head, *rows, ""]).encode()


MEDIUM = Medium(("times", "numbers"), "series", "float32", unchanged, unchanged, tile, {".csv": csv}, overview=16)
