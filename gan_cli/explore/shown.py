"""Examples and results as a browser shows them."""

import base64

import numpy as np

from gan_cli import media
from gan_cli.pictures import grids
from gan_cli.types import Spec

Shown = dict[str, list[str]]
"""`images`: PNG in base64, of what moves GIF, of points one plot; `sounds`: WAV in base64; `texts`. One an example."""


def shown(x: np.ndarray, spec: Spec, within: np.ndarray | None = None) -> Shown:
    """Examples as their medium stores them, [n, ...]. `within`: points for which a plot has room, too."""
    if media.seen_together(spec):
        room = x if within is None else np.concatenate([within, x])
        pictures = [grids.png(grids.plot(x, within=room))]
    else:
        pictures = files(x, spec, ".gif") or [grids.png(grids.to_pil(tile)) for tile in media.tiles(x, spec)]
    return {
        "images": [base64.b64encode(picture).decode() for picture in pictures],
        "sounds": [base64.b64encode(sound).decode() for sound in files(x, spec, ".wav")],
        "texts": [text.decode().removesuffix("\n") for text in files(x, spec, ".txt")],
    }


def files(x: np.ndarray, spec: Spec, suffix: str) -> list[bytes]:
    """A file of each example; none of a kind that their medium is not written to."""
    write = media.of(spec).files.get(suffix)
    return [write(x[i : i + 1], spec, 0) for i in range(len(x))] if write else []
