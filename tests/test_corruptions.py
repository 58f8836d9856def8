"""Known harm, exactly; and how the demonstration counts what metrics notice of it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_cli.binding import validate_part
from gan_cli.data.digits import digits
from gan_cli.data.store import Store
from gan_cli.engine import platform
from gan_cli.errors import InputError
from gan_cli.lab import Demonstration, save_figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "studies"))

import corruptions
import harm
import response
from response import Data, Found, Responses, Row
from response_figures import PICTURES


@pytest.fixture(scope="module", autouse=True)
def _compiled_once(compilation_cache):
    platform.start()


@pytest.fixture
def rng():
    return harm.stream(0)


def some_images(n=40, side=8):
    return np.random.default_rng(1).integers(0, 256, (n, side, side, 1), dtype=np.uint8)


def stock(n=20):
    """Images that are told by their first pixel; those of training have 200 and more there."""
    images, training = np.zeros((100, 4, 4, 1), np.uint8), np.zeros((30, 4, 4, 1), np.uint8)
    images[:, 0, 0, 0], training[:, 0, 0, 0] = np.arange(100), np.arange(200, 230)
    return harm.Stock(images, np.arange(100) % 10, n, training, np.arange(30) % 10)


def number(images):
    return images[:, 0, 0, 0].astype(int)


def test_the_names_of_the_option_are_those_of_the_harms():
    assert list(corruptions.Name.__args__) == list(harm.HARMS)


@pytest.mark.parametrize("name", harm.HARMS)
def test_harm_leaves_number_and_shape_and_does_not_touch_the_images(name):
    images = some_images(60, 28)
    given = harm.Stock(images, np.arange(60) % 10, 12, some_images(30, 28), np.arange(30) % 10)
    before = images.copy()
    for degree in harm.HARMS[name].degrees:
        fakes = harm.HARMS[name].apply(given, degree, harm.stream(1))
        again = harm.HARMS[name].apply(given, degree, harm.stream(1))
        assert fakes.shape == (12, 28, 28, 1)
        assert fakes.dtype == np.uint8
        assert np.array_equal(fakes, again)
    assert np.array_equal(images, before)
    assert len(harm.HARMS[name].degrees) == 3


def test_a_blurred_point_is_a_gaussian():
    point = np.zeros((1, 21, 21, 1), np.uint8)
    point[0, 10, 10] = 255
    weights = np.exp(-0.5 * np.arange(-10, 11) ** 2)
    weights /= weights.sum()
    np.testing.assert_allclose(harm.blur(point, 1.0)[0, :, :, 0], 255 * np.outer(weights, weights), atol=0.6)


def test_pixel_noise_has_its_deviation_and_is_cut_off(rng):
    grey = np.full((50, 20, 20, 1), 128, np.uint8)
    noise = harm.pixel_noise(grey, 20, rng).astype(float) - 128
    assert noise.std() == pytest.approx(20, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.5)
    black = harm.pixel_noise(np.zeros_like(grey), 20, rng)
    assert np.mean(black == 0) == pytest.approx(0.51, abs=0.01)  # half of the normals, and those that round to 0


def test_salt_and_pepper_changes_exactly_its_share_of_each_image(rng):
    grey = np.full((200, 10, 10, 1), 128, np.uint8)
    harmed = harm.salt_and_pepper(grey, 0.03, rng)
    assert ((harmed != 128).sum(axis=(1, 2, 3)) == 3).all()
    assert set(np.unique(harmed)) == {0, 128, 255}
    assert (harmed == 255).sum() == pytest.approx(300, abs=50)


def test_a_block_is_black_square_and_anywhere_within(rng):
    white = np.full((300, 6, 8, 1), 255, np.uint8)
    black = harm.block(white, 5, rng)[..., 0] == 0
    assert (black.sum(axis=(1, 2)) == 25).all()
    assert set(black.any(axis=2).argmax(axis=1)) == {0, 1}
    assert set(black.any(axis=1).argmax(axis=1)) == {0, 1, 2, 3}


@pytest.mark.parametrize("keep", [1, 3, 10])
def test_so_many_classes_are_left(rng, keep):
    given = stock(n=10)
    found = number(harm.keep_classes(given, keep, rng))
    assert len(set(found % 10)) == keep
    assert len(set(found)) == 10  # no image comes twice
    with pytest.raises(InputError, match="set n lower"):
        harm.keep_classes(given._replace(n=11), 1, rng)


def test_each_image_comes_so_often():
    found = number(harm.duplicate(stock().unharmed, 5))
    assert np.array_equal(np.bincount(found), [5, 5, 5, 5])
    assert len(set(number(harm.duplicate(stock().unharmed, 3)))) == 7


@pytest.mark.parametrize(("name", "share"), [("copies", 0.3), ("noise_images", 0.05), ("copies", 1.0)])
def test_exactly_the_share_is_mixed_in(rng, name, share):
    given = stock()
    found = harm.HARMS[name].apply(given, share, rng)
    foreign = ~(found == given.unharmed).all(axis=(1, 2, 3))
    assert foreign.sum() == 20 * share
    if name == "copies":
        assert len(set(number(found[foreign]))) == foreign.sum()
        assert (number(found[foreign]) >= 200).all()


def test_generated_images_have_the_mean_and_covariance_of_each_class(rng):
    one = rng.normal(100, 10, (60, 9)) @ (np.eye(9) + 0.1)
    training = np.concatenate([one, np.full((20, 9), 30.0)]).round().astype(np.uint8).reshape(80, 3, 3, 1)
    labels = np.repeat([0, 1], [60, 20])
    made = harm.generated(training, labels, 40000, rng).reshape(40000, 9).astype(float)
    second = (made == 30).all(axis=1)  # a class without variance is its mean
    assert second.mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(made[~second].mean(axis=0), training[:60].reshape(60, 9).mean(axis=0), atol=0.5)
    np.testing.assert_allclose(np.cov(made[~second].T), np.cov(training[:60].reshape(60, 9).T), atol=8)


def test_shifts_are_whole_pixels_in_every_direction_and_lose_what_leaves(rng):
    point = np.zeros((400, 5, 5, 1), np.uint8)
    point[:, 2, 2] = 9
    moved = harm.shift(point, 2, rng)[..., 0]
    assert (moved.sum(axis=(1, 2)) == 9).all()
    assert set(moved.reshape(400, 25).argmax(axis=1)) == set(range(25))
    corner = np.zeros((400, 5, 5, 1), np.uint8)
    corner[:, 0, 0] = 9
    assert harm.shift(corner, 1, rng).any(axis=(1, 2, 3)).mean() == pytest.approx(4 / 9, abs=0.08)


def test_turning_keeps_the_middle_and_the_ink():
    bump = np.exp(-0.5 * (np.arange(-10, 11) / np.array([[1.5], [3.0]])) ** 2)
    image = (200 * np.outer(*bump)).round().astype(np.uint8)[None, ..., None]
    turned = harm.rotate(np.repeat(image, 30, axis=0), 45, harm.stream(0)).astype(float)
    assert turned[:, 10, 10] == pytest.approx(200, abs=2)
    np.testing.assert_allclose(turned.sum(axis=(1, 2, 3)), image.sum(), rtol=0.03)
    assert np.ptp(turned, axis=0).max() > 50
    assert np.array_equal(harm.rotate(image, 0, harm.stream(0)), image)


def responses(harmed):
    """A value that is better the lower and one that is better the higher; unharmed draws 1, 2, 3 of both."""
    rows = (Row("digits", "low", 1), Row("digits", "high", -1))
    unharmed = np.repeat([[1.0], [2.0], [3.0]], 2, axis=1)
    return Responses(rows, unharmed, {"x": np.array(harmed, float)})


def test_z_is_in_spreads_and_positive_where_it_is_worse():
    found = responses([[[2, 2], [2, 2]], [[5, 5], [7, 7]]])
    assert found.z("x").tolist() == [[0, 0], [4, -4]]


def test_told_is_worse_than_every_unharmed_draw():
    found = responses([[[3, 1], [4, 0]], [[3.5, 0.5], [4, 0.5]], [[9, 9], [9, 9]]])
    assert found.told("x").tolist() == [[False, False], [True, True], [True, False]]
    assert found.told("x", better=True).tolist() == [[False, False], [False, False], [False, True]]
    assert found.first("x").tolist() == [2, 4]  # degrees from 1; the second is not told at the strongest


def test_a_value_that_never_varies_has_the_largest_z_or_none():
    rows = (Row("digits", "a", -1),)
    found = Responses(rows, np.full((3, 1), 10.0), {"x": np.array([[[10.0]], [[9.0]]])})
    assert found.z("x").tolist() == [[0], [response.CAP]]
    assert found.told("x").tolist() == [[False], [True]]


def test_least_is_the_first_place_from_which_all_are_true():
    told = np.array([[True, False, False, True], [False, True, False, True], [True, True, False, True]])
    assert response.least(told).tolist() == [2, 1, 3, 0]


def test_reference_and_fakes_have_no_image_in_common():
    data = Data(some_images(30), np.arange(30), some_images(5), np.arange(5))
    reference, drawn = response.draw(data, 10, 0, 0)
    assert sorted([*reference, *drawn.labels]) == list(range(30))
    with pytest.raises(InputError, match="set n lower"):
        response.draw(data, 11, 0, 0)


@pytest.fixture(scope="module")
def measured() -> Found:
    """Scikit-learn's digits, few of them."""
    data = response.load(digits(Store(), split="test"), digits(Store(), split="train"), (899, 300))
    names = ("noise", "fewer_classes", "copies")
    harms = {name: harm.HARMS[name]._replace(degrees=harm.HARMS[name].degrees[1:]) for name in names}
    return response.measure(data, harms, 110, 3, 1, (12,), lambda message: None)


