"""Sources of other media: the synthetic ones are what they say, and real files are read as they are."""

import wave

import numpy as np
import pytest
from PIL import Image

from gan_cli.data.moving import COLOURS, MOTIONS, moving
from gan_cli.data.notes import notes
from gan_cli.data.phantoms import phantoms
from gan_cli.data.sound import sound
from gan_cli.data.store import Store
from gan_cli.data.text import text
from gan_cli.data.video import video
from gan_cli.errors import InputError
from gan_cli.media.notes import mid
from gan_cli.types import Spec

STORE = Store()


def test_a_shape_keeps_its_colour_and_moves_as_its_class_says():
    source = moving(STORE, n=40, side=32)
    examples = source.load(np.arange(40))
    assert source.spec.shape == (8, 32, 32, 3)
    assert source.spec.classes == MOTIONS
    for clip, label in zip(examples["x"], examples["y"], strict=True):
        seen = {tuple(colour) for colour in clip.reshape(-1, 3)} - {(0, 0, 0)}
        assert len(seen) == 1
        assert seen <= {tuple(colour) for colour in COLOURS}
        inside = clip.any(-1)
        still_rows = all(np.array_equal(frame.any(1), inside[0].any(1)) for frame in inside)
        still_columns = all(np.array_equal(frame.any(0), inside[0].any(0)) for frame in inside)
        assert (still_rows, still_columns) == {"right": (True, False), "down": (False, True)}.get(
            MOTIONS[label], (False, False)
        )


def test_a_background_stands_still_and_shapes_are_told_apart():
    source = moving(STORE, n=20, label="shape", background="texture")
    x = source.load(np.arange(20))["x"].astype(int)
    shape = np.abs(x - np.median(x, axis=1, keepdims=True)).max(-1) > 60
    assert 0.01 < shape.mean() < 0.2
    assert set(source.spec.classes) == {"square", "disc"}
    again = moving(STORE, n=20, label="shape", background="texture")
    np.testing.assert_array_equal(again.load(np.array([7]))["x"][0], x[7])
    assert again.fingerprint == source.fingerprint != moving(STORE, n=20).fingerprint


def test_phantoms_are_as_bright_as_ellipsoids_are_large():
    source = phantoms(STORE, n=60)
    examples = source.load(np.arange(60))
    assert examples["x"].shape == (60, 16, 16, 16, 1)
    filled = (examples["x"] > 50).mean(axis=(1, 2, 3, 4))
    by_number = [filled[examples["y"] == label].mean() for label in range(3)]
    assert by_number == sorted(by_number)
    assert (examples["x"][:, 0] == 0).all()  # nothing touches the edge
    one = examples["x"][examples["y"] == 0][0]
    assert (one == one.max()).sum() > 0.2 * (one > 0).sum()  # one level inside, and edges


def test_lines_become_tokens(tmp_path):
    (tmp_path / "x.txt").write_text("abba\n\nab\r\ncab\n")
    source = text(STORE, path=tmp_path / "x.txt")
    assert source.spec.words == ("", "a", "b", "c")
    np.testing.assert_array_equal(source.load(np.arange(3))["x"], [[1, 2, 2, 1], [1, 2, 0, 0], [3, 1, 2, 0]])
    short = text(STORE, path=tmp_path / "x.txt", length=3)
    assert short.size == 2
    assert "1 of 3 lines are longer than 3 characters" in short.remarks[0]
    (tmp_path / "w.txt").write_text("the cat the dog\nthe end\n")
    words = text(STORE, path=tmp_path / "w.txt", unit="words", most_words=2)
    assert words.spec.words == ("", "the", "<unknown>")
    np.testing.assert_array_equal(words.load(np.arange(2))["x"], [[1, 2, 1, 2], [1, 2, 0, 0]])


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(InputError, match="line 2 is not UTF-8"):
        text(STORE, path=tmp_path / "x.txt")
    (tmp_path / "x.txt").write_text("\n\n")
    with pytest.raises(InputError, match="no line of 1"):
        text(STORE, path=tmp_path / "x.txt")


def wav(path, levels, rate=8000, width=2, channels=1):
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(levels, f"<i{width}" if width > 1 else "u1").tobytes())


