"""What metrics of pairs have in common: a number for each result beside what it should be, and the mean of these."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope
from gan_cli.types import Array

LUMA = (65.481, 128.553, 24.966)  # of red, green and blue in [0, 1]: Y - 16


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


def looked_at(x: Array, luma: bool, border: int) -> Array:
    """Images uint8 [B, H, W, C] as papers on super-resolution compare them: float32 in [0, 1], without a border.

    `luma`: Y of BT.601 alone, in 16/255 to 235/255, where they are RGB, as in the code of those papers:
    https://github.com/XPixelGroup/BasicSR/blob/master/basicsr/utils/color_util.py. `border`: pixels that are left out
    on each side.
    """
    inner = levels(x)[:, border : x.shape[1] - border, border : x.shape[2] - border]
    if not luma or x.shape[3] != 3:
        return inner
    y: Array = (inner @ jnp.array(LUMA, jnp.float32) + 16)[..., None] / 255
    return y


def require_sides(name: str, plan: Scope, least: int = 1) -> tuple[str, ...]:
    """Raise InputError unless results are images of `least` pixels or more on each side. Returns no notices."""
    if len(plan.shape) != 3 or min(plan.shape[:2]) < least:
        shape = "x".join(map(str, plan.shape))
        raise InputError(f"{name} compares images of {least}x{least} pixels or more, and these are {shape}")
    return ()


def require_masks(name: str, plan: Scope) -> tuple[str, ...]:
    """Raise InputError unless results are images or volumes, a mask in each channel. Returns no notices."""
    if len(plan.shape) not in (3, 4):
        raise InputError(f"{name} compares masks, the channels of images or volumes, and these are {plan.shape}")
    return ()


def masks(x: Array) -> Array:
    """The masks as which values are taken, as stored: True from half of the highest level on."""
    return levels(x) >= 0.5


def overlap(results: Array, truths: Array) -> tuple[Array, Array, Array]:
    """Pixels in both masks, in the results' and in the true ones, of pairs as stored [B, ..., K]: float32 [B, K]."""
    a, b = (masks(x).astype(jnp.float32).reshape(len(x), -1, x.shape[-1]) for x in (results, truths))
    return (a * b).sum(axis=1), a.sum(axis=1), b.sum(axis=1)


def of_masks(compare: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Array, Array], Array]:
    """The `pair` that is the mean of `compare` over the masks of each pair, run on the host: SciPy's work."""

    def host(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        values = [[compare(a[i, ..., k], b[i, ..., k]) for k in range(a.shape[-1])] for i in range(len(a))]
        return np.array(values, np.float32).mean(axis=1)

    def pair(results: Array, truths: Array) -> Array:
        wanted = jax.ShapeDtypeStruct((len(results),), jnp.float32)
        return jax.pure_callback(lambda a, b: host(np.asarray(a), np.asarray(b)), wanted, masks(results), masks(truths))

    return pair
