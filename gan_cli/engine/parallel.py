"""Devices: how the steps of one run, or of many seeds, run on several (what devices do together: `gan_cli/devices.py`).

One run: a per-device function is mapped over devices with the state replicated and the feed split along its first axis.
Gradients, metrics and batch statistics meet in `lax.pmean` over the axis DEVICES. One device is the same program, and
so are the devices of many processes: each process has its own copy of the state and feeds its own devices.

Many seeds: the same function under `vmap`, each device with its share of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_cli.devices import everyone, gather, here, mapped, mean, places, replicate, share
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
    "over_seeds",
    "padded",
    "replicate",
    "rows",
    "seed_layouts",
    "share",
    "split",
    "whole_calls",
]

SEEDS = "seeds"  # the name of the axis over which seeds lie


def over_devices(function: Callable[..., Any], devices: Sequence[jax.Device], whole: int = 0) -> Callable[..., Any]:
    """Map `function(state, constants, feed, n) -> (state, sums)` over `devices`; the state's buffers are donated.

    State, constants and n are the same on every device; each leaf of the feed is [this process's devices, ...], see
    `split`. For `whole` see `whole_calls`.
    """
    return _by_length(lambda f: mapped(f, devices, in_axes=(None, None, 0, None), donate=(0,)), function, whole)


def whole_calls(steps_per_call: int, devices: Sequence[jax.Device]) -> int:
    """The number of steps for which a call has a program of its own, a loop of constant length; 0: none.

    With a traced number one program does for calls of all lengths. On a CPU it is the only one: another would take as
    long again to compile. But a GPU asks its host before each step of such a loop whether there is another one, and can
    make no command buffer of it.
    """
    return 0 if devices[0].platform == "cpu" else steps_per_call


class _ByLength:
    """`function(state, constants, feed, n)`, compiled for every n, and for n = `whole` apart."""

    def __init__(self, compiled: Callable[..., Any], function: Callable[..., Any], whole: int):
        self._whole, self._any_length = whole, compiled(function)
        self._constant = compiled(lambda state, constants, feed, _n: function(state, constants, feed, whole))

    def __call__(self, *arguments: Any) -> Any:
        return self._program(*arguments)(*arguments)

    def lower(self, *arguments: Any) -> Any:
        """Lower the program that a call with these arguments runs."""
        return self._program(*arguments).lower(*arguments)

    def _program(self, _state: Any, _constants: Any, _feed: Any, n: Any) -> Any:
        return self._constant if n == self._whole else self._any_length


def _by_length(compiled: Callable[..., Any], function: Callable[..., Any], whole: int) -> Callable[..., Any]:
    """`function`, compiled by `compiled`: once where `whole` is 0, see `whole_calls`."""
    return _ByLength(compiled, function, whole) if whole else compiled(function)


def anyone(devices: Sequence[jax.Device]) -> Callable[[bool], Array]:
    """Compile the question whether any process of a job says True; each has to ask, and none is waited for yet."""
    ask = mapped(lambda said: lax.pmax(said, DEVICES), devices, in_axes=(0,))
    own = len(here(devices))
    return lambda said: ask(np.full(own, said, np.int32))


def over_seeds(
    function: Callable[..., Any], axes: Any, devices: Sequence[jax.Device], whole: int = 0
) -> Callable[..., Any]:
    """Map `function(state, constants, feed, n) -> (state, sums)` over seeds, and the seeds over `devices`.

    Leaves of the feed and of the sums are [seeds, ...]; the number of seeds is a multiple of that of devices. `axes` is
    a prefix of the tree of states: 0 for leaves [seeds, ...], None for those that all seeds share. Each seed sees one
    device only: the axis over which a single run averages has length 1. The states' buffers are donated.
    For `whole` see `whole_calls`.
    """
    layouts = seed_layouts(axes, devices)
    states = jax.tree.map(lambda layout: layout.spec, layouts)
    same, own = PartitionSpec(), PartitionSpec(SEEDS)

    def compiled(one: Callable[..., Any]) -> Callable[..., Any]:
        shared = jax.shard_map(
            jax.vmap(one, in_axes=(axes, None, 0, None), out_axes=(axes, 0)),
            mesh=jax.tree.leaves(layouts)[0].mesh,
            in_specs=(states, same, own, same),
            out_specs=(states, own),
            check_vma=False,
        )
        return jax.jit(shared, donate_argnums=0)

    return _by_length(compiled, function, whole)


def seed_layouts(axes: Any, devices: Sequence[jax.Device]) -> Any:
    """The layout of the states of many seeds on devices, a tree like `axes`: each device has as many seeds.

    States laid out otherwise would make the second call of `over_seeds` compile again.
    """
    mesh = Mesh(np.asarray(devices)[:, None], (SEEDS, DEVICES))
    same, own = (NamedSharding(mesh, spec) for spec in (PartitionSpec(), PartitionSpec(SEEDS)))
    return jax.tree.map(lambda axis: same if axis is None else own, axes, is_leaf=lambda axis: axis is None)


def rows(batch: int, devices: Sequence[jax.Device]) -> slice:
    """The rows of a global batch that this process's devices work on."""
    own, each = places(devices), batch // len(devices)
    return slice(own.start * each, own.stop * each)


def split(feed: Any, devices: int) -> Any:
    """Host arrays [n, B, ...] of n steps' batches -> [devices, n, B / devices, ...], for this process's devices."""
    return jax.tree.map(lambda x: x.reshape(len(x), devices, x.shape[1] // devices, *x.shape[2:]).swapaxes(0, 1), feed)


def padded(arrays: Any, length: int) -> Any:
    """Host arrays [n, ...] -> [length, ...] by repeating the last row: one shape, and so one compilation."""
    return jax.tree.map(
        lambda x: x if len(x) == length else np.concatenate([x, np.repeat(x[-1:], length - len(x), axis=0)]), arrays
    )


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
