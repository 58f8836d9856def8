"""The Python API: `from gan_cli import load`."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import gan_cli
from gan_cli.errors import InputError


@pytest.fixture(scope="module")
def models(untrained):
    return {name: gan_cli.load(path) for name, path in untrained.items()}


def test_samples_are_those_of_the_command(gan, models, untrained, tmp_path):
    samples = models["plain"].sample(16, seed=3)
    code, _, err = gan("sample", "--ckpt", untrained["plain"], "--n", 16, "--seed", 3, "--out", tmp_path / "x.npz")
    assert code == 0, err
    with np.load(tmp_path / "x.npz") as file:
        np.testing.assert_array_equal(samples.arrays, file["arr_0"])
    assert samples.arrays.shape == (16, 8, 8, 1)
    assert samples.arrays.dtype == np.uint8
    assert repr(samples) == "<16 images (8, 8, 1) uint8>"


@pytest.mark.parametrize("n", [1, 3, 70])  # a program of one, of four, and two calls of one of 64
def test_sample_i_does_not_depend_on_n(models, n):
    many, few = models["plain"].sample(70, seed=1), models["plain"].sample(n, seed=1)
    assert np.abs(many.arrays[:n].astype(int) - few.arrays).max() <= 1  # programs of other sizes may round differently


def test_a_seed_each(models):
    by_seeds = models["plain"].sample(seeds=[5, 7, 5]).arrays
    np.testing.assert_array_equal(by_seeds[0], by_seeds[2])
    assert (by_seeds[0] != by_seeds[1]).any()


def test_images_and_arrays_are_the_same(models):
    samples = models["plain"].sample(5)
    assert len(samples) == len(samples.images) == 5
    for array, image, item in zip(samples.arrays, samples.images, samples, strict=True):
        np.testing.assert_array_equal(array[..., 0], np.asarray(image))
        assert item is image
    np.testing.assert_array_equal(np.asarray(samples), samples.arrays)
    np.testing.assert_array_equal(samples[1:3].arrays, samples.arrays[1:3])
    assert samples[-1] is samples.images[-1]


def test_a_notebook_shows_the_grid(models):
    samples = models["plain"].sample(4)
    with Image.open(io.BytesIO(samples._repr_png_())) as shown:
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(samples.grid()))


def test_classes_by_number_and_by_name_one_or_one_each(models):
    model = models["classes"]
    assert model.classes == tuple("0123456789")
    one = model.sample(4, label="7")
    assert one.labels.tolist() == [7] * 4
    each = model.sample(4, label=[7, 1, np.int64(2), "7"])
    assert each.labels.tolist() == [7, 1, 2, 7]
    np.testing.assert_array_equal(one.arrays[[0, 3]], each.arrays[[0, 3]])
    assert len(set(model.sample(64).labels.tolist())) > 4  # as in training where nobody says which
    assert models["plain"].sample(2).labels is None
    assert models["plain"].classes == ()


def test_codes(models):
    model = models["codes"]
    assert list(model.controls) == ["c0", "c1", "c2"]
    inputs = model.put(model.latents(3), codes={"c0": 2, "c1": [-1.5, 0, 0.25]})
    assert inputs["c0"].tolist() == [2, 2, 2]
    assert inputs["c1"].tolist() == [-1.5, 0, 0.25]
    drawn = model.sample(3, codes={"c0": 2, "c1": [-1.5, 0, 0.25]})
    np.testing.assert_array_equal(model.draw(inputs).arrays, drawn.arrays)


def test_a_walk_ends_where_it_should(models):
    model = models["plain"]
    ends = model.latents(2, seed=4)
    way = model.interpolate(ends, 5)
    assert way["z"].shape == (5, 6)
    np.testing.assert_allclose(way["z"][[0, -1]], ends["z"], rtol=1e-6)
    lengths = np.linalg.norm(way["z"], axis=1)  # spherical: no shorter than a straight line's
    straight = np.linalg.norm(model.interpolate(ends, 5, path="linear")["z"], axis=1)
    assert (lengths[1:-1] > straight[1:-1]).all()


def test_truncation(models):
    assert np.abs(models["plain"].latents(100, truncation=0.5)["z"]).max() <= 0.5
    with pytest.raises(InputError, match="not normal"):
        models["codes"].sample(1, truncation=0.5)  # its prior is uniform


def test_points(models):
    points = models["points"].sample(100)
    assert points.arrays.shape == (100, 2)
    assert points.arrays.dtype == np.float32
    np.testing.assert_array_equal(points[3], points.arrays[3])
    assert points.grid().size == (480, 480)
    with pytest.raises(InputError, match="points, not images"):
        _ = points.images


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "n = 0: at least 1"),
        ({"seed": -1}, "seed -1: seeds are whole numbers from 0"),
        ({"seeds": [0.5]}, "seed 0.5: seeds are whole numbers from 0"),
        ({"truncation": -1.0}, "at least 0.01"),
        ({"truncation": float("nan")}, "at least 0.01"),
        ({"seeds": []}, "at least one"),
        ({"label": "10"}, "label = '10': there is no class 10: class has 0 to 9"),
        ({"label": [1, 2], "n": 3}, "label: 2 values for 3 samples"),
        ({"label": 2.5}, "label = 2.5"),
        ({"codes": {"clas": 1}}, "no 'clas'; did you mean 'class'"),
    ],
)
def test_what_cannot_be_asked_for(models, wrong, message):
    with pytest.raises(InputError, match=message):
        models["classes"].sample(**wrong)


def test_a_code_is_a_number(models):
    for value in ("0:1:3", "much", float("nan"), 1e300):
        with pytest.raises(InputError, match=r"c1 = .*is a number"):
            models["codes"].sample(codes={"c1": value})


def test_no_run(tmp_path):
    with pytest.raises(InputError, match="no such run"):
        gan_cli.load(tmp_path / "nowhere")


def test_importing_the_package_is_quick():
    code = "import sys, gan_cli; print('jax' in sys.modules); gan_cli.load; print('jax' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = gan_cli.lod


def test_a_file_of_weights(gan, models, untrained, tmp_path):
    file = tmp_path / "plain.safetensors"
    code, _, err = gan("export", "--ckpt", untrained["plain"], "--format", "safetensors", "--out", file)
    assert code == 0, err
    np.testing.assert_array_equal(gan_cli.load(file).sample(5).arrays, models["plain"].sample(5).arrays)
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        gan_cli.load(tmp_path / "none.safetensors")
    for options in ({"raw": True}, {"at": 7}):
        with pytest.raises(InputError, match="of one kind"):
            gan_cli.load(file, **options)
