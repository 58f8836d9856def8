"""Pictures of samples in labelled rows and columns."""

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_cli.errors import InputError
from gan_cli.pictures.grids import PAPER, SIDE, to_pil

GAP = 4  # pixels between tiles, and around all
INK = 240  # grey of the text
SIZE = 14  # pixels of the text
LINE = 20  # pixels of a line of text
WIDEST = 180  # pixels of a row's label at most
TITLE = 480  # pixels that a picture is widened to for its title at most
MOST_PIXELS = 1 << 28  # of a picture: 0.25 GiB of grey, 0.75 GiB of colour
MOST_SIDE = 30_000  # pixels: what viewers open

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


class Block(NamedTuple):
    """Rows and columns of tiles, with text around them. A tuple of blocks, one below the other, is a sheet."""

    cells: np.ndarray  # int [R, C]: the number of the image in each place; -1: none
    rows: Sequence[str] = ()  # R labels, left of the rows; empty: none
    heads: Sequence[str] = ()  # C labels, above the columns; empty: none
    captions: Sequence[Sequence[str]] = ()  # R times C texts, each below its tile; empty: none
    title: str = ""  # above all of it


Sheet = tuple[Block, ...]


class _Measures(NamedTuple):
    """Pixels of a sheet."""

    tile: tuple[int, int]  # width and height of an enlarged image
    margin: int  # width of the rows' labels
    size: tuple[int, int]  # width and height of all


def check_sheet(sheet: Sheet, shape: Sequence[int], out: Path) -> None:
    """Raise InputError when a picture of images of `shape` (H, W, C) would be larger than can be looked at."""
    width, height = _measures(sheet, shape[0], shape[1]).size
    if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise InputError(
            f"--out {out}: the picture would be {width:,} x {height:,} pixels; ask for fewer samples, or for .npz"
        )


def draw_sheet(images: np.ndarray, sheet: Sheet) -> Image.Image:
    """The sheet of images uint8 [N, H, W, C], small ones enlarged by a whole factor; text too long is shortened."""
    measures = _measures(sheet, *images.shape[1:3])
    (width, height), left = measures.tile, GAP + measures.margin
    mode = to_pil(images[0]).mode
    opaque = (255,) if mode in ("LA", "RGBA") else ()
    colours = len(mode) - len(opaque)
    paper, ink = ((grey,) * colours + opaque if len(mode) > 1 else grey for grey in (PAPER, INK))
    picture = Image.new(mode, measures.size, paper)
    pen = ImageDraw.Draw(picture)

    def write(place: tuple[float, float], text: str, width: int, anchor: str) -> None:
        """Write text, shortened to `width` pixels; Pillow's anchor "lm" is left of the text, half its height."""
        pen.text(place, shortened(text, width), fill=ink, font=_font(text), anchor=anchor)

    top = GAP
    for block in sheet:
        if block.title:
            write((GAP, top + LINE / 2), block.title, measures.size[0] - 2 * GAP, "lm")
            top += LINE
        if block.heads:
            for column, head in enumerate(block.heads):
                write((left + column * (width + GAP) + width / 2, top + LINE / 2), head, width, "mm")
            top += LINE
        for row, numbers in enumerate(block.cells):
            if block.rows:
                write((GAP, top + height / 2), block.rows[row], measures.margin - GAP, "lm")
            for column, number in enumerate(numbers):
                x = left + column * (width + GAP)
                if number >= 0:
                    tile = to_pil(images[number]).resize(measures.tile, Image.Resampling.NEAREST)
                    picture.paste(tile, (x, top))
                if block.captions:
                    write((x + width / 2, top + height + LINE / 2), block.captions[row][column], width, "mm")
            top += _pitch(block, height)
        top += GAP
    return picture


def _measures(sheet: Sheet, height: int, width: int) -> _Measures:
    """The pixels of a sheet of images of this height and width."""
    factor = max(1, SIDE // max(height, width))
    tile = (factor * width, factor * height)
    margin = max((min(WIDEST, _width(label) + 2 * GAP) for block in sheet for label in block.rows), default=0)
    columns = max(block.cells.shape[1] for block in sheet)
    titles = max(min(TITLE, _width(block.title)) for block in sheet)
    across = max(GAP + margin + columns * (tile[0] + GAP), titles + 2 * GAP)
    down = GAP * len(sheet)
    for block in sheet:
        lines = bool(block.title) + bool(block.heads)
        down += lines * LINE + len(block.cells) * _pitch(block, tile[1])
    return _Measures(tile, margin, (across, down))


def _pitch(block: Block, tile: int) -> int:
    """Pixels from the top of one row to the top of the next."""
    return tile + (LINE if block.captions else 0) + GAP


def shortened(text: str, width: int) -> str:
    """The text on one line of at most `width` pixels, with an ellipsis where it does not fit."""
    text = " ".join(text.split())
    text = text[: width + 1]  # a letter is at least a pixel wide: names may come from strangers, and be endless
    if _width(text) <= width:
        return text
    while text and _width(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…" if text else ""


@lru_cache(maxsize=4096)
def _width(text: str) -> int:
    return int(np.ceil(_font(text).getlength(" ".join(text.split()))))


def _font(text: str) -> Font:
    return _load_font(text.replace("…", "").isascii())


@cache
def _load_font(is_ascii: bool) -> Font:
    """Pillow's own font, or for accents, Greek and Cyrillic, which it lacks, Matplotlib's."""
    if is_ascii:
        return ImageFont.load_default(SIZE)
    from matplotlib import get_data_path  # takes a tenth of a second to import

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", SIZE - 1)
