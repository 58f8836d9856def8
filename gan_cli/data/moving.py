"""Videos made of what is known: a shape of one colour that moves over a still background."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeInt

from gan_cli.data.source import Examples, Source, digest, shares
from gan_cli.data.store import Store
from gan_cli.types import Spec

COLOURS = np.array([(255, 60, 60), (60, 255, 60), (80, 80, 255), (255, 255, 60)], np.uint8)
SHAPES, MOTIONS = ("square", "disc"), ("right", "down", "diagonal", "circle")
RADIUS = 0.18  # of a shape, in sides of a frame
ORBIT = 0.25  # radius of the circle on which a shape moves, likewise
RATE = 8.0  # frames a second


def moving(
    store: Store,  # noqa: ARG001
    *,
    n: Annotated[int, Field(gt=0, le=10**6)] = 4000,  # videos
    frames: Annotated[int, Field(gt=1, le=256)] = 8,
    side: Annotated[int, Field(ge=8, le=256)] = 16,  # pixels: height and width
    label: Literal["motion", "shape"] = "motion",  # what the class of a video is
    background: Literal["black", "texture"] = "black",
    seed: NonNegativeInt = 0,
) -> Source:
    """A square or a disc in one of four colours that moves in one of four ways: uint8 [T, H, W, 3], 8 frames a second.

    It moves to the right, down or along the diagonal, and comes in again where it goes out, or it circles; once in a
    video. Shape, colour, motion and start are independent of each other, and the background stands still.
    """
    random = np.random.default_rng(seed)
    kinds = {"shape": random.integers(len(SHAPES), size=n), "motion": random.integers(len(MOTIONS), size=n)}
    colour, start, phase = random.integers(len(COLOURS), size=n), random.uniform(size=(n, 2)), random.uniform(size=n)
    waves = random.uniform(-1, 1, (n, 2))  # of the texture: cycles a pixel, nearly
    labels, classes = kinds[label].astype(np.int32), {"shape": SHAPES, "motion": MOTIONS}[label]
    pixels = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1)  # [H, W, 2]

    def draw(i: int) -> np.ndarray:
        where = _path(int(kinds["motion"][i]), start[i], phase[i], frames)  # [T, 2], in sides
        away = (pixels / side - where[:, None, None] + 0.5) % 1 - 0.5  # [T, H, W, 2], from the shape's middle
        distance = np.hypot(away[..., 0], away[..., 1]) if kinds["shape"][i] else np.abs(away).max(axis=-1)
        video = np.zeros((frames, side, side, 3), np.uint8)
        if background == "texture":
            video[:] = (60 + 40 * np.sin(pixels @ waves[i] + 2 * np.pi * phase[i]))[..., None]
        video[distance < RADIUS] = COLOURS[colour[i]]
        return video

    def load(indices: np.ndarray) -> Examples:
        return {"x": np.stack([draw(int(i)) for i in indices]), "y": labels[indices]}

    spec = Spec((frames, side, side, 3), classes, shares(labels, len(classes)), "video", rate=RATE)
    mark = digest(f"moving {n} {frames} {side} {label} {background} {seed}")
    return Source("moving", spec, n, load, mark, labels=labels)


def _path(motion: int, start: np.ndarray, phase: float, frames: int) -> np.ndarray:
    """The middle of the shape in each frame, float [T, 2]: down and to the right, in sides of a frame."""
    t = np.arange(frames) / frames
    if MOTIONS[motion] == "circle":
        angle = 2 * np.pi * (t + phase)
        return 0.5 + ORBIT * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    down, right = {"right": (0, 1), "down": (1, 0), "diagonal": (1, 1)}[MOTIONS[motion]]
    return start + np.stack([down * t, right * t], axis=-1)
