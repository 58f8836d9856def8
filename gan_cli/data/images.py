"""Images of any size and mode, brought to the recipe's size and channels.

What is resampled is resampled by Pillow with Lanczos' filter, which widens with the reduction (antialiasing, and why it
matters: https://arxiv.org/abs/2104.11222), on 8-bit values. The background is 0: black, or transparent black.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Literal, get_args

import numpy as np
from PIL import Image
from pydantic import Field

from gan_cli import media
from gan_cli.data.source import Examples, Source, digest, is_ragged
from gan_cli.errors import InputError
from gan_cli.types import X

Shape = tuple[int, int, int]  # height, width, channels
Resize = Literal["pad", "crop", "squash"]
RULES: tuple[Resize, ...] = get_args(Resize)
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names, by channels
CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}  # in words
FILTER = Image.Resampling.LANCZOS
LARGEST = 4096  # pixels at most of a side that images are brought to
BETWEEN = 1 << 27  # pixels of what lies between an image and what it is brought to
AT_ONCE = 16  # images that a thread looks at in one go
THREADS = 8


def fit(
    source: Source,
    *,
    size: Annotated[int, Field(gt=0, le=LARGEST)] | None = None,  # pixels: height and width; None: as they are
    channels: Literal[1, 3, 4] | None = None,  # grey, RGB, RGBA; None: as they are, or RGB where they differ
    resize: Resize = "pad",  # pad: centred on black, shrunk only if larger; crop: centre square; squash: distorted
) -> Source:
    """The source's images at one size and number of channels.

    Images that have them already are not touched. Colour becomes grey by ITU-R 601 luma (.299 R + .587 G + .114 B);
    transparency is composited on white; grey becomes three equal channels; what is added as alpha is opaque. An alpha
    that is opaque in all images is no channel, unless `channels` says so: to know that, all of them are read.
    Other parts that are images are brought to the same size by the same rule. `channels` is of x alone: theirs are as
    they are, or RGB where they differ.
    Raises InputError when images differ in size and `size` is not given, or the examples are no images.
    """
    if not media.is_image(source.spec):
        if size or channels:
            many = media.of(source.spec).many
            raise InputError(f"{source.name}: [data] size and channels are for images, and these are {many}")
        return source
    if channels is None and source.spec.shape[2] == 4 and is_opaque(source):
        told = f"{source.name}: alpha is opaque in all images, and left out: RGB; [data] channels = 4 would keep it"
        return fit(source._replace(remarks=(*source.remarks, told)), size=size, channels=3, resize=resize)
    parts = {X: source.spec, **source.spec.parts}.items()
    old: dict[str, Shape] = {name: own.shape[:3] for name, own in parts if media.is_image(own)}  # type: ignore[misc]
    chosen = {X: channels}
    new = {name: (size or h, size or w, chosen.get(name) or own or 3) for name, (h, w, own) in old.items()}
    fitted_parts = {name: own._replace(shape=new.get(name, own.shape)) for name, own in source.spec.parts.items()}
    fitted = source._replace(spec=source.spec._replace(shape=new[X], parts=fitted_parts))
    if source.odd_channels and channels is None:
        remark = f"{source.name}: {source.odd_channels}; all become RGB, and [data] channels says otherwise"
        fitted = fitted._replace(remarks=(*source.remarks, remark))
    check_fitted(fitted)
    changed = {name: shape for name, shape in new.items() if shape != old[name]}
    if not changed:
        return source
    for name, shape in changed.items():
        own_channels = old[name][2]
        if shape[2] not in MODES or (own_channels and own_channels not in MODES):
            raise InputError(f"{source.name}: images of {own_channels} channels cannot be resized; 1, 3 or 4 could be")
    rules = [f"{shape} {resize}" if name == X else f"{name} {shape} {resize}" for name, shape in changed.items()]
    load = partial(_load_fitted, source, old, changed, resize)
    reads = None if X in changed else source.reads
    return fitted._replace(load=load, fingerprint=digest(source.fingerprint, *rules), reads=reads)


def is_opaque(source: Source) -> bool:
    """Whether no image of an RGBA source has a pixel that is transparent; reads until it finds one."""
    pixels = math.prod(source.spec.shape) or BETWEEN  # where sizes differ, they may be any
    some = max(1, min(AT_ONCE, BETWEEN // pixels // THREADS))
    starts = range(0, source.size, some)

    def opaque(start: int) -> bool:
        x = source.load(np.arange(start, min(start + some, source.size)))["x"]
        return all((image[..., 3] == 255).all() for image in x)

    first = source.load(np.zeros(1, int))["x"][0]
    if not (first[..., 3] == 255).all():
        return False  # as nearly always where there is transparency
    with ThreadPoolExecutor(THREADS) as threads:
        windows = (starts[i : i + THREADS] for i in range(0, len(starts), THREADS))
        return all(all(threads.map(opaque, window)) for window in windows)


def check_fitted(source: Source) -> None:
    """Raise InputError unless all examples have one shape; the message names some that differ."""
    if is_ragged(source.spec):
        named = f" ({source.odd_sizes})" if source.odd_sizes else ""
        mend = "set [data] size = 64 or another number of pixels"
        raise InputError(f"{source.name}: its images differ in size; {mend}{named}")


def _load_fitted(
    source: Source, old: Mapping[str, tuple[int, ...]], new: Mapping[str, Shape], resize: Resize, indices: np.ndarray
) -> Examples:
    """Examples whose images are brought from their old shapes to the new ones, those of the parts named in `new`."""
    if resize == "pad" and all(_only_padded(old[name], shape) for name, shape in new.items()):
        examples = source.load(indices)  # nothing is resampled: all of them are padded at once
        return {**examples, **{name: _padded(examples[name], shape) for name, shape in new.items()}}
    # Examples are fitted as they are read: photographs as they are take far more memory than what is kept of them.
    images = {name: np.empty((len(indices), *shape), np.uint8) for name, shape in new.items()}
    rest = []
    for place, index in enumerate(indices):
        example = source.load(index[None])
        for name, shape in new.items():
            images[name][place] = fit_one(example.pop(name)[0], shape, resize)
        rest.append(example)
    return {**images, **{name: np.concatenate([example[name] for example in rest]) for name in rest[0]}}


def _only_padded(old: tuple[int, ...], new: Shape) -> bool:
    return 0 not in old and old[2] == new[2] and old[0] <= new[0] and old[1] <= new[1]


def _padded(x: np.ndarray, shape: Shape) -> np.ndarray:
    """Images [n, h, w, C] in the middle of black ones of this shape: [n, H, W, C]."""
    top, left = (shape[0] - x.shape[1]) // 2, (shape[1] - x.shape[2]) // 2
    canvas = np.zeros((len(x), *shape), np.uint8)
    canvas[:, top : top + x.shape[1], left : left + x.shape[2]] = x
    return canvas


def fit_one(image: np.ndarray, shape: Shape, resize: Resize) -> np.ndarray:
    """One image uint8 [h, w, c] -> uint8 of `shape`; raises InputError where what lies between would be too large."""
    height, width, channels = shape
    picture = convert(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), channels)
    if resize == "squash":
        picture = _resized(picture, height, width)  # the proportions change
    elif resize == "pad":
        scale = min(1.0, height / picture.height, width / picture.width)
        picture = _resized(picture, max(1, round(picture.height * scale)), max(1, round(picture.width * scale)))
        canvas = Image.new(picture.mode, (width, height))
        canvas.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
        picture = canvas
    else:
        scale = max(height / picture.height, width / picture.width)  # until the tighter side fits
        if picture.width * picture.height * scale * scale > BETWEEN:  # a strip would become long beyond all memory
            picture = _centre(picture, math.ceil(height / scale), math.ceil(width / scale))
        picture = _resized(picture, max(1, round(picture.height * scale)), max(1, round(picture.width * scale)))
        picture = _centre(picture, height, width)
    return np.asarray(picture).reshape(shape)


def convert(picture: Image.Image, channels: int) -> Image.Image:
    """Grey, RGB or RGBA -> the mode with that many channels; transparency is composited on white."""
    mode = MODES[channels]
    if picture.mode == "RGBA" and mode != "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == mode else picture.convert(mode)


def _centre(picture: Image.Image, height: int, width: int) -> Image.Image:
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _resized(picture: Image.Image, height: int, width: int) -> Image.Image:
    if picture.size == (width, height):
        return picture
    if width * picture.height > BETWEEN:  # Pillow brings all rows to their width before it looks at the columns
        raise InputError(f"an image of {picture.width} x {picture.height} pixels is too long to become {width} wide")
    return picture.resize((width, height), FILTER)
