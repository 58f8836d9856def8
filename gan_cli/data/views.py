"""Views: pictures made of pictures. What x is to be made from, or another domain of the same things.

A view is a pure function of an image and its number: the view of example i is always the same one. Chance comes from
the bits of Philox, whose stream NumPy promises to keep. An alpha channel stays as it is, unless a view makes grey.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field, PositiveInt

from gan_cli import media
from gan_cli.binding import kind
from gan_cli.data.images import check_fitted
from gan_cli.data.source import Examples, Source, digest
from gan_cli.errors import InputError
from gan_cli.types import INPUT, Spec, X

Level = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Level, Level, Level]  # red, green, blue
Make = Callable[[np.ndarray, np.ndarray], np.ndarray]
NOISE, HOLE, STREAKS, FOCUS = 1, 2, 3, 4  # streams of chance: two views of one image have nothing in common
LUMA = np.array([19595, 38470, 7471], np.uint32)  # of red, green, blue: ITU-R 601 in 1 / 65536, as Pillow has it


class View(NamedTuple):
    """A picture made of each picture."""

    name: str  # with its options, which decide the result: "edges 60"
    make: Make
    """(images uint8 [n, H, W, C], their numbers int64 [n]) -> images uint8 [n, H', W', C']. Raises ValueError for
    images of a size that it cannot see."""


VIEW = kind("view", "view", "gan_cli.data", View, option=True)


def see(
    source: Source,
    *,
    views: tuple[View, ...] = (),  # of x, one after the other
    input_views: tuple[View, ...] = (),  # of `input`, what x is to be made from; where the source has none, of x
) -> Source:
    """The source with pictures made of its pictures: `x` becomes another, and `input` is made of it.

    Raises InputError that names the key where a view is not one of these examples.
    """
    if not views and not input_views:
        return source
    check_fitted(source)
    x = _seen(source.spec, views, f"{source.name}: [data] views")
    parts = dict(source.spec.parts)
    if input_views:
        own = parts.get(INPUT, Spec(x.shape, medium=x.medium))
        parts[INPUT] = _seen(own, input_views, f"{source.name}: [data] input_views")

    def load(indices: np.ndarray) -> Examples:
        return seen(source.load(indices), indices, views, input_views)

    names = [f"{X} {view.name}" for view in views] + [f"{INPUT} {view.name}" for view in input_views]
    reads = None if views else source.reads
    fingerprint = digest(source.fingerprint, *names)
    return source._replace(spec=x._replace(parts=parts), load=load, fingerprint=fingerprint, reads=reads)


def seen(
    examples: Examples, indices: np.ndarray, views: tuple[View, ...] = (), input_views: tuple[View, ...] = ()
) -> Examples:
    """Examples [n, ...] with these numbers through the views of `see`, which are of their kind."""
    for view in views:
        examples = {**examples, X: view.make(examples[X], indices)}
    given = examples[INPUT if INPUT in examples else X]
    for view in input_views:
        given = view.make(given, indices)
    return {**examples, INPUT: given} if input_views else examples


def _seen(spec: Spec, views: tuple[View, ...], where: str) -> Spec:
    """The format of the views of examples, found by looking at a black one; raises InputError."""
    for number, view in enumerate(views):
        if not media.is_image(spec):
            raise InputError(f"{where}.{number}: {view.name} is a view of images, and these are {media.of(spec).many}")
        try:
            made = view.make(np.zeros((1, *spec.shape), np.uint8), np.zeros(1, np.int64))
        except ValueError as error:
            height, width, _ = spec.shape
            raise InputError(f"{where}.{number}: {view.name} of images of {height} x {width} pixels: {error}") from None
        spec = spec._replace(shape=made.shape[1:])
    return spec


def edges(
    *,
    least: Annotated[float, Field(ge=0, le=255)] = 60.0,  # levels a pixel: the slope from which on it is an edge
) -> View:
    """Where brightness changes, white on black: what is left of a picture that was traced."""

    def make(x: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.where(np.hypot(*_slopes(x)) / 2 >= least, 255, 0).astype(np.uint8)

    return View(f"edges {least:g}", make)


def relief() -> View:
    """Brightness as a height on which light falls from the upper left, one channel: what is flat is grey."""
    return View("relief", lambda x, _: np.rint(127.5 + sum(_slopes(x)) / 4).astype(np.uint8))


def _slopes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twice the levels a pixel by which brightness rises to the right and downwards: int16 [n, H, W, 1] both."""
    light = np.pad(_luma(x).astype(np.int16), ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    return light[:, 1:-1, 2:] - light[:, 1:-1, :-2], light[:, 2:, 1:-1] - light[:, :-2, 1:-1]


def smaller(
    *,
    factor: Annotated[int, Field(ge=2)] = 4,  # times smaller is each side
) -> View:
    """A fraction of the side, by the mean of pixels: what super-resolution starts from."""

    def make(x: np.ndarray, _: np.ndarray) -> np.ndarray:
        n, height, width, channels = x.shape
        if height % factor or width % factor:
            raise ValueError(f"factor = {factor} does not divide both sides")
        blocks = x.reshape(n, height // factor, factor, width // factor, factor, channels)
        return np.rint(blocks.mean((2, 4), dtype=np.float64)).astype(np.uint8)

    return View(f"smaller {factor}", make)


def noise(
    *,
    sd: Annotated[float, Field(gt=0)] = 50.0,  # levels
) -> View:
    """Gaussian noise on every value, cut off at black and white: what denoising starts from."""

    def change(image: np.ndarray, number: int) -> None:
        first, second = _uniform(NOISE, number, 2 * image.size).reshape(2, *image.shape)
        normal = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)  # Box and Muller's
        image[:] = np.clip(np.rint(image + sd * normal), 0, 255)

    return View(f"noise {sd:g}", _one_by_one(change))


def hole(
    *,
    size: PositiveInt = 14,  # pixels of a side
) -> View:
    """A grey square somewhere in the picture: what inpainting starts from."""

    def change(image: np.ndarray, number: int) -> None:
        room = np.array(image.shape[:2]) - size
        if (room < 0).any():
            raise ValueError(f"size = {size} is more than a side")
        top, left = (_uniform(HOLE, number, 2) * (room + 1)).astype(int)
        image[top : top + size, left : left + size] = 128

    return View(f"hole {size}", _one_by_one(change))


def streaks(
    *,
    count: PositiveInt = 8,
    length: PositiveInt = 8,  # pixels downwards; half as many to the right
    level: Level = 200,  # their brightness, where the picture is darker
) -> View:
    """Slanted streaks, as of rain: what deraining starts from."""

    def change(image: np.ndarray, number: int) -> None:
        starts = _uniform(STREAKS, number, 2 * count).reshape(2, count, 1) * [[[image.shape[0]]], [[image.shape[1]]]]
        along = np.arange(length)
        rows, columns = np.broadcast_arrays(starts[0].astype(int) + along, starts[1].astype(int) + along // 2)
        inside = (rows < image.shape[0]) & (columns < image.shape[1])
        rows, columns = rows[inside], columns[inside]
        image[rows, columns] = np.maximum(image[rows, columns], level)

    return View(f"streaks {count} {length} {level}", _one_by_one(change))


def two_focuses(
    *,
    radius: PositiveInt = 2,  # pixels: what is out of focus is the mean over a square of 2 radius + 1 a side
) -> View:
    """Two pictures of its brightness, each out of focus where the other is sharp, as red and green: for fusion.

    A straight line somewhere is the border between near and far. Blue is 0.
    """

    def make(x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        sharp = _luma(x)[..., 0]
        around = np.pad(sharp, ((0, 0), (radius, radius), (radius, radius)), "edge")
        squares = sliding_window_view(around, (2 * radius + 1, 2 * radius + 1), (1, 2))
        blurred = np.rint(squares.mean((3, 4))).astype(np.uint8)
        near = np.stack([_beyond_a_line(sharp.shape[1:], number) for number in numbers.tolist()])
        first, second = np.where(near, sharp, blurred), np.where(near, blurred, sharp)
        return np.stack([first, second, np.zeros_like(sharp)], axis=-1)

    return View(f"two_focuses {radius}", make)


def _beyond_a_line(shape: tuple[int, ...], number: int) -> np.ndarray:
    """Which pixels are on one side of a line through the middle third: bool [H, W]."""
    turn, top, left = _uniform(FOCUS, number, 3)
    y, x = ((np.arange(side) + 0.5) / side - (1 + share) / 3 for side, share in zip(shape, (top, left), strict=True))
    beyond: np.ndarray = y[:, None] * np.cos(2 * np.pi * turn) + x * np.sin(2 * np.pi * turn) > 0
    return beyond


def grey() -> View:
    """The brightness alone, one channel: what colouring starts from."""
    return View("grey", lambda x, _: _luma(x))


def inverted() -> View:
    """The negative."""

    def make(x: np.ndarray, _: np.ndarray) -> np.ndarray:
        made = x.copy()
        _colours(made)[:] = 255 - _colours(x)
        return made

    return View("inverted", make)


def tinted(
    *,
    black: Colour = (20, 40, 120),  # what black becomes
    white: Colour = (255, 120, 40),  # what white becomes
) -> View:
    """Brightness as a blend of two colours: RGB."""

    def make(x: np.ndarray, _: np.ndarray) -> np.ndarray:
        share = _luma(x) / 255
        return np.rint(share * np.array(white) + (1 - share) * np.array(black)).astype(np.uint8)

    return View(f"tinted {black} {white}", make)


def centre(
    *,
    size: PositiveInt,  # pixels of a side
) -> View:
    """The square in the middle."""

    def make(x: np.ndarray, _: np.ndarray) -> np.ndarray:
        top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
        if min(top, left) < 0:
            raise ValueError(f"size = {size} is more than a side")
        return x[:, top : top + size, left : left + size]

    return View(f"centre {size}", make)


def _one_by_one(change: Callable[[np.ndarray, int], None]) -> Make:
    """The `make` of a view that changes the colours of each image by chance of its own, in place."""

    def make(x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        made = x.copy()
        for image, number in zip(_colours(made), numbers.tolist(), strict=True):
            change(image, number)
        return made

    return make


def _colours(x: np.ndarray) -> np.ndarray:
    """The channels of images without alpha, which stays as it is."""
    return x[..., :3] if x.shape[-1] == 4 else x


def _luma(x: np.ndarray) -> np.ndarray:
    """The brightness of images uint8 [n, H, W, C], as `channels = 1` would have it: uint8 [n, H, W, 1].

    Transparency is composited on white; of 2 channels, or more than 4, it is the mean.
    """
    colours = _colours(x)
    if x.shape[-1] == 4:
        alpha = x[..., 3:] / 255
        colours = np.rint(colours * alpha + 255 * (1 - alpha))
    if colours.shape[-1] != 3:
        return np.rint(colours.mean(-1, keepdims=True)).astype(np.uint8)
    return ((colours.astype(np.uint32) @ LUMA + (1 << 15)) >> 16).astype(np.uint8)[..., None]


def _uniform(stream: int, number: int, n: int) -> np.ndarray:
    """Numbers in [0, 1) that belong to an example: float64 [n]."""
    return (np.random.Philox(key=[stream, number]).random_raw(n) >> np.uint64(11)) / 2.0**53
