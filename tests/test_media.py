"""Media: what each looks like to a person, and the files that it is written to and read from again."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli import media
from gan_cli.data.npz import npz
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.metrics.collect import equal_batches
from gan_cli.model import Samples
from gan_cli.pictures import grids
from gan_cli.sampling import writing
from gan_cli.sampling.writing import Drawn
from gan_cli.training.monitor import mean_distance
from gan_cli.types import Spec

SPECS = {
    "video": Spec((4, 8, 8, 3), medium="video", rate=5.0),
    "volume": Spec((8, 6, 4, 1), medium="volume"),
    "series": Spec((10, 2), medium="series"),
    "notes": Spec((6, 4), medium="notes", rate=2.0),
    "sound": Spec((4000,), medium="sound", rate=8000.0),
    "tokens": Spec((5,), medium="tokens", words=("", "a", "bc", "d")),
}


def some(name: str, n: int = 3) -> np.ndarray:
    """Examples of a medium as stored."""
    spec, random = SPECS[name], np.random.default_rng(0)
    if name == "tokens":
        return random.integers(0, len(spec.words), (n, *spec.shape)).astype(np.int32)
    if media.has_levels(spec):
        return random.integers(0, 256, (n, *spec.shape)).astype(np.uint8)
    return random.uniform(-1, 1, (n, *spec.shape)).astype(np.float32)


def written(tmp_path: Path, name: str, suffix: str, n: int = 3) -> Path:
    out = tmp_path / f"x{suffix}"
    writing.check_out(out)
    writing.check_kind(out, SPECS[name], walks=False)
    writing.write(out, Drawn(some(name, n), SPECS[name]), None)
    return out


@pytest.mark.parametrize("name", SPECS)
def test_every_medium_has_a_picture_of_each_and_one_of_all(name, tmp_path):
    tiles = media.tiles(some(name), SPECS[name])
    assert tiles.dtype == np.uint8
    assert tiles.ndim == 4
    assert len({tile.tobytes() for tile in tiles}) == len(tiles)
    with Image.open(written(tmp_path, name, ".png")) as picture:
        assert min(picture.size) > 32


@pytest.mark.parametrize("name", SPECS)
def test_an_archive_is_read_again_as_it_was(name, tmp_path):
    source = npz(Store(), path=written(tmp_path, name, ".npz"), medium=name)
    np.testing.assert_array_equal(source.load(np.arange(3))["x"], some(name))
    assert source.spec.medium == name
    assert source.spec.shape == SPECS[name].shape


@pytest.mark.parametrize("name", [name for name in SPECS if name != "notes"])
def test_a_folder_has_a_file_for_each(name, tmp_path):
    files = sorted(written(tmp_path, name, "").iterdir())
    suffix = next(iter(media.find(name).files))
    assert [file.name for file in files] == [f"{i:06d}{suffix}" for i in range(3)]


def test_a_strip_begins_and_ends_with_the_videos_frames():
    x = some("video")
    strip = media.tiles(x, SPECS["video"])
    factor = strip.shape[1] // 8
    np.testing.assert_array_equal(strip[:, ::factor, : 8 * factor : factor], x[:, 0])
    np.testing.assert_array_equal(
        strip[:, ::factor, -8 * factor - grids.STRIP_GAP : -grids.STRIP_GAP : factor], x[:, -1]
    )


def test_a_volume_shows_its_middle_slices():
    x = some("volume")
    picture = media.tiles(x, SPECS["volume"])
    factor = picture.shape[1] // 8
    np.testing.assert_array_equal(picture[:, : 6 * factor : factor, : 4 * factor : factor], x[:, 4])


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_videos_move_side_by_side_at_their_own_rate(suffix, tmp_path):
    with Image.open(written(tmp_path, "video", suffix, 2)) as film:
        assert film.n_frames == 4
        film.seek(1)
        second = np.asarray(film.convert("RGB"))
        assert film.info["duration"] == 200
    assert second.shape[1] > second.shape[0]
    if suffix != ".gif":  # which has 256 colours
        factor = second.shape[0] // 10
        np.testing.assert_array_equal(
            second[factor : 9 * factor : factor, factor : 9 * factor : factor], some("video", 2)[0, 1]
        )


def test_tokens_are_lines(tmp_path):
    lines = written(tmp_path, "tokens", ".txt").read_text().splitlines()
    words = SPECS["tokens"].words
    assert lines == [" ".join(words[i] for i in row if words[i]) for row in some("tokens")]
    letters = Spec((3,), medium="tokens", words=("", "C", "=", "\x1b"))
    assert media.find("tokens").files[".txt"](np.array([[1, 2, 0], [1, 3, 7]]), letters, 0) == b"C=\nC\\x1b7\n"


def test_a_series_is_a_table(tmp_path):
    head, *rows = written(tmp_path, "series", ".csv").read_text().splitlines()
    assert head == "series,time,x0,x1"
    values = np.array([[float(part) for part in row.split(",")] for row in rows], np.float32)
    np.testing.assert_array_equal(values[:, 2:], some("series").reshape(-1, 2))


def test_a_sound_is_heard_as_it_is(tmp_path):
    with wave.open(str(written(tmp_path, "sound", ".wav", 1))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        heard = np.frombuffer(file.readframes(4000), "<i2") / 32767
    np.testing.assert_allclose(heard, some("sound", 1)[0], atol=1 / 32767)


def test_notes_are_played(tmp_path):
    mido = pytest.importorskip("mido")
    file = mido.MidiFile(file=io.BytesIO(written(tmp_path, "notes", ".mid").read_bytes()))
    assert len(file.tracks) == 3
    pitches = [message.note for message in file.tracks[0] if message.type == "note_on"]
    np.testing.assert_array_equal(sorted(pitches), sorted(np.rint((some("notes")[0, :, 0] + 1) / 2 * 127)))


REFUSED = [
    ("tokens", ".gif", "samples of this recipe are sequences, not images; write them to .png, .npz or .txt"),
    ("video", ".wav", "samples of this recipe are videos, not images; write them to .png, .npz, .gif"),
    ("sound", ".txt", "samples of this recipe are sounds, not images; write them to .png, .npz or .wav"),
    ("image", ".gif", "an animation is of a walk, or of videos"),
    ("image", ".txt", "samples of this recipe are images; write them to .png or .npz"),
    ("vector", ".csv", "samples of this recipe are points, not images; write them to .png or .npz"),
]


@pytest.mark.parametrize(("name", "suffix", "message"), REFUSED)
def test_other_files_are_refused_with_those_that_there_are(name, suffix, message):
    spec = {**SPECS, "image": Spec((8, 8, 3)), "vector": Spec((2,))}[name]
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        writing.check_kind(Path(f"x{suffix}"), spec, walks=False)


def test_words_have_neither_features_nor_distances():
    with pytest.raises(InputError, match="neither a mean nor a distance"):
        list(equal_batches([some("tokens")]))
    with pytest.raises(InputError, match="sequences cannot be judged by features"):
        media.features_of(SPECS["tokens"], "digits", "[eval] ")
    assert media.features_of(SPECS["video"], "digits") == "points"
    assert media.features_of(Spec((8, 8, 1)), "digits") == "digits"
    assert mean_distance(some("tokens")) == 0
    assert mean_distance(some("sound")) > 0


def test_samples_of_python_are_shown_and_saved(tmp_path):
    samples = Samples(some("video"), SPECS["video"])
    assert repr(samples) == "<3 videos (4, 8, 8, 3) uint8>"
    assert samples[0].shape == (4, 8, 8, 3)
    assert len(samples.images) == 3
    assert samples.images[0].width > samples.images[0].height
    samples.save(tmp_path / "x.gif", fps=10)
    with Image.open(tmp_path / "x.gif") as film:
        assert film.info["duration"] == 100
    with pytest.raises(InputError, match="sequences"):
        Samples(some("tokens"), SPECS["tokens"]).save(tmp_path / "x.gif")


BAD_ARRAYS = [
    ("video", np.zeros((2, 8, 8, 3)), r"videos are arrays \[examples, frames, height, width, channels\]"),
    ("tokens", np.zeros((2, 3)), "sequences are arrays of whole numbers"),
    ("tokens", np.array([[-1, 2]]), "numbers of words from -1 to 2"),
    ("sound", np.full((2, 9), 3.0), "of sounds they are -1 to 1"),
    ("series", np.full((2, 3, 1), np.nan), "holds NaN"),
]


@pytest.mark.parametrize(("name", "array", "message"), BAD_ARRAYS)
def test_arrays_that_are_no_such_medium_are_refused(name, array, message, tmp_path):
    np.savez(tmp_path / "x.npz", x=array)
    with pytest.raises(InputError, match=message):
        npz(Store(), path=tmp_path / "x.npz", medium=name)
