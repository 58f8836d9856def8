"""What the devices of a step do together, for losses and layers that look at a whole batch at once.

All of it must be called under an axis named DEVICES, as every training step is. One device does without a collective:
XLA takes no two of them for the same, so that a forward pass which two turns share would be computed twice.
"""

from typing import Any

from jax import lax

from gan_cli.types import DEVICES, Array


def mean(tree: Any) -> Any:
    """The mean over devices of every leaf."""
    return tree if lax.axis_size(DEVICES) == 1 else lax.pmean(tree, DEVICES)


def gather(x: Array) -> Array:
    """[b, ...] on each device -> [B, ...] on all of them, device after device."""
    return x if lax.axis_size(DEVICES) == 1 else lax.all_gather(x, DEVICES, tiled=True)
