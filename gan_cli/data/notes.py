"""Music in MIDI files, read by mido."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from gan_cli.data.recordings import Recording, cut, recorded_files, recordings_source
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.media.notes import RATE, Played, numbers

LARGEST_FILE = 16 << 20  # bytes
PERCUSSION = 9  # the channel whose pitches are drums


def notes(
    store: Store,
    *,
    path: Path,
    length: Annotated[int, Field(gt=0, le=1 << 16)] = 32,  # notes of an example
    pieces: bool = True,  # a file is cut into as many examples as it holds; otherwise it is one, its beginning
    tracks: bool = False,  # each track of a file is music of its own; otherwise all are played together
    labels: bool = False,  # the class is the folder that a file is in
) -> Source:
    """A folder of MIDI files, or a single one: float32 [T, 4] in [-1, 1], as media/notes.py says; drums are left out.

    The spec's rate is the median of the tempi with which the files begin, in beats a second. Music of fewer notes than
    `length` is left out, which a remark says. Raises InputError that names the file when one cannot be read, when
    nothing is long enough, and where mido is not installed.
    """
    path = store.locate(path)
    found: list[Recording] = []
    rates = []
    for file in recorded_files(path, (".mid", ".midi"), "MIDI"):
        midi = _read(file)
        together = [[message for track in _timed(midi) for message in track]]
        music = [_played(sorted(track, key=lambda timed: timed[0])) for track in (_timed(midi) if tracks else together)]
        found += [Recording(numbers(played), file.parent.name) for played in music if len(played.pitch)]
        tempi = (event.tempo for _, event in together[0] if event.type == "set_tempo")
        rates.append(next((1e6 / tempo for tempo in tempi if tempo), RATE))
    examples = cut(found, length, pieces)
    if not examples:
        most = max((len(recording.x) for recording in found), default=0)
        raise InputError(f"{path}: no music of {length} notes; the longest has {most}: [data] length = {most or 32}")
    for example in examples:
        example.x[0, 3] = -1  # nothing is before the first note
    short = sum(len(recording.x) < length for recording in found)
    remarks = (f"{short} of {len(found)} pieces of music have fewer than {length} notes: left out",) if short else ()
    return recordings_source(path, examples, labels, "notes", float(np.median(rates)), remarks)


def _read(file: Path) -> Any:
    """The MidiFile; raises InputError."""
    try:
        import mido
    except ImportError:
        raise InputError("[data] source = \"notes\" wants the package mido: pip install 'gan-cli[music]'") from None
    if file.stat().st_size > LARGEST_FILE:
        raise InputError(f"{file}: larger than {LARGEST_FILE >> 20} MiB, which no MIDI file is")
    try:
        midi = mido.MidiFile(file, clip=True)
    except Exception as error:  # mido raises what its parts do
        raise InputError(f"{file}: cannot be read as a MIDI file: {error or 'it ends too early'}") from None
    if not 0 < midi.ticks_per_beat < 1 << 15:
        raise InputError(f"{file}: counts frames of film, not beats; a MIDI file of ticks a beat is read")
    return midi


def _timed(midi: Any) -> list[list[tuple[float, Any]]]:
    """Each track's messages, each with its time in beats from the beginning."""
    ticks = [np.cumsum([message.time for message in track]) / midi.ticks_per_beat for track in midi.tracks]
    return [list(zip(times.tolist(), track, strict=True)) for times, track in zip(ticks, midi.tracks, strict=True)]


def _played(messages: Iterable[tuple[float, Any]]) -> Played:
    """The notes that messages in the order of time start and end; one that nothing ends lasts to the last message."""
    sounding: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    found: list[tuple[float, int, float, int]] = []  # start, pitch, end, loudness
    at = 0.0
    for at, message in messages:
        if message.type not in ("note_on", "note_off") or message.channel == PERCUSSION:
            continue
        started = sounding[message.channel, message.note]
        if message.type == "note_on" and message.velocity:
            started.append((at, message.velocity))
        elif started:
            start, loudness = started.pop(0)
            found.append((start, message.note, at, loudness))
    found += [(start, note, at, loudness) for (_, note), left in sounding.items() for start, loudness in left]
    found.sort()
    starts, pitches, ends, loudnesses = np.array(found, float).reshape(-1, 4).T
    return Played(pitches.astype(int), starts, ends, loudnesses.astype(int))
