"""What the numbers in a file mean: black and white, levels, axes and labels that are not what they seem."""

import json
import struct

import numpy as np
import pytest

from gan_cli.binding import validate_part
from gan_cli.data.npz import npz
from gan_cli.data.store import Store
from gan_cli.data.values import guess
from gan_cli.datasets import SOURCE, load_source
from gan_cli.errors import InputError

rng = np.random.default_rng(0)
BITS = rng.integers(0, 2, (9, 8, 8))
BYTES = rng.integers(0, 256, (9, 8, 8), np.uint8)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, tmp_path / "cache", note=lambda _: None)


@pytest.fixture
def read(tmp_path, store):
    """The source of arrays in an .npz file."""

    def made(x, y=None, **options):
        np.savez(tmp_path / "a.npz", x=x, **({} if y is None else {"y": y}))
        return npz(store, path=tmp_path / "a.npz", **options)

    return made


def everything(source):
    return source.load(np.arange(source.size))["x"]


def test_bool_is_black_and_white(read):
    for values in ("0..255", "0..1"):
        np.testing.assert_array_equal(everything(read(BITS > 0, values=values))[..., 0], BITS * 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16])
def test_zeros_and_ones_are_refused_with_what_makes_them_black_and_white(read, dtype):
    with pytest.raises(InputError, match=r'set \[data\] values = "0..1"'):
        read(BITS.astype(dtype))
    np.testing.assert_array_equal(everything(read(BITS.astype(dtype), values="0..1"))[..., 0], BITS * 255)


@pytest.mark.parametrize(
    ("x", "likely"),
    [
        (BYTES.astype(">u2") * 257, "0..65535"),
        (BYTES.astype(int) * 16, "0..4095"),
        ((BYTES.astype(int) - 128).astype(np.int8), "-128..127"),
        (BYTES / 255 - 0.5, "-0.5..0.5"),
        (BYTES / 127.5 - 1, "-1..1"),
        ((BYTES - 127.5) / 40, "-3.19..3.19"),
        (BYTES.astype(np.int16) * 16 - 1024, "-1024..3056"),
    ],
)
def test_other_ranges_are_refused_with_one_that_is_taken(read, x, likely):
    with pytest.raises(InputError, match=f'values = "{likely}" it seems'):
        read(x)
    found = everything(read(x, values=likely))
    assert abs(found[..., 0].astype(int) - BYTES).max() <= 1


def test_few_levels_are_told_of(read):
    levels = rng.integers(0, 17, (9, 8, 8)).astype(float)  # as in scikit-learn's digits
    (remark,) = read(levels).remarks
    assert "17 of 256 levels are left" in remark
    assert 'values = "0..16"' in remark
    assert everything(read(levels, values="0..16")).max() == 255
    assert read(levels, values="0..16").remarks == ()
    assert "no value below 0" in read(BYTES / 255, values="-1..1").remarks[0]
    assert "of one grey" in read(np.full((9, 8, 8), 7)).remarks[0]
    assert read(BYTES).remarks == ()


def test_a_negative_is_read_as_such(read):
    np.testing.assert_array_equal(everything(read(BYTES, values="255..0"))[..., 0], 255 - BYTES)


@pytest.mark.parametrize("values", ["", "0", "0..", "0..0", "a..b", "0..nan", "0..inf", "0...5..", "1..2..3"])
def test_a_range_is_two_numbers(values):
    with pytest.raises(InputError, match="two numbers with two dots between"):
        validate_part(SOURCE, {"source": "npz", "path": "a.npz", "values": values})


@pytest.mark.parametrize("ends", [(-3.14159, 2.5), (0.0, 1e300), (-1e-7, 5e-8), (-70_000.5, 3.0), (-5.0, -5.0)])
def test_what_is_guessed_holds_the_values(ends):
    low, high = map(float, guess(*ends).split(".."))
    assert low <= ends[0] <= ends[1] <= high


@pytest.mark.parametrize("shape", [(9, 3, 16, 16), (9, 1, 28, 28), (9, 4, 8, 9)])
def test_channels_first_is_said_and_turned(read, shape):
    x = rng.integers(0, 256, shape, np.uint8)
    with pytest.raises(InputError, match=r"channels first.*x\.transpose\(0, 2, 3, 1\)"):
        read(x)
    assert read(x.transpose(0, 2, 3, 1)).spec.shape == (*shape[2:], shape[1])


