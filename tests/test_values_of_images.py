"""What the values in image files mean: bits, levels and alpha that are not what they seem; and what is no matter."""

import io
import json
import struct
import zlib

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny import RUN

from gan_cli.binding import validate_part
from gan_cli.data import images, picture
from gan_cli.data.picture import decode, opened, shape_of
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.datasets import SOURCE, load_source
from gan_cli.errors import InputError
from gan_cli.metrics.collect import composited

rng = np.random.default_rng(0)
COLOUR = rng.integers(0, 256, (16, 16, 3), np.uint8)
OPAQUE = np.dstack([COLOUR, np.full((16, 16), 255, np.uint8)])
CLEAR = OPAQUE.copy()
CLEAR[3, 3, 3] = 254
TWELVE = rng.integers(0, 4096, (16, 16)).astype(np.uint16)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, tmp_path / "cache", note=lambda _: None)


def file(pixels, form="PNG", **options):
    buffer = io.BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path, store):
    """The source of a folder with these files."""

    def made(*contents, suffix="png", **options):
        where = tmp_path / "images"
        where.mkdir(exist_ok=True)
        for i, content in enumerate(contents):
            (where / f"{i}.{suffix}").write_bytes(content)
        return load_source(validate_part(SOURCE, {"source": "folder", "path": str(where), **options}), store)

    return made


def everything(source):
    return source.load(np.arange(source.size))["x"]


# levels


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_sixteen_are_told_of_and_read(read, bits):
    white = 2**bits - 1
    x = rng.integers(0, white + 1, (16, 16)).astype(np.uint16)
    x[0, :2] = 0, white
    (remark,) = read(file(x)).remarks
    assert f"{round(white / 257) + 1} of 256 levels are left" in remark
    assert f'values = "0..{white}"' in remark
    stretched = read(file(x), values=f"0..{white}")
    assert stretched.remarks == ()
    np.testing.assert_array_equal(everything(stretched)[0, ..., 0], np.round(x * (255 / white)))
    assert stretched.fingerprint != read(file(x)).fingerprint


def test_masks_of_zeros_and_ones(read):
    bits = rng.integers(0, 2, (16, 16), np.uint8)
    assert 'if 1 is white, set [data] values = "0..1"' in read(file(bits)).remarks[0]
    np.testing.assert_array_equal(everything(read(file(bits), values="0..1"))[0, ..., 0], bits * 255)
    assert read(file(Image.fromarray(bits > 0))).remarks == ()  # 1 bit is black and white


def test_colours_of_sixteen_bits_keep_only_eight(read):
    rows = b"".join(b"\0" + rng.integers(0, 4096, (16, 3)).astype(">u2").tobytes() for _ in range(16))
    content = picture.SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0))
    content += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert "of 16 bits a colour only the upper 8 are read" in read(content).remarks[0]
    with pytest.raises(ValueError, match="16 bits a colour, of which only 8"):
        decode(content, "0..4095")


@pytest.mark.parametrize(
    ("x", "values"),
    [
        (rng.random((16, 16)).astype(np.float32), "0..1"),
        (rng.integers(0, 99_999, (16, 16)).astype(np.int32), "0..100000"),
    ],
)
def test_numbers_of_a_tiff_that_say_nothing_of_black_and_white(read, x, values):
    content = file(x, "TIFF")
    with pytest.raises(InputError, match=r"set.*values = "):
        everything(read(content, suffix="tif"))
    found = everything(read(content, suffix="tif", values=values))[0, ..., 0]
    np.testing.assert_array_equal(found, np.round(x * (255 / float(values[3:]))))


