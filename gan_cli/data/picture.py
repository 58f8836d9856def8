"""Image files -> pixels: Pillow's decoders within bounds, for files that nobody has looked at."""

import io
import logging
import re
import struct
import warnings
import zipfile
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin

from gan_cli.data.images import MODES, Shape
from gan_cli.data.source import OptionError
from gan_cli.data.values import guess, limits, scaled

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"fcTL", b"fdAT"}  # of a PNG's picture
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # all that is decoded, whatever a file is called
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # what such files begin with
BEGINNINGS = re.compile(  # of files in FORMATS
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|BM....\0\0\0\0|GIF8[79]a"
    rb"|II\*\0|MM\0\*|II\+\0|MM\0\+|P[1-6]\s",
    re.DOTALL,
)
HEAD = 16  # bytes by which a file in FORMATS is recognised
JPEG = b"\xff\xd8\xff"
LOOKED_AT = 256  # bytes by which other formats are told, for a message
OTHERS = (  # what they have at which place, and what they are
    *((b"ftyp" + brand, 4, "HEIC, as phones write it") for brand in (b"heic", b"heix", b"mif1", b"hevc")),
    *((b"ftypavi", 4, "AVIF"), (b"\0\0\0\x0cjP  ", 0, "JPEG 2000"), (b"\xff\x0a", 0, "JPEG XL")),
    *((b"8BPS", 0, "a file of Photoshop"), (b"\0\0\1\0", 0, "an icon"), (b"%PDF", 0, "PDF")),
    *(
        (b"DICM", 128, "DICOM"),
        (b"\x93NUMPY", 0, "an array of NumPy"),
        (b"version https://git-lfs", 0, "Git LFS's pointer"),
    ),
    *((sign, 0, "a page of HTML") for sign in (b"<!DOCTYPE", b"<!doctype", b"<html")),
    *((sign, 0, "damaged at its beginning") for sign in (SIGNATURE, JPEG, b"GIF8", b"RIFF", b"BM", *TIFF)),
    (b"", 0, "no image"),
)
PIXELS = 1 << 26  # of one image, 8192 x 8192; of a larger JPEG, up to four times as many, half the sides are decoded
TOO_LARGE = (
    "it has {size} pixels, and at most {most:,}, 8192 x 8192, are read: shrink it, for example by ImageMagick's "
    'mogrify -resize "{most}@>" FILE'
)
SIXTEEN = 65535  # white of 16 bits
OF = "folder"  # the data source of such files
TURN = Image.Transpose
UPRIGHT = dict(  # by EXIF's orientation, without those that are upright or unknown
    zip(
        range(2, 9),
        (
            *(TURN.FLIP_LEFT_RIGHT, TURN.ROTATE_180, TURN.FLIP_TOP_BOTTOM),
            *(TURN.TRANSPOSE, TURN.ROTATE_270, TURN.TRANSVERSE, TURN.ROTATE_90),
        ),
        strict=True,
    )
)

# What Pillow logs of a damaged image would be a second message on stderr: the first is what it raises.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Pillow warns of images that are a little larger than PIXELS, and raises for those that are much larger.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class Extent(NamedTuple):
    """The least and the largest value of an image as stored in its file, without its transparency."""

    least: float
    most: float
    white: int  # what is white unless a person says otherwise: 255, or 65535
    is_cut: bool  # it has 16 bits a colour, of which only 8 are read


def decode(data: bytes, values: str | None = None, *, deep: bool = False) -> np.ndarray:
    """An image file -> uint8 [h, w, 1 (grey), 3 (RGB) or 4 (RGBA)]; raises what Pillow raises, ValueError, OptionError.

    values: black .. white in the file, "0..4095"; None: the whole range of its bits. deep: grey of 16 bits stays as it
    is, uint16 [h, w, 1]. Memory: some 20 bytes a pixel, of which there are at most PIXELS.
    """
    with opened(io.BytesIO(data), whole=True) as picture:
        if values is not None and _is_cut(picture):
            raise ValueError("it has 16 bits a colour, of which only 8 are read: values are for grey and 8-bit images")
        pixels = _raw(picture)
    if values is None and pixels.dtype == np.uint8:
        return pixels
    colours = pixels[..., :3]
    range_ = f"0..{SIXTEEN}" if values is None else values
    least, most = colours.min(), colours.max()
    low, high = sorted(limits(range_))
    if least < low or most > high:
        line = f'values = "{guess(float(least), float(most))}"'
        found = f'it has values from {least:.6g} to {most:.6g}, beyond "{range_}"'
        raise OptionError(f"{found}; set what is black and white in all images, [data] {line} it seems", line, OF)
    if values is None and deep:
        return pixels.astype(np.uint16)
    if values is None:
        return np.round(pixels / 257).astype(np.uint8)  # Pillow's own conversion would clip them at 255
    made = scaled(colours, values)
    return np.dstack([made, pixels[..., 3]]) if pixels.shape[2] == 4 else made