def test_axes_that_may_be_others(read):
    with pytest.raises(InputError, match=r"one image, \[H, W, C\]; x\[None\]"):
        read(rng.integers(0, 256, (64, 48, 3), np.uint8))
    assert "unless it is one image" in read(rng.integers(0, 256, (3, 64, 48), np.uint8)).remarks[0]
    assert read(rng.integers(0, 256, (9, 3, 3, 3), np.uint8)).remarks == ()
    assert "x.reshape(-1, 28, 28)" in read(rng.integers(0, 256, (9, 784), np.uint8)).remarks[0]
    assert "x.reshape(-1, 32, 32, 3)" in read(rng.random((9, 3072))).remarks[0]
    assert read(rng.normal(size=(9, 784))).remarks == ()
    with pytest.raises(InputError, match=r"int64 \[5\] \(labels\?\)"):
        read(np.arange(5))


@pytest.mark.parametrize(
    ("y", "mend"),
    [
        (np.eye(9), "y.argmax"),
        (np.arange(9.0) % 3, "y.astype"),
        (np.array(list("abcabcabc")), "numpy.unique"),
        (np.int64(3), "of shape"),
    ],
)
def test_labels_of_another_form(read, y, mend):
    with pytest.raises(InputError, match=mend):
        read(BYTES, y)


def test_labels_that_leave_classes_empty_are_told_of(read):
    (remark,) = read(BYTES, np.arange(9) % 3 + 1).remarks
    assert "1 of the 4 classes, 0 to 3, have no example; y - 1" in remark
    assert "numpy.unique" in read(BYTES, np.arange(9) * 2).remarks[0]
    assert read(BYTES, np.arange(9) % 2 > 0).spec.classes == ("0", "1")


def test_one_array_in_a_file_is_read_wherever_an_npz_is(gan, tmp_path, store):
    np.save(tmp_path / "a.npy", BYTES)
    (tmp_path / "b-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", *BYTES.shape) + BYTES.tobytes())
    np.savez(tmp_path / "c.npz", BYTES)
    fids = []
    for name in ("a.npy", "b-idx3-ubyte", "c.npz"):
        np.testing.assert_array_equal(everything(npz(store, path=tmp_path / name))[..., 0], BYTES)
        options = ["--metric", "mmd", "--features", "pixels", "--json"]
        code, out, err = gan("eval", "--fake", tmp_path / name, "--real", "digits", *options)
        assert code == 0, err
        fids.append(json.loads(out)["mmd"])
    assert len(set(fids)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([None, {}]), "Python objects"),
        (np.zeros(3, [("a", "i4")]), "no plain numbers"),
        (BYTES * 1j, "complex128"),
    ],
)
def test_an_npy_file_of_no_plain_numbers(tmp_path, store, content, message):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(InputError, match=message):
        npz(store, path=tmp_path / "a.npy")


def test_a_damaged_npy_file(tmp_path, store):
    np.save(tmp_path / "a.npy", BYTES)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(InputError, match="its header promises 704 bytes, and 703 are there"):
        npz(store, path=tmp_path / "a.npy")


def test_what_an_option_mends_is_said_so_that_it_leads_there(gan, tmp_path, store):
    """The line that a refusal names, in a .toml file in place of the images: they are read."""
    for name in ("a b.npz", 'quote".npz'):
        np.savez(tmp_path / name, BITS)
        code, _, err = gan("eval", "--fake", tmp_path / name, "--metric", "class-coverage")
        assert code == 2
        line = " ".join(err.split()).partition("with the line ")[2]
        (tmp_path / "own.toml").write_text(line)
        code, _, err = gan("eval", "--fake", tmp_path / "own.toml", "--metric", "class-coverage")
        assert code == 0, err
    table = {"source": "npz", "path": str(tmp_path / "a b.npz"), "values": "0..1"}
    assert everything(load_source(validate_part(SOURCE, table), store)).max() == 255
