"""Sound: float32 [T] in [-1, 1], one channel; games see it as it is. `Spec.rate` is in samples a second."""

import io
import wave

import numpy as np

from gan_cli.media.medium import Medium, clipped, unchanged
from gan_cli.pictures import curves
from gan_cli.types import Spec

RATE = 16_000  # samples a second, where the data say nothing
PAUSE = 0.25  # seconds between several in one file
FULL = 32_767  # of 16 bits


def tile(sounds: np.ndarray, spec: Spec) -> np.ndarray:  # noqa: ARG001
    """The waveform of each, from -1 to 1."""
    return curves.waveforms(sounds)


def wav(sounds: np.ndarray, spec: Spec, rate: float) -> bytes:  # noqa: ARG001
    """16-bit samples, several one after the other with a pause between them."""
    each = round(spec.rate) or RATE
    pause = np.zeros((len(sounds), round(PAUSE * each)), sounds.dtype)
    joined = np.concatenate([sounds, pause], axis=1).ravel() if len(sounds) > 1 else sounds[0]
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(each)
        file.writeframes(np.rint(joined.clip(-1, 1) * FULL).astype("<i2").tobytes())
    return stream.getvalue()


MEDIUM = Medium(("samples",), "sounds", "float32", unchanged, clipped, tile, {".wav": wav}, overview=16)
