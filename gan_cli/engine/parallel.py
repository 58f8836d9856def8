"""Devices: how a step runs on several (many seeds on several: `seeds.py`; what they do together: `gan_cli/devices.py`).

A per-device function is mapped by `jax.pmap` with the state replicated (`None` axes) and the feed split along its first
axis. Gradients, metrics and batch statistics meet in `lax.pmean` over the axis DEVICES. One device is the same program,
and so are the devices of many processes: each process has its own copy of the state and feeds its own devices.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from gan_cli.devices import everyone, gather, here, mean, places, replicate, share
from gan_cli.errors import InputError
from gan_cli.types import DEVICES, Array

__all__ = [
    "anyone",
    "check_batch",
    "everyone",
    "gather",
    "here",
    "mean",
    "mine",
    "over_devices",
    "padded",
    "replicate",
    "rows",
    "share",
    "split",
]


def over_devices(function: Callable[..., Any], devices: Sequence[jax.Device]) -> Callable[..., Any]:
    """Map `function(state, constants, feed, n) -> (state, sums)` over `devices`; the state's buffers are donated.

    State, constants and n are the same on every device; each leaf of the feed is [this process's devices, ...], see
    `split`.
    """
    return jax.pmap(
        function,
        axis_name=DEVICES,
        in_axes=(None, None, 0, None),
        out_axes=(None, None),
        donate_argnums=0,
        devices=devices,
    )


def anyone(devices: Sequence[jax.Device]) -> Callable[[bool], Array]:
    """Compile the question whether any process of a job says True; each has to ask, and none is waited for yet."""
    ask = jax.pmap(lambda said: lax.pmax(said, DEVICES), axis_name=DEVICES, out_axes=None, devices=devices)
    own = len(here(devices))
    return lambda said: ask(np.full(own, said, np.int32))


def rows(batch: int, devices: Sequence[jax.Device]) -> slice:
    """The rows of a global batch that this process's devices work on."""
    own, each = places(devices), batch // len(devices)
    return slice(own.start * each, own.stop * each)


def split(feed: Any, devices: int) -> Any:
    """Host arrays [n, B, ...] of n steps' batches -> [devices, n, B / devices, ...], for this process's devices."""

    def one(x: Any) -> Any:
        n, batch = x.shape[:2]
        return x.reshape(n, devices, batch // devices, *x.shape[2:]).swapaxes(0, 1)

    return jax.tree.map(one, feed)


def padded(feed: Any, length: int) -> Any:
    """Host arrays [n, ...] of n steps -> [length, ...]: one shape, so one compilation; a call reads only n of them."""

    def one(x: np.ndarray) -> np.ndarray:
        missing = length - len(x)
        return np.concatenate([x, np.repeat(x[:1], missing, axis=0)]) if missing else x

    return jax.tree.map(one, feed)


def mine(tree: Any, size: int) -> Any:
    """This device's `size` rows of leaves [devices * size, ...] that every device has drawn alike."""
    start = lax.axis_index(DEVICES) * size
    return jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, start, size), tree)


def check_batch(batch: int, accumulate: int, together: int, devices: int) -> None:
    """Raise InputError unless the global batch splits evenly over devices, micro-batches and packs of examples."""
    parts = devices * accumulate * together
    if batch % parts:
        packs = f" and packs of {together} examples that are scored together" if together > 1 else ""
        raise InputError(
            f"[train] batch = {batch} cannot be split over {devices} devices, accumulate = {accumulate} "
            f"micro-batches{packs}; a multiple of {parts} would do"
        )
