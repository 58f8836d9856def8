"""Videos in a folder or a zip file: folders of frames, or animations."""

import io
import posixpath
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import numpy as np
from pydantic import Field, PositiveInt

from gan_cli.data.folder import reason
from gan_cli.data.images import LARGEST, Resize, convert, fit_one
from gan_cli.data.picture import opened
from gan_cli.data.source import Examples, Source, digest, shares
from gan_cli.data.store import Store
from gan_cli.data.tree import File, read_tree
from gan_cli.errors import InputError
from gan_cli.types import Spec

T = TypeVar("T")
MOST_FRAMES = 100_000  # of one animation


class _Clip(NamedTuple):
    """A stretch of one video."""

    video: str  # its folder, or its file
    files: tuple[File, ...]  # of its frames; of an animation the file alone
    start: int  # the first frame in an animation


def video(
    store: Store,
    *,
    path: Path,
    frames: Annotated[int, Field(gt=1, le=1024)] = 16,  # of an example
    every: PositiveInt = 1,  # of so many frames of a video, one is taken
    side: Annotated[int, Field(gt=0, le=LARGEST)] = 64,  # pixels: height and width that frames are brought to
    fitting: Resize = "pad",  # pad: centred on black, shrunk only if larger; crop: centre square; squash: distorted
    labels: bool = False,  # the class is the folder that a video is in
    rate: Annotated[float, Field(ge=0)] = 0.0,  # frames a second of the examples; 0: unknown
) -> Source:
    """Videos as folders of images, in natural order, or as GIF, WebP or APNG: uint8 [T, H, W, 3].

    A video is cut into clips of `frames` frames, one after the other; what is left at its end is left out, and so is a
    video that is shorter. Transparency is composited on white. Raises InputError that names the file when one cannot be
    read or there is no clip.
    """
    path = store.locate(path)
    clips, short = [], []
    for name, stretches in groupby(read_tree(path).files, partial(_video_of, path)):
        found = list(_clips(path, name, tuple(stretches), frames, every))
        clips += found
        short += [] if found else [name]
    if not clips:
        want = f"folders of {frames * every} images at least, or GIF, WebP or APNG files of as many frames"
        raise InputError(f"{path}: holds no video of {frames} frames (every = {every}): {want}")
    left_out = f"{path}: {len(short)} videos have fewer than {frames * every} frames, and are left out: {short[:1]}"
    folders = [posixpath.basename(posixpath.dirname(clip.video.rstrip("/"))) for clip in clips]
    classes = tuple(sorted(set(folders))) if labels else ()
    if labels and classes == ("",):
        raise InputError(f"{path}: [data] labels = true wants videos in folders that are their classes")
    y = np.array([classes.index(own) for own in folders], np.int32) if labels else None

    def load(indices: np.ndarray) -> Examples:
        x = np.stack([_read(path, clips[i], frames, every, side, fitting) for i in indices.tolist()])
        return {"x": x} if y is None else {"x": x, "y": y[indices]}

    spec = Spec((frames, side, side, 3), classes, () if y is None else shares(y, len(classes)), "video", rate=rate)
    stamps = (f"{file.name} {file.stamp()} {clip.start}" for clip in clips for file in clip.files)
    mark = digest(*stamps, f"{frames} {every} {side} {fitting} {labels}")
    return Source(path.name, spec, len(clips), load, mark, labels=y, remarks=(left_out,) if short else ())


def _video_of(path: Path, file: File) -> str:
    """The video that a file belongs to: its folder, or of an animation itself."""
    return file.name if _frame_count(path, file) > 1 else posixpath.dirname(file.name)


def _frame_count(path: Path, file: File) -> int:
    def count() -> int:
        with file.open() as data, opened(data) as picture:
            return min(MOST_FRAMES, getattr(picture, "n_frames", 1))

    return _named(path, file, count)


def _clips(path: Path, name: str, files: tuple[File, ...], frames: int, every: int) -> list[_Clip]:
    """The clips of one video."""
    span = frames * every
    if len(files) == 1 and files[0].name == name:
        return [_Clip(name, files, start) for start in range(0, _frame_count(path, files[0]) - span + 1, span)]
    starts = range(0, len(files) - span + 1, span)
    return [_Clip(f"{name}/", files[start : start + span : every], 0) for start in starts]


def _read(path: Path, clip: _Clip, frames: int, every: int, side: int, fitting: Resize) -> np.ndarray:
    """A clip, uint8 [T, H, W, 3]."""

    def animation(file: File) -> np.ndarray:
        with file.open() as data, opened(io.BytesIO(data.read()), whole=True) as picture:
            made = []
            for frame in range(clip.start, clip.start + frames * every, every):
                picture.seek(frame)
                made.append(np.asarray(convert(picture.convert("RGBA"), 3)))
            return np.stack([fit_one(one, (side, side, 3), fitting) for one in made])

    def still(file: File) -> np.ndarray:
        with file.open() as data, opened(io.BytesIO(data.read()), whole=True) as picture:
            return fit_one(np.asarray(convert(picture.convert("RGBA"), 3)), (side, side, 3), fitting)

    if not clip.video.endswith("/"):
        return _named(path, clip.files[0], partial(animation, clip.files[0]))
    return np.stack([_named(path, file, partial(still, file)) for file in clip.files])


def _named(path: Path, file: File, read: Callable[[], T]) -> T:
    """What `read` makes of a file; raises InputError that names it."""
    try:
        return read()
    except Exception as error:  # whatever a damaged file makes Pillow or zipfile raise
        raise InputError(f"{path}: {file.name} cannot be read as an image: {reason(error)}") from None
