"""What devices do together: means for losses and layers that look at a whole batch at once, and work that is shared.

The devices of a job are those of all its processes, in the same order in each: what is split over them is split over
processes, too. A process has arrays on its own devices only.

`mean` and `gather` must be called under an axis named DEVICES, as every training step is. One device does without a
collective: XLA takes no two of them for the same, so that a forward pass which two turns share would be computed twice.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_cli import backend
from gan_cli.types import DEVICES, Array


def mean(tree: Any) -> Any:
    """The mean over devices of every leaf."""
    return tree if lax.axis_size(DEVICES) == 1 else lax.pmean(tree, DEVICES)


def gather(x: Array) -> Array:
    """[b, ...] on each device -> [B, ...] on all of them, device after device."""
    return x if lax.axis_size(DEVICES) == 1 else lax.all_gather(x, DEVICES, tiled=True)


def mapped(
    function: Callable[..., Any],
    devices: Sequence[jax.Device],
    *,
    in_axes: Any,
    out_axes: Any,
    donate: tuple[int, ...] = (),
) -> Callable[..., Any]:
    """Compile `function` to run on each of the devices at once, under the axis DEVICES.

    Arguments and results with axis 0 are [this process's devices, ...], those with axis None are the same on every
    device; the buffers of the arguments `donate` are given up. This is the only use of `jax.pmap` in the package, and
    what has to change on the day that it goes: since JAX 0.10 it is `jit(shard_map)`, in maintenance mode and not
    deprecated.
    """
    return jax.pmap(
        function, axis_name=DEVICES, in_axes=in_axes, out_axes=out_axes, donate_argnums=donate, devices=devices
    )


def everyone() -> list[jax.Device]:
    """The devices of all processes of this job, process after process."""
    return sorted(backend.devices(), key=lambda device: (device.process_index, device.id))


def here(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """Those that belong to this process."""
    return [device for device in devices if device.process_index == jax.process_index()]


def places(devices: Sequence[jax.Device]) -> slice:
    """Where in this list, ordered as `everyone` does, those of this process are."""
    own = [number for number, device in enumerate(devices) if device.process_index == jax.process_index()]
    return slice(own[0], own[-1] + 1)


def share(function: Callable[..., Any], devices: Sequence[jax.Device]) -> Callable[..., Any]:
    """Compile `function(same, split) -> result`, each device working on its part of the first axis of `split`.

    Examples must not depend on each other; the result is put together again along its first axis. Every process of a
    job has to call it with the same arguments, and gets the whole result.
    """
    if len(here(devices)) < len(devices):
        return _share_over_processes(function, devices)
    mesh = Mesh(np.asarray(devices), (DEVICES,))
    specs = (PartitionSpec(), PartitionSpec(DEVICES))
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=specs[1], check_vma=False))


def _share_over_processes(function: Callable[..., Any], devices: Sequence[jax.Device]) -> Callable[..., Any]:
    def gathered(same: Any, split: Any) -> Any:
        return jax.tree.map(gather, function(same, split))

    run = mapped(gathered, devices, in_axes=(None, 0), out_axes=None)

    def own(x: Any) -> Any:
        if isinstance(x, jax.Array):  # made by another such call: the same on all of this process's devices
            x = x.addressable_data(0)
        return x.reshape(len(devices), -1, *x.shape[1:])[places(devices)]

    def call(same: Any, split: Any) -> Any:
        result = run(same, jax.tree.map(own, split))
        # A CPU runs what is queued in any order, and collectives of two calls would wait for each other.
        return jax.block_until_ready(result) if devices[0].platform == "cpu" else result

    return call


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """Arrays -> the same on every device of this process, laid out as `over_devices` returns them.

    A state laid out otherwise would make its second call compile again.
    """
    return jax.device_put(tree, NamedSharding(Mesh(np.asarray(here(devices)), (DEVICES,)), PartitionSpec()))