def extent(data: bytes) -> Extent:
    """The range that the values of an image file are in; raises as `decode`."""
    with opened(io.BytesIO(data), whole=True) as picture:
        is_cut = _is_cut(picture)
        colours = _raw(picture)[..., :3]
    white = 255 if colours.dtype == np.uint8 else SIXTEEN
    return Extent(float(colours.min()), float(colours.max()), white, is_cut)


def _raw(picture: Image.Image) -> np.ndarray:
    """Upright pixels [h, w, 1, 3 or 4]: uint8, or grey values of another type as they are in the file."""
    how = UPRIGHT.get(_orientation(picture))
    upright = picture if how is None else picture.transpose(how)
    if upright.mode == "F" or upright.mode.startswith("I"):
        return np.asarray(upright)[..., None]
    channels = _channels(upright)
    pixels = np.asarray(upright.convert(MODES[channels]))
    return pixels[..., None] if channels == 1 else pixels


def bits_of(picture: Image.Image) -> int:
    """Bits of a colour in an image file whose header has been read: 8, or 16."""
    return 16 if _is_cut(picture) or picture.mode.startswith("I") else 8


def _is_cut(picture: Image.Image) -> bool:
    """Whether Pillow reads only 8 of 16 bits, as it does with colours. It can be asked before decoding only."""
    return not picture.mode.startswith("I") and any(";16" in str(tile.args) for tile in getattr(picture, "tile", ()))


def opened(data: IO[bytes], *, whole: bool = False) -> Image.Image:
    """An image whose header has been read; raises ValueError when it would be too large, and what Pillow raises.

    whole: whether its pixels are wanted later.
    """
    begins = data.read(len(SIGNATURE))
    data.seek(0)
    if begins == SIGNATURE:
        data = _bare_png(data, whole=whole)
    elif begins[:4] in TIFF and isinstance(data, zipfile.ZipExtFile):
        data = io.BytesIO(data.read())  # whose header lies anywhere: each step back would unpack it anew
    try:
        # Only known formats: Pillow tells them by content, and would hand some of the others to programs of their own.
        picture = Image.open(data, formats=FORMATS)
    except Image.UnidentifiedImageError:
        data.seek(0)
        looked_at = data.read(LOOKED_AT)
        kind = next(name for sign, at, name in OTHERS if looked_at[at:].startswith(sign)) if looked_at else "empty"
        raise ValueError(f"it is {kind}, and {', '.join(FORMATS)} are read") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        if not begins.startswith(JPEG):
            found = re.search(r"\d+", str(error))
            raise ValueError(TOO_LARGE.format(size=f"{int(found[0]):,}" if found else "more", most=PIXELS)) from None
        data.seek(0)
        picture = JpegImagePlugin.jpeg_factory(data, "")  # which does not look at the size
    width, height = picture.size
    if PIXELS < width * height <= 4 * PIXELS and isinstance(picture, JpegImagePlugin.JpegImageFile):
        picture.draft(None, (width // 2, height // 2))  # a camera's photo: its cosines give half of it
        width, height = picture.size
    if width * height > PIXELS:
        raise ValueError(TOO_LARGE.format(size=f"{width} x {height}", most=PIXELS))
    if not width * height:
        raise ValueError(f"its header promises {width} x {height} pixels, none at all")
    return picture


def _bare_png(file: IO[bytes], *, whole: bool) -> IO[bytes]:
    """The chunks of a PNG file that its picture is made of; `whole`: False for those before the pixels.

    Pillow would unpack texts and refuse a picture for one that is long. Texts, profiles and the like, which may be
    damaged as well, are not even read. Damage of the picture is kept for Pillow to find.
    """
    kept = [file.read(len(SIGNATURE))]
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name.isalpha() and name not in CHUNKS:
            file.seek(length + 4, io.SEEK_CUR)  # its checksum, too
            continue
        kept.append(head)
        if name == b"IDAT" and not whole:
            break
        kept.append(file.read(length + 4))
        if name == b"IEND":  # what follows is no longer of the file
            break
    else:
        kept.append(head)
    return io.BytesIO(b"".join(kept))


def shape_of(picture: Image.Image, values: str | None = None) -> Shape:
    """Height, width and channels of what `decode` makes of it; raises ValueError for an image that it cannot."""
    if picture.mode == "F" and values is None:
        line = 'values = "0..1"'
        raise OptionError(
            f"it holds floating-point values; set [data] {line}, or what is black and white in it", line, OF
        )
    width, height = picture.size[::-1] if _orientation(picture) >= 5 else picture.size
    return height, width, _channels(picture)


def _orientation(picture: Image.Image) -> int:
    """The orientation in EXIF, 1 to 8; with 5 to 8 the image lies on its side. 1 where there is none that can be read.

    Only where EXIF is in the header: Pillow decodes a PNG to look for it at the end.
    """
    if "exif" not in picture.info:
        return 1
    try:
        found = picture.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, IndexError, struct.error, OSError, EOFError):
        return 1  # of a sound picture
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _channels(picture: Image.Image) -> int:
    if picture.mode == "F" or picture.mode.startswith("I"):
        return 1
    if "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return 4
    return 1 if picture.mode in ("1", "L") else 3
