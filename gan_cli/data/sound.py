"""Sounds in WAV files, read by the standard library."""

import wave
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from gan_cli.data.recordings import LARGEST, Recording, cut, recorded_files, recordings_source
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.errors import InputError


def sound(
    store: Store,
    *,
    path: Path,
    length: Annotated[int, Field(gt=0, le=1 << 20)] = 16_384,  # samples of an example
    pieces: bool = False,  # a file is cut into as many examples as it holds; otherwise it is one, silence at its end
    labels: bool = False,  # the class is the folder that a file is in
) -> Source:
    """A folder of WAV files, or a single one: float32 [T] in [-1, 1], channels averaged.

    PCM of 8 to 32 bits of one rate, which is the spec's. Raises InputError that names the file when one cannot be read,
    has another rate than the first, or there is none.
    """
    path = store.locate(path)
    recordings: list[Recording] = []
    rates: dict[int, Path] = {}
    for file in recorded_files(path, (".wav",), "WAV"):
        heard, rate = _read(file, None if pieces else length)
        rates.setdefault(rate, file)
        if len(rates) > 1:
            first, other = list(rates.items())[:2]
            raise InputError(
                f"{other[1]}: has {other[0]} samples a second, and {first[1]} {first[0]}: bring them to one rate, "
                "for example by sox IN.wav -r 16000 OUT.wav"
            )
        silence = 0 if pieces else max(0, length - len(heard))
        recordings += cut([Recording(np.pad(heard, (0, silence)), file.parent.name)], length, pieces)
        if len(recordings) * length > LARGEST:
            raise InputError(f"{path}: more than {LARGEST:,} samples; fewer files, or another [data] length, would do")
    if not recordings:
        raise InputError(f"{path}: no file of {length} samples; [data] pieces = false fills shorter ones with silence")
    return recordings_source(path, recordings, labels, "sound", float(next(iter(rates))))


def _read(file: Path, most: int | None) -> tuple[np.ndarray, int]:
    """At most so many samples of a file, float32 [T] in [-1, 1], and their rate; raises InputError."""
    try:
        with wave.open(str(file), "rb") as sound:
            width, channels, rate = sound.getsampwidth(), sound.getnchannels(), sound.getframerate()
            data = sound.readframes(sound.getnframes() if most is None else min(most, sound.getnframes()))
    except (wave.Error, EOFError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error) or "it ends too early"
        raise InputError(f"{file}: cannot be read as a WAV file: {why}; PCM of 8, 16, 24 or 32 bits is") from None
    if width not in (1, 2, 3, 4) or not rate:
        raise InputError(f"{file}: samples of {8 * width} bits; PCM of 8, 16, 24 or 32 bits is read")
    bytes_ = np.frombuffer(data[: len(data) // (width * channels) * width * channels], np.uint8).reshape(-1, width)
    if width == 1:  # the only unsigned one
        values = (bytes_[:, 0].astype(np.float32) - 128) / 128
    else:  # as the upper bytes of 32 bits
        whole = np.zeros((len(bytes_), 4), np.uint8)
        whole[:, 4 - width :] = bytes_
        values = whole.view("<i4")[:, 0].astype(np.float32) / 2**31
    return values.reshape(-1, channels).mean(axis=1), rate
