"""Numbers over time as small pictures: lines, waveforms and piano rolls. All of one call are on one scale."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 192, 96  # pixels of a picture
MARGIN = 4  # pixels around what is drawn
SMOOTH = 4  # times as large as it is drawn, and then made smaller
COLOURS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75))
WHITE, FRAME = 255, 208

Bar = tuple[int, float, float, int]  # pitch, start, end, loudness 1 .. 127


def panels(series: np.ndarray) -> np.ndarray:
    """Series [N, T, F] -> a picture of each, uint8 [N, HEIGHT, WIDTH, 3], with a line for each of the F numbers.

    Numbers that are not finite are left out.
    """
    finite = series[np.isfinite(series)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    up = 1 - (series - low) / ((high - low) or 1)  # 0 at the top
    across = np.linspace(0, 1, series.shape[1]) if series.shape[1] > 1 else np.array([0.0])

    def draw(one: np.ndarray, pen: ImageDraw.ImageDraw) -> None:
        for number, heights in enumerate(one.T):
            shown = np.isfinite(heights)
            places = _places(across[shown], heights[shown])
            pen.line(places, fill=COLOURS[number % len(COLOURS)], width=SMOOTH)

    return np.stack([_picture(partial(draw, one)) for one in up])


def waveforms(sounds: np.ndarray) -> np.ndarray:
    """Sounds [N, T] in [-1, 1] -> a picture of each, uint8 [N, HEIGHT, WIDTH, 3]: the range in a column of pixels."""
    columns = min(sounds.shape[1], WIDTH - 2 * MARGIN)
    starts = np.linspace(0, sounds.shape[1], columns, endpoint=False).astype(int)
    low, high = (
        1 - which.reduceat(np.nan_to_num(sounds), starts, axis=1).clip(-1, 1) for which in (np.minimum, np.maximum)
    )
    across = np.linspace(0, 1, columns)

    def draw(one: int, pen: ImageDraw.ImageDraw) -> None:
        ends = zip(_places(across, low[one] / 2), _places(across, high[one] / 2), strict=True)
        for bottom, top in ends:
            pen.line([bottom, top], fill=COLOURS[0], width=SMOOTH)

    return np.stack([_picture(partial(draw, one)) for one in range(len(sounds))])


def rolls(several: Sequence[Sequence[Bar]], pitches: tuple[int, int], until: float) -> np.ndarray:
    """Notes of each -> a picture of each, uint8 [N, HEIGHT, WIDTH, 3]: piano rolls from time 0, louder notes darker.

    `pitches`: the lowest and the highest that there is room for; `until`: the last time, in the notes' unit.
    """
    lowest, rows = pitches[0], pitches[1] - pitches[0] + 1

    def draw(bars: Sequence[Bar], pen: ImageDraw.ImageDraw) -> None:
        for pitch, start, end, loudness in bars:
            edges = np.array([start, end]) / (until or 1)
            top = 1 - (pitch - lowest + 1) / rows
            (left, above), (right, below) = _places(edges, np.array([top, top + 1 / rows]))
            paler = tuple(round(WHITE - (WHITE - level) * (0.25 + 0.75 * loudness / 127)) for level in COLOURS[0])
            pen.rectangle((left, above, max(right, left + SMOOTH), max(below, above + SMOOTH)), fill=paler)

    return np.stack([_picture(partial(draw, bars)) for bars in several])


def _places(across: np.ndarray, down: np.ndarray) -> list[tuple[float, float]]:
    """Places in [0, 1], from the left and from the top -> on the enlarged canvas, within the margin."""
    x = SMOOTH * (MARGIN + across * (WIDTH - 2 * MARGIN))
    y = SMOOTH * (MARGIN + down * (HEIGHT - 2 * MARGIN))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _picture(draw: Callable[[ImageDraw.ImageDraw], None]) -> np.ndarray:
    """What `draw(pen)` draws on white, with a frame around it."""
    canvas = Image.new("RGB", (SMOOTH * WIDTH, SMOOTH * HEIGHT), (WHITE,) * 3)
    draw(ImageDraw.Draw(canvas))
    small = canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    ImageDraw.Draw(small).rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline=(FRAME,) * 3)
    return np.asarray(small)
