"""Notes: float32 [T, 4] in [-1, 1], T notes one after the other; games see them as they are.

The numbers of a note are its pitch (-1 .. 1 is MIDI's 0 .. 127), its length (0 .. 4 beats), its loudness (1 .. 127),
and the time since the note before it (0 .. 4 beats): those of C-RNN-GAN, https://arxiv.org/abs/1611.09904. `Spec.rate`
is in beats a second.
"""

import io
from typing import NamedTuple

import numpy as np

from gan_cli.errors import InputError
from gan_cli.media.medium import Medium, clipped, unchanged
from gan_cli.pictures import curves
from gan_cli.types import Spec

RATE = 2.0  # beats a second, where the data say nothing
BEATS = 4.0  # of the longest note and of the longest time between two
TICKS = 480  # of a beat
HIGHEST = 127  # pitch and loudness
NUMBERS = 4  # of a note


class Played(NamedTuple):
    """Notes as they are played, [T] each."""

    pitch: np.ndarray  # int, 0 .. 127
    start: np.ndarray  # beats
    end: np.ndarray
    loudness: np.ndarray  # int, 1 .. 127


def played(notes: np.ndarray) -> Played:
    """The notes that the numbers [T, 4] stand for; raises InputError where they are of another shape."""
    if notes.shape[1] != NUMBERS:
        raise InputError(f"notes of {notes.shape[1]} numbers; each has {NUMBERS}: pitch, length, loudness, time since")
    pitch, length, loudness, since = (notes.T.astype(float).clip(-1, 1) + 1) / 2
    start = np.cumsum(BEATS * since)
    levels = np.rint(HIGHEST * pitch).astype(int), np.rint(HIGHEST * loudness).astype(int).clip(1)  # 0 would end it
    return Played(levels[0], start, start + BEATS * length, levels[1])


def numbers(notes: Played) -> np.ndarray:
    """float32 [T, 4]: notes in the order of their starts as numbers; lengths and waits are cut at BEATS.

    What is before the first note is left out.
    """
    since = np.diff(notes.start, prepend=notes.start[:1])
    shares = [notes.pitch / HIGHEST, (notes.end - notes.start) / BEATS, notes.loudness / HIGHEST, since / BEATS]
    return 2 * np.stack(shares, axis=-1).clip(0, 1).astype(np.float32) - 1


def tile(several: np.ndarray, spec: Spec) -> np.ndarray:  # noqa: ARG001
    """The piano roll of each, louder notes darker, on the scale of all of them."""
    rolls = [played(notes) for notes in several]
    bars = [list(zip(*(x.tolist() for x in roll), strict=True)) for roll in rolls]
    lowest, highest = min(int(r.pitch.min()) for r in rolls), max(int(r.pitch.max()) for r in rolls)
    return curves.rolls(bars, (lowest, highest), max(float(roll.end.max()) for roll in rolls))


def mid(several: np.ndarray, spec: Spec, rate: float) -> bytes:  # noqa: ARG001
    """A MIDI file, a track for each. Raises InputError where mido is not installed."""
    try:
        import mido
    except ImportError:
        raise InputError("MIDI files want the package mido: pip install 'gan-cli[music]'") from None
    file = mido.MidiFile(ticks_per_beat=TICKS)
    for notes in several:
        track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(1e6 / (spec.rate or RATE)), time=0)])
        events = [
            event
            for pitch, start, end, loudness in zip(*played(notes), strict=True)
            for event in ((start, "note_on", pitch, loudness), (end, "note_off", pitch, 0))
        ]
        now = 0
        for beat, kind, pitch, loudness in sorted(events, key=lambda event: (event[0], event[1] == "note_on")):
            tick = round(beat * TICKS)
            track.append(mido.Message(kind, note=int(pitch), velocity=int(loudness), time=tick - now))
            now = tick
        file.tracks.append(track)
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


MEDIUM = Medium(("notes", "numbers"), "notes", "float32", unchanged, clipped, tile, {".mid": mid}, overview=16)
