"""Image files -> pixels: Pillow's decoders within bounds, for files that nobody has looked at."""

import io
import logging
import re
import warnings
import zipfile
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from gan_cli.data.images import MODES, Shape

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # all that is decoded, whatever a file is called
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # what such files begin with
BEGINNINGS = re.compile(  # of files in FORMATS
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|BM....\0\0\0\0|GIF8[79]a"
    rb"|II\*\0|MM\0\*|II\+\0|MM\0\+|P[1-6]\s",
    re.DOTALL,
)
HEAD = 16  # bytes that tell
PIXELS = 1 << 26  # of one image, 67 million; more is taken for a decompression bomb

# What Pillow logs of a damaged image would be a second message on stderr: the first is what it raises.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Pillow warns of images that are a little larger than PIXELS, and raises for those that are much larger.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def decode(data: bytes) -> np.ndarray:
    """An image file -> uint8 [h, w, 1 (grey), 3 (RGB) or 4 (RGBA)]; raises what Pillow raises, and ValueError.

    Memory: some 20 bytes a pixel, of which there are at most PIXELS.
    """
    with opened(io.BytesIO(data)) as picture:
        upright = ImageOps.exif_transpose(picture) if "exif" in picture.info else picture
        channels = _channels(upright)
        if upright.mode.startswith("I"):
            return _from_16_bits(np.asarray(upright))[..., None]
        pixels = np.asarray(upright.convert(MODES[channels]))
        return pixels[..., None] if channels == 1 else pixels


def is_image(head: bytes) -> bool:
    """Whether the first HEAD bytes of a file are those of an image that `decode` reads."""
    return BEGINNINGS.match(head) is not None


def opened(data: IO[bytes]) -> Image.Image:
    """An image whose header has been read; raises ValueError when it would be too large, and what Pillow raises."""
    # Only known formats: Pillow tells them by content, and would hand some of the others to programs of their own.
    picture = Image.open(_nimble(data), formats=FORMATS)
    width, height = picture.size
    if width * height > PIXELS or not width * height:
        raise ValueError(f"its header promises {width} x {height} pixels: decompression bomb, more than {PIXELS}")
    return picture


def _nimble(data: IO[bytes]) -> IO[bytes]:
    """A file in which steps back are quick: in a packed TIFF, whose header lies anywhere, each would unpack it anew."""
    if not isinstance(data, zipfile.ZipExtFile):
        return data
    begins = data.read(4)
    data.seek(0)
    return io.BytesIO(data.read()) if begins in TIFF else data


def shape_of(picture: Image.Image) -> Shape:
    """Height, width and channels of what `decode` makes of it; raises ValueError for an image that it cannot."""
    width, height = picture.size[::-1] if _lies_on_its_side(picture) else picture.size
    return height, width, _channels(picture)


def _lies_on_its_side(picture: Image.Image) -> bool:
    """EXIF orientations 5 to 8. Only where EXIF is in the header: Pillow decodes a PNG to look for it at the end."""
    return "exif" in picture.info and picture.getexif().get(0x0112, 1) >= 5


def _channels(picture: Image.Image) -> int:
    if picture.mode == "F":
        raise ValueError("it holds floating-point values, whose black and white are not known")
    if picture.mode.startswith("I"):
        return 1
    if "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return 4
    return 1 if picture.mode in ("1", "L") else 3


def _from_16_bits(pixels: np.ndarray) -> np.ndarray:
    """Grey values 0 .. 65535 -> uint8; Pillow's own conversion would clip them at 255."""
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError(f"its values run from {pixels.min()} to {pixels.max()}, beyond 16 bits")
    return np.round(pixels / 257).astype(np.uint8)