def test_sounds_are_cut_filled_and_averaged(tmp_path):
    wav(tmp_path / "a" / "2.wav", [16384, -16384])
    wav(tmp_path / "a" / "10.wav", [0, 32767, 0, 0, 0], width=2)
    wav(tmp_path / "b" / "1.wav", [0, 2**31 - 1, 2**30, 2**30], width=4, channels=2)
    source = sound(STORE, path=tmp_path, length=4, labels=True)
    found = source.load(np.arange(3))
    np.testing.assert_allclose(found["x"], [[0.5, -0.5, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0, 0]], atol=1e-4)
    np.testing.assert_array_equal(found["y"], [0, 0, 1])
    assert source.spec.rate == 8000
    assert sound(STORE, path=tmp_path, length=2, pieces=True).size == 4
    wav(tmp_path / "b" / "0.wav", [1], rate=16000)
    with pytest.raises(InputError, match="bring them to one rate"):
        sound(STORE, path=tmp_path, length=4)
    (tmp_path / "a" / "1.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"1\.wav: cannot be read as a WAV file"):
        sound(STORE, path=tmp_path, length=4)


def test_music_is_read_as_it_was_written(tmp_path):
    pytest.importorskip("mido", reason="MIDI files want gan-cli[music]")
    steps = np.array([[60, 1, 64, 0], [64, 0.5, 80, 0], [67, 4, 127, 1.5], [60, 0.25, 1, 2]])  # pitch, beats, loudness
    written = (2 * steps / [127, 4, 127, 4] - 1).astype(np.float32)
    (tmp_path / "k").mkdir()
    spec = Spec((4, 4), medium="notes", rate=1.5)
    (tmp_path / "k" / "a.mid").write_bytes(mid(np.stack([written, written]), spec, 1.0))
    source = notes(STORE, path=tmp_path, length=4, tracks=True, labels=True)
    np.testing.assert_allclose(source.load(np.arange(2))["x"], [written, written], atol=1e-6)
    assert source.spec.rate == pytest.approx(1.5, abs=1e-5)
    assert source.spec.classes == ("k",)
    together = notes(STORE, path=tmp_path, length=2, pieces=False).load(np.arange(1))["x"][0]
    np.testing.assert_allclose(together, [written[0], written[0]], atol=1e-6)  # both tracks at once
    assert notes(STORE, path=tmp_path, length=3, tracks=True).size == 2
    with pytest.raises(InputError, match="no music of 9 notes; the longest has 8"):
        notes(STORE, path=tmp_path, length=9)
    (tmp_path / "k" / "b.mid").write_bytes(b"MThd\0\0")
    with pytest.raises(InputError, match=r"b\.mid: cannot be read as a MIDI file"):
        notes(STORE, path=tmp_path)


def test_frames_and_animations_are_videos(tmp_path):
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in range(0, 250, 50)]
    for name in ("first", "second"):
        (tmp_path / "k" / name).mkdir(parents=True)
        for i, frame in enumerate(frames[: 5 if name == "first" else 2]):
            frame.save(tmp_path / "k" / name / f"{i}.png")
    (tmp_path / "l").mkdir()
    frames[0].save(tmp_path / "l" / "x.gif", save_all=True, append_images=frames[1:])
    source = video(STORE, path=tmp_path, frames=2, side=8, labels=True)
    assert source.spec.classes == ("k", "l")
    assert source.size == 2 + 1 + 2
    found = source.load(np.arange(source.size))["x"]
    np.testing.assert_array_equal(found[:, :, 0, 0, 0], [[0, 50], [100, 150], [0, 50], [0, 50], [100, 150]])
    slow = video(STORE, path=tmp_path, frames=2, every=2, side=4)
    assert slow.size == 2
    assert "have fewer than 4 frames, and are left out" in slow.remarks[0]
    np.testing.assert_array_equal(slow.load(np.arange(2))["x"][:, :, 0, 0, 0], [[0, 100], [0, 100]])
    with pytest.raises(InputError, match="holds no video of 9 frames"):
        video(STORE, path=tmp_path, frames=9)