def test_values_beyond_are_refused_and_alpha_has_none(read):
    with pytest.raises(InputError, match=r'0\.png: it has values from .* beyond "0\.\.200"; set .* "0\.\.255"'):
        everything(read(file(COLOUR), values="0..200"))
    half = (CLEAR // (2, 2, 2, 1)).astype(np.uint8)
    found = decode(file(half), "0..127")
    np.testing.assert_array_equal(found[..., 3], CLEAR[..., 3])
    assert found[..., :3].max() == 255


# alpha


def test_alpha_that_is_opaque_everywhere_is_no_channel(read):
    source = read(file(OPAQUE), file(OPAQUE))
    assert source.spec.shape == (16, 16, 3)
    assert "opaque in all images" in source.remarks[0]
    np.testing.assert_array_equal(everything(source)[0], COLOUR)
    kept = read(channels=4)
    assert kept.spec.shape == (16, 16, 4)
    np.testing.assert_array_equal(everything(kept)[0], OPAQUE)
    clear = read(file(OPAQUE), file(OPAQUE), file(CLEAR))
    assert (clear.spec.shape, clear.remarks) == ((16, 16, 4), ())


def test_alpha_is_looked_for_in_every_image_and_array(read):
    many = np.repeat(OPAQUE[None], 200, axis=0)
    assert images.fit(in_memory("a", many)).spec.shape == (16, 16, 3)
    many[-1] = CLEAR
    assert images.fit(in_memory("a", many)).spec.shape == (16, 16, 4)
    ragged = read(file(OPAQUE), file(OPAQUE[:9]), size=8)
    assert ragged.spec.shape == (8, 8, 3)


def test_compositing_is_pillows():
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    x = np.stack([colour, colour, 255 - colour, alpha], -1).astype(np.uint8)
    expected = np.asarray(images.convert(Image.fromarray(x), 3))
    np.testing.assert_array_equal(composited(jnp.asarray(x[None]))[0], expected)
    np.testing.assert_array_equal(composited(jnp.asarray(x[None] / 127.5 - 1))[0], expected)


def test_data_check_tells_opaque_from_transparent(gan, tmp_path, read):
    read(file(OPAQUE), file(COLOUR), file(OPAQUE))
    (tmp_path / "d.toml").write_text(f'[data]\nsource = "folder"\npath = "{tmp_path / "images"}"\n')
    report = json.loads(gan("data", "check", tmp_path / "d.toml", "--json")[1])
    assert report["files"]["transparent"] == 0
    read(file(OPAQUE), file(OPAQUE), file(CLEAR))
    report = json.loads(gan("data", "check", tmp_path / "d.toml", "--json")[1])
    assert (report["files"]["transparent"], report["shape"]) == (1, [16, 16, 4])


@pytest.mark.slow
def test_a_run_of_transparent_images_is_judged_on_white(gan, tmp_path, read):
    """And one that learned an opaque alpha, before such was left out, is resumed and judged as it was."""
    read(*[file(np.roll(OPAQUE[:8, :8], i, axis=0)) for i in range(60)])
    table = f'source = "folder"\npath = "{tmp_path / "images"}"'
    text = RUN.replace('source = "digits"', table).replace('split = "all"\n', "").replace("channels = 1\n", "")
    (tmp_path / "r.toml").write_text(text)
    few = ["--set", "train.steps=2", "--set", "train.batch=8", "--set", "eval.every=0"]
    code, _, err = gan("train", tmp_path / "r.toml", "--out", tmp_path / "run", *few, "--set", "data.channels=4")
    assert code == 0, err
    judged = ["eval", "--ckpt", tmp_path / "run", "--metric", "kid", "--n", "60", "--json"]
    code, out, err = gan(*judged)
    assert code == 0, err
    assert json.loads(out)["protocol"]["resize"].startswith("transparency composited on white")
    code, _, err = gan("train", tmp_path / "r.toml", "--out", tmp_path / "run", *few)
    assert code == 2
    assert "--set data.channels=4" in err


# what is no matter


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


LONG = zlib.compress(bytes(4 << 20))
OTHERS = {
    "packed text": chunk(b"zTXt", b"workflow\0\0" + LONG),
    "international text": chunk(b"iTXt", b"prompt\0\1\0\0\0" + LONG),
    "much text": b"".join(chunk(b"tEXt", b"t%d\0" % i + bytes(4 << 20)) for i in range(17)),
    "profile": chunk(b"iCCP", b"p\0\0" + LONG),
    "damaged gamma": chunk(b"gAMA", b"x"),
    "damaged EXIF": chunk(b"eXIf", b"garbage"),
    "unknown": chunk(b"prVt", b"x"),
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_what_a_png_holds_besides_its_picture_is_not_looked_at(what, place):
    sound = file(COLOUR)
    at = 33 if place == "before" else len(sound) - 12
    content = sound[:at] + OTHERS[what] + sound[at:]
    np.testing.assert_array_equal(decode(content), COLOUR)
    with opened(io.BytesIO(content)) as found:
        assert shape_of(found) == (16, 16, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "MPO", "GIF", "WEBP"])
def test_what_follows_an_image_is_no_matter(form):
    more = {"save_all": True, "append_images": [Image.new("RGB", (16, 16))]} if form == "MPO" else {}
    content = file(COLOUR, form, **more)
    np.testing.assert_array_equal(decode(content + b"\0\0\0\x18ftypmp42" * 99), decode(content))


def test_exif_that_cannot_be_read_turns_nothing():
    content = file(COLOUR, "JPEG")
    damaged = content[:2] + b"\xff\xe1\x00\x20Exif\0\0" + b"garbage!" * 3 + content[2:]
    np.testing.assert_array_equal(decode(damaged), decode(content))


def test_a_cameras_photo_is_read_at_half_its_sides(monkeypatch):
    content = file(np.asarray(Image.fromarray(COLOUR[:2, :2]).resize((41, 31))), "JPEG", quality=95)
    whole = decode(content)
    monkeypatch.setattr(picture, "PIXELS", 41 * 31 - 1)
    half = decode(content)
    assert half.shape == (16, 21, 3)
    with opened(io.BytesIO(content)) as found:
        assert shape_of(found) == half.shape
    assert abs(np.asarray(Image.fromarray(whole).resize((21, 16))).astype(int) - half).mean() < 4
    monkeypatch.setattr(picture, "PIXELS", 300)
    with pytest.raises(ValueError, match="41 x 31 pixels, and at most 300"):
        decode(content)
    with pytest.raises(ValueError, match="mogrify"):
        decode(file(np.zeros((31, 41), np.uint8)))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"", "empty"),
        (b"hello", "no image"),
        (picture.SIGNATURE + b"xxxx", "damaged"),
    ],
)
def test_what_is_not_read_is_named(content, name):
    with pytest.raises(ValueError, match=f"it is .*{name}.*, and PNG, JPEG, .* are read"):
        decode(content)


