"""Lines of text as a terminal shows them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLUMNS = 80  # characters of a line at most; longer ones are wrapped
SIZE = 12  # pixels of the text
ACROSS, DOWN = 8, 16  # pixels of a character's cell
PAPER, INK = 255, 32


def lines(texts: Sequence[str]) -> np.ndarray:
    """N texts -> a picture of each, uint8 [N, h, w, 1], as wide and high as the longest of them wants."""
    wrapped = [[text[at : at + COLUMNS] for at in range(0, len(text), COLUMNS)] or [""] for text in texts]
    width = ACROSS * (1 + max(len(row) for rows in wrapped for row in rows))
    size = (width, DOWN * max(map(len, wrapped)))
    return np.stack([_picture(rows, size) for rows in wrapped])


def _picture(rows: Sequence[str], size: tuple[int, int]) -> np.ndarray:
    canvas = Image.new("L", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    for number, row in enumerate(rows):
        for place, character in enumerate(row):
            middle = (ACROSS * (place + 1), DOWN * (number + 0.5))
            pen.text(middle, character, fill=INK, font=_font(), anchor="mm")
    return np.asarray(canvas)[..., None]


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Matplotlib's DejaVu Sans Mono: Latin, Greek, Cyrillic and signs; what it lacks is a box."""
    from matplotlib import get_data_path  # takes a tenth of a second to import

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf", SIZE)
