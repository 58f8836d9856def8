"""Images from folders, zips and npz files, of every mode and size that users have, and how they are made alike."""

import gc
import io
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.data import images
from gan_cli.data import tree as tree_module
from gan_cli.data.folder import folder
from gan_cli.data.npz import npz
from gan_cli.data.picture import decode
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.errors import InputError

rng = np.random.default_rng(0)
COLOUR = rng.integers(0, 256, (6, 4, 3), np.uint8)  # 6 rows, 4 columns
GREY = COLOUR[..., 0]
ALPHA = np.dstack([COLOUR, np.where(np.arange(4) < 2, 255, 0).astype(np.uint8)[None].repeat(6, 0)])


@pytest.fixture(autouse=True)
def collect_leftovers():
    """A zip file that an error left behind is collected here, not in the middle of another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def notes():
    return []


@pytest.fixture
def store(tmp_path, notes):
    return Store(tmp_path, tmp_path / "cache", note=notes.append)


def refused(make, *words):
    """`make` raises InputError whose message holds all the words."""
    with pytest.raises(InputError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def file(picture, form="PNG", **options):
    buffer = io.BytesIO()
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def filled(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def everything(source):
    return source.load(np.arange(source.size))


def arrays(shape, n=3):
    return in_memory("arrays", rng.integers(0, 256, (n, *shape), np.uint8))


# one image file


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (file(GREY), GREY[..., None]),
        (file(COLOUR), COLOUR),
        (file(ALPHA), ALPHA),
        (file(Image.fromarray(GREY).convert("1", dither=0)), np.where(GREY >= 128, 255, 0)[..., None]),
        (file(GREY.astype(np.uint16) * 257), GREY[..., None]),
        (file(COLOUR, "TIFF"), COLOUR),
        (file(COLOUR, "BMP"), COLOUR),
        (file(GREY, "PPM"), GREY[..., None]),
    ],
    ids=["grey", "RGB", "RGBA", "1 bit", "16 bit", "TIFF", "BMP", "PGM"],
)
def test_modes_keep_their_values(content, expected):
    found = decode(content)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_palette_with_and_without_transparency():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 0])
    picture.putpixel((1, 0), 1)
    assert decode(file(picture)).tolist() == [[[10, 20, 30], [200, 100, 0]]]
    assert decode(file(picture, transparency=1)).tolist() == [[[10, 20, 30, 255], [200, 100, 0, 0]]]


def test_exif_orientation_is_applied(store, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    source = folder(store, path=filled(tmp_path / "photos", {"a.jpg": file(COLOUR, "JPEG", exif=exif)}))
    assert source.spec.shape == (4, 6, 3)
    assert everything(source)["x"].shape == (1, 4, 6, 3)


@pytest.mark.parametrize("form", ["TIFF", "PNG", "WEBP"])
def test_header_and_picture_agree_on_orientation(form, store, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = filled(tmp_path / form, {f"a.{form.lower()}": file(COLOUR, form, exif=exif, lossless=True)})
    source = folder(store, path=path)
    assert everything(source)["x"].shape[1:] == source.spec.shape == (4, 6, 3)
    np.testing.assert_array_equal(everything(source)["x"][0], np.rot90(COLOUR, -1))


def test_first_frame_stands_for_an_animation():
    frames = [Image.new("L", (2, 2), level) for level in (0, 255)]
    content = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(content) == 0).all()


# fit


def test_what_fits_is_not_touched():
    source = arrays((8, 8, 1))
    assert images.fit(source) is source
    assert images.fit(source, size=8, channels=1, resize="crop") is source


def test_smaller_images_are_padded_without_resampling():
    source = arrays((28, 28, 1))
    fitted = images.fit(source, size=32)
    x = everything(fitted)["x"]
    assert fitted.spec.shape == x.shape[1:] == (32, 32, 1)
    np.testing.assert_array_equal(x[:, 2:30, 2:30], everything(source)["x"])
    assert x.sum() == everything(source)["x"].sum(dtype=np.uint64)  # the rest is black
    one_by_one = np.stack([images.fit_one(image, (32, 32, 1), "pad") for image in everything(source)["x"]])
    np.testing.assert_array_equal(x, one_by_one)


def test_rules_for_images_that_are_not_square():
    half = np.zeros((40, 80, 1), np.uint8)
    half[:, 40:] = 200  # the right half
    padded, cropped, squashed = (images.fit_one(half, (20, 20, 1), rule)[..., 0] for rule in images.RULES)
    assert (padded[:5] == 0).all()
    assert (padded[15:] == 0).all()
    assert (padded[6:14, 13:] == 200).all()
    assert (cropped[:, 13:] == 200).all()
    assert (cropped[:, :7] == 0).all()
    assert (squashed[:, 13:] == 200).all()
    assert (squashed[:, :7] == 0).all()


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None]  # every other column
    shrunk = images.fit_one(stripes, (16, 16, 1), "squash")
    assert abs(shrunk[2:-2, 2:-2].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("rule", ["pad", "crop", "squash"])
@pytest.mark.parametrize("shape", [(1, 300, 3), (7, 5, 3), (33, 32, 3), (64, 64, 3)])
def test_any_shape_fits(rule, shape):
    assert everything(images.fit(arrays(shape), size=32, resize=rule))["x"].shape == (3, 32, 32, 3)


def test_channels():
    red = np.array([[[255, 0, 0]]], np.uint8)
    clear_red = np.array([[[255, 0, 0, 0]]], np.uint8)

    def fitted(image, channels):
        return everything(images.fit(in_memory("one", image[None]), channels=channels))["x"].ravel().tolist()

    assert fitted(red, 1) == [76]  # 0.299 * 255
    assert fitted(red, 4) == [255, 0, 0, 255]
    assert fitted(red[..., :1], 3) == [255, 255, 255]
    assert fitted(clear_red, 3) == [255, 255, 255]  # on white
    assert fitted(clear_red, 1) == [255]
    assert fitted(clear_red, 4) == [255, 0, 0, 0]


def test_fingerprint_tells_what_was_fitted():
    source = arrays((8, 8, 1))
    fits = [{}, {"size": 16}, {"size": 16, "resize": "squash"}, {"channels": 3}, {"size": 12}]
    assert len({images.fit(source, **options).fingerprint for options in fits}) == len(fits)
    assert images.fit(source, size=16).fingerprint == images.fit(source, size=16).fingerprint


def test_what_cannot_be_fitted():
    refused(lambda: images.fit(arrays((8, 8, 2)), size=16), "2 channels")
    refused(lambda: images.fit(in_memory("points", np.zeros((3, 2), np.float32)), size=16), "points")


# folders and zips

MIXED = {
    "10.png": file(COLOUR),
    "2.png": file(GREY),
    "deep/er/3.PNG": file(ALPHA),
    "wide.jpg": file(np.full((5, 9, 3), 90, np.uint8), "JPEG"),
    "16.png": file(GREY.astype(np.uint16) * 257),
    "notes.txt": b"no image",
    ".hidden/1.png": b"none",
    "__MACOSX/._2.png": b"none",
}


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"photos/{name}", content)
    return path


@pytest.fixture(params=["folder", "zip"])
def mixed(request, tmp_path):
    return zipped(tmp_path / "m.zip", MIXED) if request.param == "zip" else filled(tmp_path / "m", MIXED)


def test_mixed_images_in_natural_order(mixed, store):
    source = folder(store, path=mixed)
    assert source.size == 5
    x = everything(source)["x"]
    assert [image.shape for image in x] == [(6, 4, 1), (6, 4, 3), (6, 4, 1), (6, 4, 4), (5, 9, 3)]
    np.testing.assert_array_equal(x[0][..., 0], GREY)  # 2.png
    np.testing.assert_array_equal(x[1], COLOUR)  # 10.png
    refused(lambda: images.fit(source), "differ in size", "size = 64")
    fitted = images.fit(source, size=8)
    assert everything(fitted)["x"].shape == (5, 8, 8, 3)
    assert sorted(everything(fitted)) == ["x"]
    picked = fitted.load(np.array([3, 0, 3]))["x"]
    np.testing.assert_array_equal(picked, everything(fitted)["x"][[3, 0, 3]])


def test_zip_equals_folder_and_is_not_unpacked(tmp_path, store):
    there = filled(tmp_path / "m", MIXED)
    packed = zipped(tmp_path / "m.zip", MIXED)
    before = sorted(tmp_path.rglob("*"))
    from_folder, from_zip = (images.fit(folder(store, path=path), size=8) for path in (there, packed))
    np.testing.assert_array_equal(everything(from_folder)["x"], everything(from_zip)["x"])
    assert sorted(tmp_path.rglob("*")) == before


def test_alike_images_need_no_size(tmp_path, store):
    source = folder(store, path=filled(tmp_path / "same", {f"{i}.png": file(GREY) for i in range(3)}))
    assert source.spec.shape == (6, 4, 1)
    assert images.fit(source) is source
    assert everything(source)["x"].shape == (3, 6, 4, 1)


def test_labels_from_subfolders(tmp_path, store):
    files = {f"{name}/{i}.png": file(GREY) for name in ("class 10", "class 2") for i in range(2)}
    for path in (filled(tmp_path / "l", files), zipped(tmp_path / "l.zip", files)):
        source = folder(store, path=path, labels=True)
        assert source.spec.classes == ("class 2", "class 10")
        y = everything(source)["y"]
        assert (y.dtype, y.tolist()) == (np.int32, [0, 0, 1, 1])
    filled(tmp_path / "l", {"astray.png": file(GREY)})
    refused(lambda: folder(store, path=tmp_path / "l", labels=True), "astray.png", "no subfolder")


def test_path_below_the_data_folder(tmp_path, store):
    filled(tmp_path / "mine", {"1.png": file(GREY)})
    assert folder(store, path=Path("mine")).size == 1
    refused(lambda: folder(store, path=Path("others")), "'others'", "no such file or folder")


def test_nothing_to_read(tmp_path, store):
    refused(lambda: folder(store, path=filled(tmp_path / "e", {"a.txt": b""})), "no image", ".png")
    refused(lambda: folder(store, path=filled(tmp_path / "f", {"a.zip": b"PK no"}) / "a.zip"), "sound zip file")


TRUNCATED = file(rng.integers(0, 256, (64, 64, 3), np.uint8))[:6000]
BAD = {"empty.png": b"", "text.png": b"hello", "truncated.png": TRUNCATED, "truncated.jpg": file(COLOUR, "JPEG")[:300]}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_corrupt_file_is_named_or_skipped(name, form, tmp_path, store, notes):
    files = {"1.png": file(COLOUR), name: BAD[name], "z.png": file(GREY)}
    path = zipped(tmp_path / "c.zip", files) if form == "zip" else filled(tmp_path / "c", files)

    def read(on_corrupt):
        return everything(images.fit(folder(store, path=path, on_corrupt=on_corrupt), size=8))["x"]

    refused(lambda: read("fail"), str(path), name, 'on_corrupt = "skip"')
    assert notes == []
    x = read("skip")
    sound = [images.fit_one(image, (8, 8, 3), "pad") for image in (COLOUR, GREY[..., None])]
    np.testing.assert_array_equal(x[0], sound[0])
    np.testing.assert_array_equal(x[1:], [sound[1]] * (len(x) - 1))  # the next one takes its place
    assert len(notes) == 1
    assert name in notes[0]


def test_all_corrupt(tmp_path, store):
    path = filled(tmp_path / "c", {"1.png": TRUNCATED, "2.png": b"x"})
    refused(lambda: everything(folder(store, path=path, on_corrupt="skip")), "none of its 1 images")


def test_zip_member_with_a_wrong_checksum(tmp_path, store):
    path = tmp_path / "c.zip"
    content = file(COLOUR, compress_level=0)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", content)
    stored = bytearray(path.read_bytes())
    stored[stored.index(content) + len(content) - 3] ^= 1  # in IEND's checksum, which Pillow does not look at
    path.write_bytes(stored)
    refused(lambda: everything(folder(store, path=path)), "1.png", "Bad CRC-32")


def test_decompression_bombs(tmp_path, store, monkeypatch):
    monkeypatch.setattr(tree_module, "LARGEST", 1 << 20)
    header = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\xff\xff\0\0\xff\xff\x08\0\0\0\0")
    path = filled(tmp_path / "b", {"huge.png": header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")})
    refused(lambda: folder(store, path=path), "huge.png", "4,294,836,225 pixels")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes((1 << 20) + 1))
    refused(lambda: folder(store, path=tmp_path / "b.zip"), "1.png", f"unpacks to {(1 << 20) + 1} bytes")


def chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def test_folder_fingerprint_follows_names_and_content(tmp_path, store):
    path = filled(tmp_path / "p", {"1.png": file(GREY), "2.png": file(COLOUR)})
    first = folder(store, path=path).fingerprint
    assert folder(store, path=path.rename(tmp_path / "moved")).fingerprint == first
    filled(tmp_path / "moved", {"2.png": file(COLOUR[::-1])})
    changed = folder(store, path=tmp_path / "moved").fingerprint
    (tmp_path / "moved" / "2.png").rename(tmp_path / "moved" / "3.png")
    assert len({first, changed, folder(store, path=tmp_path / "moved").fingerprint}) == 3


# npz


def saved(path, **content):
    np.savez(path / "a.npz", **content)
    return path / "a.npz"


def test_npz_of_images_and_labels(tmp_path, store):
    x, y = rng.integers(0, 256, (5, 4, 6, 3), np.uint8), np.array([0, 2, 1, 1, 0])
    for names in (("x", "y"), ("arr_0", "arr_1")):
        source = npz(store, path=saved(tmp_path, **dict(zip(names, (x, y), strict=True))))
        assert source.spec.shape == (4, 6, 3)
        assert source.spec.classes == ("0", "1", "2")
        np.testing.assert_array_equal(everything(source)["x"], x)
        np.testing.assert_array_equal(everything(source)["y"], y)
    named = npz(store, path=saved(tmp_path, images=x[..., 0], kinds=y[:, None]), x="images", y="kinds")
    assert named.spec.shape == (4, 6, 1)
    assert npz(store, path=saved(tmp_path, x=x)).spec.classes == ()


def test_npz_of_floats(tmp_path, store):
    x = np.array([[[0.0, 0.5], [0.25, 1.0]]], np.float32)
    path = saved(tmp_path, x=x)
    assert everything(npz(store, path=path, values="0..1"))["x"].ravel().tolist() == [0, 128, 64, 255]
    assert everything(npz(store, path=path, values="-1..1"))["x"].ravel().tolist() == [128, 191, 159, 255]
    refused(lambda: npz(store, path=path), 'values = "0..1"')
    refused(lambda: npz(store, path=saved(tmp_path, x=x - 1), values="0..1"), "-1 to 0", "-1..1")
    vectors = npz(store, path=saved(tmp_path, x=rng.normal(size=(7, 3))))
    assert everything(vectors)["x"].dtype == np.float32
    assert vectors.spec.shape == (3,)


def test_npz_that_will_not_do(tmp_path, store):
    x = np.zeros((3, 4, 4), np.uint8)
    refused(lambda: npz(store, path=saved(tmp_path, z=x)), "no array 'x'", "one of z")
    refused(lambda: npz(store, path=saved(tmp_path, x=x[0, 0])), "uint8 [4]", "wanted")
    refused(lambda: npz(store, path=saved(tmp_path, x=x[:0])), "is empty")
    refused(lambda: npz(store, path=saved(tmp_path, x=np.full((2, 2), np.nan))), "NaN")
    refused(lambda: npz(store, path=saved(tmp_path, x=x, y=np.zeros(3))), "array 'y'", "whole numbers")
    refused(lambda: npz(store, path=saved(tmp_path, x=x, y=np.zeros(2, int))), "3 examples have labels of shape (2,)")
    refused(lambda: npz(store, path=saved(tmp_path, x=x, y=np.array([0, -1, 0]))), "labels run from -1")
    refused(lambda: npz(store, path=saved(tmp_path, x=np.array([None, {}]))), "cannot be read", "plain arrays")
    path = saved(tmp_path, x=x)
    path.write_bytes(path.read_bytes()[:-30])
    refused(lambda: npz(store, path=path), str(path), "npz")
    (tmp_path / "a.txt").write_text("text")
    refused(lambda: npz(store, path=tmp_path / "a.txt"), "not an .npz, .npy or IDX file", "savez")
