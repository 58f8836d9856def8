"""Images beside what they were made from and what they should be: rows of a sheet."""

from collections.abc import Mapping

import numpy as np

from gan_cli.pictures.labelled import Block, Sheet

IN_A_ROW = 8


def beside(kinds: Mapping[str, np.ndarray]) -> tuple[np.ndarray, Sheet]:
    """Images uint8 [n, H, W, C] of each kind ("given", "result", "truth"), together, and the sheet that shows them.

    It has a row for each kind and at most 8 columns. Kinds may differ in channels and in size, which whole factors
    bring together where they can.
    """
    same = alike(list(kinds.values()))
    n = len(same[0])
    starts = range(0, n, IN_A_ROW)
    columns = [np.arange(start, min(start + IN_A_ROW, n)) for start in starts]
    rows = np.arange(len(same))[:, None] * n
    return np.concatenate(same), tuple(Block(rows + places, list(kinds)) for places in columns)


def alike(kinds: list[np.ndarray]) -> list[np.ndarray]:
    """Images of several sizes and channels -> the same ones at the largest size, with the most channels."""
    height, width, channels = (max(images.shape[axis] for images in kinds) for axis in (1, 2, 3))

    def fitted(images: np.ndarray) -> np.ndarray:
        factor = min(height // images.shape[1], width // images.shape[2])
        larger = images.repeat(factor, axis=1).repeat(factor, axis=2)
        margins = [(0, 0), (0, height - larger.shape[1]), (0, width - larger.shape[2]), (0, 0)]
        larger = np.pad(larger, margins)
        if larger.shape[3] == channels:
            return larger
        colours = np.repeat(larger[..., :1], min(channels, 3), axis=3) if larger.shape[3] < 3 else larger
        opaque = np.full((*colours.shape[:3], channels - colours.shape[3]), 255, np.uint8)
        return np.concatenate([colours, opaque], axis=3)

    return [fitted(images) for images in kinds]
