"""`gan apply --size native`: pictures of any size, depth and orientation, whole and by tiles."""

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_tables
from untrained import begin

from gan_cli.runs.load import load_run
from gan_cli.sampling import native
from gan_cli.sampling.native import AnySize

GREY = {"source": "digits", "split": "all", "size": 8, "channels": 1, "input_views": ["views.inverted"]}


def translator(tmp_path_factory, **generator):
    game = {"play": "pix2pix", "loss": "adversarial.non_saturating"}
    tables = tiny_tables(data=GREY, game=game, networks={"generator": generator})
    return begin(tmp_path_factory.mktemp("translator") / "run", tables, louder=6)  # so that something can be seen


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return translator(tmp_path_factory, net="translator.resnet", width=4, halvings=1, blocks=1, norm="none")


@pytest.fixture(scope="module")
def photo():
    """16 x 13 pixels of 16 bits, with structure and with more levels than 256."""
    y, x = np.mgrid[:13, :16]
    return np.uint16(65535 * (0.5 + 0.2 * np.sin(x / 2) + 0.25 * np.cos(y / 3)))


def test_pictures_keep_size_name_depth_and_are_upright(resnet, gan, tmp_path, photo):
    given, made = tmp_path / "given", tmp_path / "made"
    (given / "deep").mkdir(parents=True)
    small = np.uint8(np.round(photo / 257))
    grey = Image.fromarray(small)
    Image.fromarray(photo).save(given / "deep" / "sixteen.png")
    grey.save(given / "eight.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    grey.transpose(Image.Transpose.ROTATE_90).convert("RGB").save(given / "turned.jpg", quality=100, exif=exif)
    seen = grey.convert("RGBA")
    seen.putalpha(255)
    seen.putpixel((0, 0), (0, 0, 0, 0))
    seen.save(given / "seen through.webp", lossless=True)
    grey.putpixel((0, 0), 255)
    grey.save(given / "white corner.png")
    asked = ("apply", "--ckpt", resnet, "--size", "native", "--input", given)
    code, _, err = gan(*asked, "--out", made)
    assert code == 0, err
    assert "transparency, in 1 of 5 pictures, is composited on white" in err
    names = ["deep/sixteen.png", "eight.png", "seen through.png", "turned.png", "white corner.png"]
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*.png")) == names
    results = {name: np.asarray(Image.open(made / name)) for name in names}
    assert {image.shape for image in results.values()} == {(13, 16)}
    deep, eight, turned = (results[names[i]] for i in (0, 1, 3))
    assert (deep.dtype, eight.dtype) == (np.uint16, np.uint8)
    assert eight.std() > 5
    assert len(np.unique(deep % 257)) > 20  # more than 8 bits
    np.testing.assert_allclose(deep / 257, eight, atol=3)
    assert np.abs(turned.astype(int) - eight).mean() < 5  # JPEG's loss
    np.testing.assert_array_equal(results["seen through.png"], results["white corner.png"])

    code, _, err = gan(*asked[:-1], given / "eight.png", "--out", tmp_path / "one.png")
    assert code == 0, err
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "one.png")), eight)


def test_at_the_trained_size_it_is_what_it_always_was(resnet, gan, tmp_path, photo):
    Image.fromarray(np.uint8(photo[:8, :8] // 257)).save(tmp_path / "x.png")
    for i, more in enumerate(((), ("--size", "native"))):
        code, _, err = gan(
            "apply", "--ckpt", resnet, "--input", tmp_path / "x.png", "--out", tmp_path / f"{i}.png", *more
        )
        assert code == 0, err
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()


def test_sixteen_bits_are_not_cut_silently(resnet, gan, tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "x.png")
    code, _, err = gan("apply", "--ckpt", resnet, "--input", tmp_path / "x.png", "--out", tmp_path / "y.png")
    assert (code, "16 bits a colour, in 1 of 1 pictures, are read as 8" in err) == (0, True), err


def test_tiles_join_to_what_the_whole_would_be(resnet, monkeypatch):
    x = np.random.default_rng(0).uniform(-1, 1, (110, 70, 1)).astype(np.float32)
    loaded = load_run(resnet)
    tiled, whole = (AnySize(loaded, "translate", raw=False, tile=tile) for tile in (64, 128))
    seed = {"seed": np.zeros(1, np.uint32)}
    a, b = tiled(x, seed), whole(x, seed)
    assert a.shape == b.shape == x.shape
    assert np.abs(a - b)[12:-12, 12:-12].mean() < 0.1 * np.abs(b).mean()  # they differ where a tile ends in zeros
    monkeypatch.setattr(tiled, "_whole", lambda x, _: 2 * x)
    np.testing.assert_allclose(tiled(x, seed), 2 * x, rtol=1e-5)


@pytest.mark.parametrize(
    ("side", "tile", "starts"), [(20, 32, [0]), (32, 32, [0]), (33, 32, [0, 1]), (75, 32, [0, 22, 43])]
)
def test_tiles_cover_a_side_and_share_a_quarter(side, tile, starts):
    assert native._starts(side, tile) == starts


@pytest.mark.slow
def test_a_u_net_is_given_the_sides_that_it_can_halve(tmp_path_factory):
    loaded = load_run(translator(tmp_path_factory, net="translator.unet", width=4))  # 3 halvings, as many as can be
    networks = AnySize(loaded, "translate", raw=False, tile=64)
    assert networks(np.zeros((13, 15, 1), np.float32), {"seed": np.zeros(1, np.uint32)}).shape == (13, 15, 1)
    assert networks._fitted[13, 15] == (16, 24)  # 16 x 16 could be halved four times


def test_what_cannot_have_its_own_size_is_said(resnet, untrained, gan, tmp_path, tmp_path_factory, photo):
    folder = tmp_path / "in"
    folder.mkdir()
    rgb = np.repeat(np.uint8(photo // 257)[..., None], 3, axis=2)
    for name in ("a.png", "b.png"):
        Image.fromarray(rgb).save(folder / name)
    mlp = translator(tmp_path_factory, net="mlp", hidden=[4], output="tanh")
    for run, words, message in (
        (mlp, ("--input", folder), "takes pictures of 8 x 8 pixels alone"),
        (resnet, (), "--size native is for pictures at hand"),
        (resnet, ("--input", folder, "--out", tmp_path / "x.png"), "2 pictures of their own sizes go to a folder"),
        (resnet, ("--input", folder, "--out", tmp_path / "x.npz"), "pictures of their own sizes go to a folder"),
        (resnet, ("--input", "toy.ring"), "holds no pictures"),
    ):
        code, _, err = gan("apply", "--ckpt", run, "--size", "native", "--out", tmp_path / "new", *words)
        assert (code, message in err) == (2, True), err
    (folder / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    code, _, err = gan("apply", "--ckpt", resnet, "--size", "native", "--input", folder, "--out", tmp_path / "new")
    assert (code, "b.png cannot be read as an image" in err) == (2, True), err
