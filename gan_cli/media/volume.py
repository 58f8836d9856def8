"""Volumes: uint8 [D, H, W, C], slices of one body; games see float32 in [-1, 1]."""

import numpy as np

from gan_cli.media.medium import Medium, from_levels, to_levels
from gan_cli.media.video import animation
from gan_cli.pictures import grids
from gan_cli.types import Spec


def tile(volumes: np.ndarray, spec: Spec) -> np.ndarray:  # noqa: ARG001
    """The middle slices of each across its three axes: from above, from the front and from the side."""
    depth, height, width = (side // 2 for side in volumes.shape[1:4])
    slices = [volumes[:, depth], volumes[:, :, height], volumes[:, :, :, width]]  # [N, h, w, C] each
    side = tuple(max(one.shape[axis] for one in slices) for axis in (1, 2))
    square = [np.pad(one, ((0, 0), (0, side[0] - one.shape[1]), (0, side[1] - one.shape[2]), (0, 0))) for one in slices]
    return grids.filmstrips(np.stack(square, axis=1))


MEDIUM = Medium(
    ("depth", "height", "width", "channels"),
    "volumes",
    "uint8",
    from_levels,
    to_levels,
    tile,
    {suffix: animation(suffix) for suffix in grids.ANIMATIONS},  # from slice to slice
    overview=16,
)
