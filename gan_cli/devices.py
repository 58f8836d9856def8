"""What devices compute together: means for losses and layers that need the whole batch, and shared work.

The devices of a job are those of all its processes, in the same order in each process. What is split over devices is
therefore split over processes, too; a process holds arrays on its own devices only.

`mean` and `gather` must be called under an axis named DEVICES, as every training step is. On a single device they use
no collective: XLA never merges two collectives, so a forward pass that two turns share would be computed twice.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_cli import backend
from gan_cli.types import DEVICES, Array

TWIN = False  # whether functions are mapped by shard_map instead of pmap: equal to the bit, a test says


def mean(tree: Any) -> Any:
    """Average every leaf over the devices; shapes stay."""
    return tree if lax.axis_size(DEVICES) == 1 else lax.pmean(tree, DEVICES)


def gather(x: Array) -> Array:
    """Concatenate [b, ...] of each device, in their order, to [B, ...] on all of them."""
    return x if lax.axis_size(DEVICES) == 1 else lax.all_gather(x, DEVICES, tiled=True)


def mapped(
    function: Callable[..., Any],
    devices: Sequence[jax.Device],
    *,
    in_axes: tuple[int | None, ...],
    donate: tuple[int, ...] = (),
) -> Callable[..., Any]:
    """Compile `function` to run on each of the devices at once, under the axis DEVICES; its results must be the same.

    Arguments with axis 0 are [this process's devices, ...], those with axis None are the same on every device; the
    buffers of the arguments `donate` are given up.

    This is the only use of `jax.pmap` in the package, and what has to change on the day that it goes: since JAX 0.10 it
    is `jit(shard_map)`, in maintenance mode and not deprecated. With TWIN it is written out, for one process; several
    would have to make their parts into arrays of all devices first (`jax.make_array_from_process_local_data`).
    """
    if not TWIN or len(here(devices)) < len(devices):
        return jax.pmap(
            function, axis_name=DEVICES, in_axes=in_axes, out_axes=None, donate_argnums=donate, devices=devices
        )

    def on_one(*arguments: Any) -> Any:
        own = [
            x if axis is None else jax.tree.map(lambda leaf: leaf[0], x)
            for axis, x in zip(in_axes, arguments, strict=True)
        ]
        return function(*own)

    specs = tuple(PartitionSpec() if axis is None else PartitionSpec(DEVICES) for axis in in_axes)
    mesh = Mesh(np.asarray(devices), (DEVICES,))
    shared = jax.shard_map(on_one, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False)
    return jax.jit(shared, donate_argnums=donate)


def everyone() -> list[jax.Device]:
    """Return the devices of all processes of this job, ordered by process, then by id."""
    return sorted(backend.devices(), key=lambda device: (device.process_index, device.id))


def here(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """Return those of `devices` that belong to this process."""
    return [device for device in devices if device.process_index == jax.process_index()]


def places(devices: Sequence[jax.Device]) -> slice:
    """Return where this process's devices lie in `devices`, a list in the order of `everyone`."""
    own = [number for number, device in enumerate(devices) if device.process_index == jax.process_index()]
    return slice(own[0], own[-1] + 1)


def share(function: Callable[..., Any], devices: Sequence[jax.Device]) -> Callable[..., Any]:
    """Compile `function(same, split) -> result`, each device working on its part of the first axis of `split`.

    Leaves of `split` are [B, ...] with B a multiple of the number of devices. Examples must not depend on each other:
    the results are put together again along their first axis. Every process of a job has to call the compiled function
    with the same arguments, and gets the whole result.
    """
    if len(here(devices)) == len(devices):
        mesh = Mesh(np.asarray(devices), (DEVICES,))
        specs = (PartitionSpec(), PartitionSpec(DEVICES))
        return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=specs[1], check_vma=False))

    def gathered(same: Any, split: Any) -> Any:
        return jax.tree.map(gather, function(same, split))

    run = mapped(gathered, devices, in_axes=(None, 0))

    def call(same: Any, split: Any) -> Any:
        # A result of another such call is a jax.Array, the same on each of this process's devices.
        local = jax.tree.map(lambda x: x.addressable_data(0) if isinstance(x, jax.Array) else x, split)
        own = jax.tree.map(lambda x: x.reshape(len(devices), -1, *x.shape[1:])[places(devices)], local)
        result = run(same, own)
        # A CPU runs queued calls in any order, and the collectives of two calls would wait for each other.
        return jax.block_until_ready(result) if devices[0].platform == "cpu" else result

    return call


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """Copy arrays to every device of this process, laid out as `engine.parallel.over_devices` returns them.

    With another layout the second call of a training step would compile again.
    """
    return jax.device_put(tree, NamedSharding(Mesh(np.asarray(here(devices)), (DEVICES,)), PartitionSpec()))