def test_a_refusal_at_reading_says_how_it_is_mended(gan, tmp_path, read):
    read(*[file(COLOUR)] * 60, file(COLOUR)[:400])
    code, _, err = gan("eval", "--fake", tmp_path / "images", "--metric", "class-coverage", "--features", "digits")
    assert code == 2
    assert 'on_corrupt = "skip" }' in " ".join(err.split())
    (tmp_path / "own.toml").write_text(" ".join(err.split()).partition("with the line ")[2])
    code, _, err = gan("eval", "--fake", tmp_path / "own.toml", "--metric", "class-coverage")
    assert code == 0, err


# through which network


def test_a_network_made_for_other_images_is_warned_of(gan, tmp_path):
    colour = rng.integers(0, 256, (90, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "colour.npz", colour)
    np.savez(tmp_path / "grey.npz", colour[..., 0])
    np.savez(tmp_path / "other.npz", x=colour[..., 0], y=np.arange(90) % 3)
    for name, said in (("colour", "RGB"), ("other", "grey, of the classes 0, 1, 2")):
        code, _, err = gan("eval", "--fake", tmp_path / f"{name}.npz", "--metric", "class-coverage")
        assert code == 0, err
        assert f"made for grey images of handwritten digits, and these images are {said}" in " ".join(err.split())
        assert all(name in err for name in ("photos", "inception"))
        assert "pixels" in err
    quiet = [(tmp_path / "grey.npz", "digits"), (tmp_path / "colour.npz", "pixels"), ("digits", "digits")]
    for fake, network in quiet:
        options = ["--real", fake, "--metric", "mmd", "--features", network]
        assert "was made for" not in gan("eval", "--fake", fake, *options)[2]
    large = rng.integers(0, 256, (90, 72, 72, 3), np.uint8)
    np.savez(tmp_path / "large.npz", large)
    err = gan("features", "statistics", tmp_path / "large.npz", "--out", tmp_path / "s.npz", "--features", "digits")[2]
    assert "was made for" in err
    assert "pixels" not in err  # too many of them for a covariance
