"""What devices do together: means for losses and layers that look at a whole batch at once, and work that is shared.

`mean` and `gather` must be called under an axis named DEVICES, as every training step is. One device does without a
collective: XLA takes no two of them for the same, so that a forward pass which two turns share would be computed twice.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_cli.types import DEVICES, Array


def mean(tree: Any) -> Any:
    """The mean over devices of every leaf."""
    return tree if lax.axis_size(DEVICES) == 1 else lax.pmean(tree, DEVICES)


def gather(x: Array) -> Array:
    """[b, ...] on each device -> [B, ...] on all of them, device after device."""
    return x if lax.axis_size(DEVICES) == 1 else lax.all_gather(x, DEVICES, tiled=True)


def share(function: Callable[..., Any], devices: Sequence[jax.Device]) -> Callable[..., Any]:
    """Compile `function(same, split) -> result`, each device working on its part of the first axis of `split`.

    Examples must not depend on each other; the result is put together again along its first axis.
    """
    mesh = Mesh(np.asarray(devices), (DEVICES,))
    specs = (PartitionSpec(), PartitionSpec(DEVICES))
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=specs[1], check_vma=False))


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """Arrays -> the same on every device, laid out as `over_devices` returns them.

    A state laid out otherwise would make its second call compile again.
    """
    return jax.device_put(tree, NamedSharding(Mesh(np.asarray(devices), (DEVICES,)), PartitionSpec()))