@pytest.mark.slow
def test_strong_harm_is_told_and_each_metric_is_there_or_says_why_not(measured):
    found = measured.responses
    rows = [row.name for row in found.rows]
    present = {row.name for row in found.rows if row.key in sum(response.METRICS.values(), ())}
    wanted = {f"{lens} {name}" for lens, names in response.METRICS.items() for name in names}
    assert present | set(measured.refused) == wanted
    assert not present & set(measured.refused)
    told = found.told("noise")[-1]
    assert all(told[rows.index(f"digits {name}")] for name in ("fid", "kid", "mmd", "one-nn", "precision-recall"))
    assert found.told("fewer_classes")[-1, rows.index("digits class-coverage")]
    for lens in ("digits", "pixels"):
        i = rows.index(f"{lens} memorisation")
        assert found.harmed["copies"][:, 0, i] == pytest.approx([0.3, 1], abs=0.08)  # the share of copies
        assert found.harmed["copies"][-1, 0, i] == 1
    assert np.isfinite(found.unharmed).all()
    assert measured.power["digits one-nn"].shape == (1,)
    assert "digits memorisation" not in measured.power


@pytest.mark.parametrize("picture", PICTURES)
def test_text_values_and_figures(measured, tmp_path, picture):
    values, text = corruptions._values(measured), corruptions._text(measured)
    assert values["digits_class_coverage_fewer_classes_z"] == response.CAP
    assert f">{response.CAP:g}*" in text
    assert "not taken through pixels parzen: parzen needs 1002" in text
    json.dumps(values, allow_nan=False)
    drawing, size = PICTURES[picture]
    save_figure(tmp_path / "x.png", Demonstration(text, values, lambda figure: drawing(figure, measured), size))
    assert (tmp_path / "x.png").stat().st_size > 20_000


def test_the_study_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(corruptions, "mnist", lambda store, split="train": digits(store, split=split))
    options = ("n=12", "draws=1", "unharmed=2", "sizes=[10, 12]", "held_out=500", "training=300", 'only=["duplicates"]')
    given = [part for option in options for part in ("--set", option)]
    monkeypatch.setattr(sys, "argv", ["corruptions.py", *given, "--out", str(tmp_path / "x.png")])
    assert corruptions.main() == 0
    assert "pixels one-nn" in capsys.readouterr().out
    assert json.loads((tmp_path / "x.json").read_text())["values"]["digits_one_nn_duplicates_first"] >= 1


def test_bad_options_and_missing_data_are_refused(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="of which there are 2"):
        corruptions.corruptions(print, draws=3, unharmed=2)
    with pytest.raises(InputError, match="blur"):
        validate_part(corruptions.STUDY, {"study": "corruptions", "only": ["blurr"]})
    monkeypatch.setenv("GAN_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match="GAN_DATA_DIR"):
        corruptions.corruptions(print)
