"""`gan sample` beyond a grid: classes and codes, walks, latent arithmetic, and the nearest training images."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli import features
from gan_cli.data.npz import npz
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.errors import InputError
from gan_cli.metrics.collect import extract
from gan_cli.pictures import grids, labelled
from gan_cli.pictures.grids import PAPER
from gan_cli.pictures.labelled import Block
from gan_cli.runs.load import load_run
from gan_cli.sampling import arithmetic, controls, neighbours, walk, writing
from gan_cli.sampling.latents import painter
from gan_cli.sampling.options import parse_controls, parse_terms, sample_options
from gan_cli.sampling.request import Conditions, Request, check_request
from gan_cli.types import Control, Spec


@pytest.fixture(scope="module")
def runs(untrained) -> dict[str, Path]:
    """Runs before their first step: what is asked here does not depend on what was learnt."""
    return untrained


@pytest.fixture
def draw(gan, tmp_path):
    """`gan sample` into an archive: its arrays, and what --json reports."""

    def call(run: Path, *options) -> tuple[dict[str, np.ndarray], dict]:
        code, out, err = gan("sample", "--ckpt", run, "--out", tmp_path / "x.npz", "--json", *options)
        assert code == 0, err
        with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
            return dict(file), json.loads(out)

    return call


CONTROLS = {
    "class": Control(4, ("cat", "2", "a-b, c", "dog")),
    "c0": Control(12),
    "c1": Control(low=-2.0, high=2.0),
}


def values(classes=None, *codes):
    return [setting.values.tolist() for setting in controls.resolve(parse_controls(classes, codes), CONTROLS)]


def test_classes_and_codes_are_read_by_name_and_by_number():
    assert values("dog,cat,0") == [[3, 0, 0]]
    assert values("2") == [[1]]  # a name wins over a number
    assert values("1-3") == [[1, 1, 3]]  # short for 1,2,3, of which 2 is a name
    assert values("a-b, c") == [[2]]
    assert values("all", "c0=8-11,2", "c1=0.5") == [[0, 1, 2, 3], [8, 9, 10, 11, 2], [0.5]]
    assert values(None, "c1=-1:1:5") == [[-1, -0.5, 0, 0.5, 1]]
    labels = [setting.labels for setting in controls.resolve(parse_controls("3,0", ["c1=1:2:3"]), CONTROLS)]
    assert labels == [("dog", "cat"), ("1", "1.5", "2")]


def test_a_thousand_names_do_not_fill_the_screen():
    known = {"class": Control(1000, tuple(f"kind {i}" for i in range(1000)))}
    with pytest.raises(InputError, match="there is no class 'zebra'; there are 1,000, 'kind 0' to 'kind 999'"):
        controls.resolve(parse_controls("zebra", []), known)
    with pytest.raises(InputError, match="did you mean 'kind 99'"):
        controls.resolve(parse_controls("kid 99", []), known)


def test_a_request_is_said_in_options():
    walked = Conditions(0.5, parse_controls("3", ["c1=-2:2:9"]))
    said = sample_options(Request([3, 1], conditions=(walked,), raw=True, steps=4, path="linear"))
    assert said == [
        *["--raw", "--seeds", "3,1", "--interpolate", "4", "--path", "linear"],
        *["--truncation", "0.5", "--class=3", "--code", "c1=-2:2:9"],
    ]
    terms = parse_terms("0,1 - 2 + class:7")
    said = sample_options(Request(seed=2, n=3, terms=terms))
    assert said == ["--arithmetic", "0,1 - 2 + class:7", "--n", "3", "--seed", "2"]
    assert sample_options(Request(range(5, 9))) == ["--seeds", "5-8"]
    assert sample_options(Request([1, 2], conditions=(walked, Conditions()))) is None
    assert sample_options(Request([1, 2], steps=4, at=2)) is None


def test_conditions_are_one_for_all_samples_or_one_for_each():
    check_request(Request(range(3), conditions=(Conditions(0.5), Conditions(), Conditions(2.0))))
    check_request(Request(terms=parse_terms("0,1 - 2"), conditions=(Conditions(0.5), Conditions(), Conditions(2.0))))
    for request in (Request(n=3), Request(range(3)), Request(terms=parse_terms("0,1 - 2")), Request()):
        with pytest.raises(InputError, match=r"2 conditions for (3|None) samples: one for all, or one for each"):
            check_request(request._replace(conditions=(Conditions(), Conditions(0.5))))


def test_a_column_is_the_same_latent_under_each_class(runs, draw):
    arrays, report = draw(runs["classes"], "--class", "2,0,9", "--seeds", "5,3,8,1")
    assert arrays["arr_0"].shape == (12, 8, 8, 1)
    assert arrays["arr_1"].tolist() == [2] * 4 + [0] * 4 + [9] * 4
    assert arrays["arr_1"].dtype.kind == "i"
    assert report["n"] == 12
    loaded = load_run(runs["classes"])
    z = sampler.draw(loaded.experiment, [5, 3, 8, 1])["z"]
    inputs = {"z": np.concatenate([z] * 3), "class": np.repeat(np.int32([2, 0, 9]), 4)}
    np.testing.assert_array_equal(arrays["arr_0"], painter(loaded, raw=False, batch=12)(inputs))
    assert len(draw(runs["classes"], "--class", "3")[0]["arr_0"]) == 8
    assert len(draw(runs["classes"], "--class", "all", "--n", 2)[0]["arr_0"]) == 20


def test_labels_go_into_the_archive_without_being_asked_for(runs, draw, tmp_path):
    arrays, _ = draw(runs["classes"], "--n", 40)
    loaded = load_run(runs["classes"])
    assert len(set(arrays["arr_1"].tolist())) > 4
    one = int(arrays["arr_1"][7])
    again, _ = draw(runs["classes"], "--n", 8, "--class", one)
    np.testing.assert_array_equal(arrays["arr_0"][7], again["arr_0"][7])
    source = npz(Store(), path=tmp_path / "x.npz")  # written by the last call
    assert source.load(np.arange(8))["y"].tolist() == [one] * 8
    assert "arr_1" not in draw(runs["plain"], "--n", 2)[0]
    assert loaded.experiment.game.controls["class"].names == tuple("0123456789")


def test_files_in_a_folder_name_the_class(gan, runs, tmp_path):
    assert gan("sample", "--ckpt", runs["classes"], "--class", "7,1", "--n", 2, "--out", tmp_path / "new")[0] == 0
    names = ["000000-7.png", "000001-7.png", "000002-1.png", "000003-1.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    odd = ["zebra", "1", "../a b/c", "💥", "Käfer", "x" * 300]
    expected = ["0-zebra", "1", "2-a_b_c", "3", "4-Käfer", f"5-{'x' * 40}"]
    assert [writing.file_part(i, odd) for i in range(6)] == expected


def test_codes_sweep_and_the_rest_stays(runs, draw):
    arrays, _ = draw(runs["codes"], "--code", "c1=-2:2:3", "--n", 2)  # a row a latent
    loaded = load_run(runs["codes"])
    paint = painter(loaded, raw=False, batch=16)
    plain = sampler.draw(loaded.experiment, [4, 9])
    seeds, _ = draw(runs["codes"], "--code", "c1=-2:2:3", "--seeds", "4,9")
    repeated = {name: np.repeat(x, 3, axis=0) for name, x in plain.items()}
    wanted = paint({**repeated, "c1": np.tile(np.float32([-2, 0, 2]), 2)})
    np.testing.assert_array_equal(seeds["arr_0"], wanted)
    assert arrays["arr_0"].shape == seeds["arr_0"].shape
    both, _ = draw(runs["codes"], "--code", "c2=-1:1:2", "--code", "c0=all", "--code", "c1=0.5", "--seeds", "4,9")
    repeated = {name: np.repeat(x, 8, axis=0) for name, x in plain.items()}
    chosen = {"c2": np.tile(np.repeat(np.float32([-1, 1]), 4), 2), "c0": np.tile(np.arange(4, dtype=np.int32), 4)}
    wanted = paint({**repeated, **chosen, "c1": np.full(16, 0.5, np.float32)})
    np.testing.assert_array_equal(both["arr_0"], wanted)  # a block a latent, c2 in rows, c0 in columns


def test_labelled_tiles_are_where_they_belong():
    images = np.arange(1, 7, dtype=np.uint8)[:, None, None, None] * np.full((1, 32, 32, 3), 40, np.uint8)
    sheet = (Block(np.array([[0, 1, 2], [3, 4, -1]]), ["cat", "dog"], ["a", "b", "c"], title="rows: class"),)
    picture = np.asarray(labelled.draw_sheet(images, sheet))
    pitch = 96 + labelled.GAP
    rows, columns = (picture.shape[i] - labelled.GAP - 48 - pitch * np.arange(n)[::-1] for i, n in ((0, 2), (1, 3)))
    assert picture[rows][:, columns, 0].tolist() == [[40, 80, 120], [160, 200, PAPER]]
    margin = picture[:, : columns[0] - 48]
    assert (margin[rows[0] - 10 : rows[0] + 10] > PAPER).any()  # a label in each row, and a title
    assert (margin[rows[1] - 10 : rows[1] + 10] > PAPER).any()
    assert (margin[: labelled.LINE] > PAPER).any()
    bare = np.asarray(labelled.draw_sheet(images, (sheet[0]._replace(rows=(), heads=(), title=""),)))
    assert bare.shape == (2 * pitch + labelled.GAP, 3 * pitch + labelled.GAP, 3)
    captioned = labelled.draw_sheet(images, (sheet[0]._replace(captions=[["1.23"] * 3] * 2),))
    assert captioned.height == picture.shape[0] + 2 * labelled.LINE


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_text_too_long_is_shortened_and_stays_inside(channels):
    images = np.zeros((1, 30, 30, channels), np.uint8)
    long = ["a very long name of a class " * 3]
    picture = labelled.draw_sheet(images, (Block(np.array([[0]]), long, long, [long], long[0]),))
    edges = np.asarray(picture.convert("L"))
    assert (edges[:, [0, -1]] == PAPER).all()
    assert (edges[[0, -1]] == PAPER).all()
    assert picture.width < 600
    assert labelled.shortened("zebra", 100) == "zebra"
    assert labelled.shortened("a\nb", 100) == "a b"
    assert labelled.shortened("Käfer " * 10, 90).endswith("…")
    assert labelled.shortened("zebra", 2) == ""


def test_pictures_have_a_row_a_class(gan, runs, tmp_path):
    sizes = []
    for classes in ("1,2", "1,2,3"):
        code, _, err = gan(
            "sample", "--ckpt", runs["classes"], "--class", classes, "--n", 3, "--out", tmp_path / "x.png"
        )
        assert code == 0, err
        with Image.open(tmp_path / "x.png") as picture:
            sizes.append(picture.size)
    assert sizes[0][0] == sizes[1][0] > 3 * 100
    assert sizes[1][1] - sizes[0][1] == 100
    assert (
        gan("sample", "--ckpt", runs["codes"], "--code", "c0=all", "--code", "c1=-1:1:2", "--out", tmp_path / "x.png")[
            0
        ]
        == 0
    )
    with Image.open(tmp_path / "x.png") as picture:  # one latent
        assert picture.height == 4 * 100 + 4 + 2 * labelled.LINE


def test_slerp_is_the_closed_form():
    a, b = np.array([[1.0, 0, 0]]), np.array([[0, 2.0, 0]])
    t = np.array([0.3])
    expected = [[math.cos(0.3 * math.pi / 2), 2 * math.sin(0.3 * math.pi / 2), 0]]  # the angle is a right one
    np.testing.assert_allclose(walk.slerp(a, b, t), expected, rtol=1e-12)
    rng = np.random.default_rng(0)
    a, b, t = rng.normal(size=(50, 8)), rng.normal(size=(50, 8)), rng.uniform(size=50)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    between = walk.slerp(a, b, t)
    np.testing.assert_allclose(np.linalg.norm(between, axis=1), 1, rtol=1e-9)  # stays on the sphere
    angle = np.arccos((a * b).sum(axis=1))
    np.testing.assert_allclose(np.arccos((a * between).sum(axis=1)), t * angle, rtol=1e-6)
    np.testing.assert_array_equal(walk.slerp(a, b, np.ones(50)), b)
    np.testing.assert_array_equal(walk.slerp(a, b, np.zeros(50)), a)


@pytest.mark.parametrize("b", [[2.0, 4.0], [1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
def test_slerp_of_parallel_vectors_is_a_straight_line(b):
    a, b = np.array([[1.0, 2.0]]), np.array([b])
    np.testing.assert_allclose(walk.slerp(a, b, np.array([0.25])), 0.75 * a + 0.25 * b, rtol=1e-12)


def test_a_walk_goes_through_every_sample():
    inputs = {
        "z": np.float32([[1, 0], [0, 1], [3, 0]]),
        "c1": np.float32([0, 1, 3]),
        "c0": np.int32([2, 0, 1]),
        "seed": np.uint32([7, 8, 9]),
    }
    there = walk.between(inputs, ["c1"], 3, "spherical", closed=False)
    np.testing.assert_allclose(there["c1"], [0, 0.5, 1, 2, 3])
    np.testing.assert_array_equal(there["z"][[0, 2, 4]], inputs["z"])
    np.testing.assert_allclose(there["z"][1], [0.5**0.5, 0.5**0.5], rtol=1e-6)
    assert (there["c0"] == 2).all()
    assert (there["seed"] == 7).all()
    assert {name: x.dtype for name, x in there.items()} == {name: x.dtype for name, x in inputs.items()}
    back = walk.between(inputs, ["c1"], 3, "linear", closed=True)
    np.testing.assert_allclose(back["c1"], [0, 0.5, 1, 2, 3, 1.5])
    np.testing.assert_allclose(back["z"][[1, 5]], [[0.5, 0.5], [2, 0]])


def test_walks_into_an_archive_and_a_picture(gan, runs, draw, tmp_path):
    options = ["--interpolate", 4, "--seeds", "3,1,2", "--class", 5]
    arrays, _ = draw(runs["classes"], *options)
    assert arrays["arr_0"].shape == (7, 8, 8, 1)
    assert arrays["arr_1"].tolist() == [5] * 7
    ends, _ = draw(runs["classes"], "--seeds", "3,1,2", "--class", 5)
    np.testing.assert_array_equal(arrays["arr_0"][[0, 3, 6]], ends["arr_0"])
    straight, _ = draw(runs["classes"], *options, "--path", "linear")
    assert not np.array_equal(arrays["arr_0"], straight["arr_0"])
    uniform = ["--interpolate", 4, "--seeds", "3,1,2", "--code", "c0=1"]  # prior: straight unless told otherwise
    lines = [draw(runs["codes"], *uniform, *path)[0]["arr_0"] for path in ([], ["--path", "linear"])]
    np.testing.assert_array_equal(*lines)
    assert gan("sample", "--ckpt", runs["classes"], *options, "--out", tmp_path / "x.png")[0] == 0
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.height == 2 * 100 + 4 + 2 * labelled.LINE  # two pairs, a title, and heads
    many, report = draw(runs["classes"], "--interpolate", 3, "--n", 2, "--class", "4,6")
    assert many["arr_1"].tolist() == [4] * 3 + [6] * 3
    free, report = draw(runs["classes"], "--interpolate", 3, "--n", 3)
    assert set(free["arr_1"].tolist()) == {report["class"]}  # the first one's, all along


@pytest.mark.parametrize("suffix", ["gif", "webp", "apng"])
def test_animations_go_round(gan, runs, draw, tmp_path, suffix):
    out = tmp_path / f"x.{suffix}"
    options = ["--interpolate", 4, "--seeds", "3,1,2", "--class", 5]
    code, _, err = gan("sample", "--ckpt", runs["classes"], *options, "--out", out, "--fps", 10)
    assert code == 0, err
    walked, _ = draw(runs["classes"], *options)
    with Image.open(out) as animation:
        assert animation.n_frames == 9
        assert animation.info["loop"] == 0
        frames = []
        for i in range(9):
            animation.seek(i)
            animation.load()
            assert animation.info["duration"] == 100
            frames.append(np.asarray(animation.convert("L")))
    assert frames[0].shape == (192, 192)
    np.testing.assert_array_equal(np.stack(frames[:7])[:, ::24, ::24], walked["arr_0"][..., 0])


def test_an_animation_of_several_classes_shows_them_side_by_side(gan, runs, tmp_path):
    out = tmp_path / "x.gif"
    assert (
        gan("sample", "--ckpt", runs["classes"], "--interpolate", 3, "--n", 2, "--class", "1,2", "--out", out)[0] == 0
    )
    with Image.open(out) as animation:
        assert animation.size == (2 * 9 * 12 + 12, 9 * 12 + 12)
        assert animation.n_frames == 4


@pytest.mark.parametrize("suffix", ["gif", "webp", "apng"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_every_kind_move(tmp_path, suffix, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 6, 4, channels), np.uint8)
    images[..., 3:] = 255
    (tmp_path / f"x.{suffix}").write_bytes(grids.animation(images, 20, f".{suffix}"))
    with Image.open(tmp_path / f"x.{suffix}") as moving:
        assert moving.n_frames == 5
        assert moving.size == (4 * 32, 6 * 32)


def test_arithmetic_is_that_of_means():
    drawn = {
        "z": np.float32([[1, 2], [3, 4], [5, 6], [7, 9]]),
        "c1": np.float32([1, 0, 2, 4]),
        "c0": np.int32([3, 1, 0, 2]),
    }
    terms = parse_terms("0,1 - 2 + 7")
    assert [(term.sign, term.seeds) for term in terms] == [(1, (0, 1)), (-1, (2,)), (1, (7,))]
    made = arithmetic.combine(drawn, terms, ["c1"], seed=0)
    assert len(made["z"]) == 4 + 3 + 1 + 8
    np.testing.assert_array_equal(made["z"][:4], drawn["z"])
    np.testing.assert_allclose(made["z"][4:8], [[2, 3], [5, 6], [7, 9], [2 - 5 + 7, 3 - 6 + 9]])
    np.testing.assert_allclose(made["c1"][4:8], [0.5, 2, 4, 0.5 - 2 + 4])
    np.testing.assert_allclose(made["c1"][8:], 2.5)
    noise = made["z"][8:] - made["z"][7]
    assert 0.15 < np.abs(noise).max() <= 0.25 + 1e-6
    assert len(np.unique(noise)) == 16
    assert (made["c0"] == 3).all()
    np.testing.assert_array_equal(made["z"], arithmetic.combine(drawn, terms, ["c1"], seed=0)["z"])
    assert (made["z"] != arithmetic.combine(drawn, terms, ["c1"], seed=1)["z"])[8:].all()


def test_arithmetic_of_seeds(gan, runs, draw, tmp_path):
    sums = ["--arithmetic", "0,4 - 2 + 6-8", "--class", 3]
    arrays, report = draw(runs["classes"], *sums)
    assert [term["seeds"] for term in report["terms"]] == [[0, 4], [2], [6, 7, 8]]
    loaded = load_run(runs["classes"])
    z = sampler.draw(loaded.experiment, [0, 4, 2, 6, 7, 8])["z"].astype(np.float64)
    result = z[:2].mean(0) - z[2] + z[3:].mean(0)
    made = painter(loaded, raw=False, batch=1)({"z": result[None].astype(np.float32), "class": np.int32([3])})
    assert np.abs(arrays["arr_0"][0].astype(int) - made[0]).max() <= 1
    assert arrays["arr_0"].shape == (9, 8, 8, 1)
    assert arrays["arr_1"].tolist() == [3] * 9
    assert gan("sample", "--ckpt", runs["classes"], *sums, "--out", tmp_path / "x.png")[0] == 0
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.height == 4 * 100 + 8 + 3 * labelled.LINE  # 3 terms and the result
        assert picture.width > 9 * 100
    free, report = draw(runs["classes"], "--arithmetic", "4 - 2")
    assert set(free["arr_1"].tolist()) == {report["class"]}
    assert report["class"] == sampler.draw(loaded.experiment, [4])["class"][0]


def test_arithmetic_of_classes_takes_the_first_samples_that_the_classifier_knows(gan, runs, draw, tmp_path):
    samples = draw(runs["plain"], "--seeds", "0-999")[0]["arr_0"]
    digits = features.find_network("digits")
    told = np.concatenate([out["logits"] for out in extract(digits, [samples])]).argmax(axis=1)
    common = int(np.bincount(told).argmax())
    arrays, report = draw(runs["plain"], "--arithmetic", f"class:{common} - 3", "--n", 4)
    assert report["terms"][0]["seeds"] == np.flatnonzero(told == common)[:4].tolist()
    assert len(arrays["arr_0"]) == 9
    rare = int(np.bincount(told, minlength=10).argmin())
    code, _, err = gan(
        "sample", "--ckpt", runs["plain"], "--arithmetic", f"class:{rare}", "--n", 999, "--out", tmp_path / "new.png"
    )
    assert code == 2
    assert f"takes {(told == rare).sum()} for it, and 999 are wanted" in err
    assert not (tmp_path / "new.png").exists()


IMAGE = Spec((8, 8, 1))


def test_arithmetic_needs_a_classifier_that_knows_the_class():
    terms = parse_terms("class:7 + 3")
    with pytest.raises(InputError, match="knows no classes"):
        arithmetic.classifier("pixels", terms, IMAGE)
    with pytest.raises(InputError, match="knows no such class"):
        arithmetic.classifier("digits", parse_terms("class:zebra"), IMAGE)
    assert arithmetic.classifier("digits", terms, IMAGE).name == "digits"
    with pytest.raises(InputError, match="class:7 is found by a feature network of images"):
        arithmetic.classifier("digits", terms, IMAGE._replace(shape=(4, 8, 8, 1), medium="video"))


def brute(queries: np.ndarray, known: np.ndarray) -> np.ndarray:
    """All distances [q, n], in float64."""
    a, b = (x.reshape(len(x), -1) / 255.0 for x in (queries, known))
    return np.linalg.norm(a[:, None] - b[None], axis=2)


@pytest.mark.parametrize("rows", [1000, 13])
def test_neighbours_are_those_of_brute_force_in_any_number_of_chunks(monkeypatch, rows):
    monkeypatch.setattr(neighbours, "CHUNK_BYTES", 4 * 12 * rows)
    rng = np.random.default_rng(0)
    known = rng.integers(0, 256, (50, 2, 2, 3), np.uint8)
    known[31] = known[3]  # a duplicate is a neighbour, at distance 0
    samples = rng.integers(0, 256, (20, 2, 2, 3), np.uint8)
    samples[4] = known[17]
    found = neighbours.search(in_memory("x", known), samples, 3)
    distances = brute(samples, known)
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.take_along_axis(distances, found.indices, axis=1), found.distances, rtol=1e-5, atol=1e-6
    )
    assert found.indices[4, 0] == 17
    among = brute(known, known) + np.diag([np.inf] * 50)
    everyone = neighbours.search(in_memory("x", known), known, 1).of_training
    np.testing.assert_allclose(np.sort(everyone), np.sort(among.min(axis=1)), rtol=1e-5, atol=1e-6)


def test_neighbours_of_samples(gan, runs, draw, tmp_path):
    options = ["--neighbours", 3, "--class", "1,2", "--n", 2]
    arrays, report = draw(runs["classes"], *options)
    assert arrays["arr_0"].shape == (4, 8, 8, 1)
    assert arrays["neighbours"].tolist() == report["neighbours"]
    np.testing.assert_allclose(arrays["distances"], report["distances"], atol=1e-5)
    assert report["mean_distance"] == pytest.approx(arrays["distances"][:, 0].mean())
    assert report["mean_distance_of_training_images"] > 0
    code, out, err = gan("sample", "--ckpt", runs["classes"], *options, "--out", tmp_path / "x.png")
    assert code == 0, err
    assert f"nearest training image {report['mean_distance']:.4g}" in out
    assert "comparing with 1,797 images" in err
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.height == 4 * (100 + labelled.LINE) + 4 + labelled.LINE
        assert np.asarray(picture)[:, -52].max() > PAPER


def test_points_are_seen_in_panels_with_the_same_axes(gan, runs, draw, tmp_path):
    code, _, err = gan(
        "sample", "--ckpt", runs["points"], "--code", "branch=all", "--n", 30, "--out", tmp_path / "x.png"
    )
    assert code == 0, err
    with Image.open(tmp_path / "x.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[1] == 3 * (192 + 4) + 4
    assert [(pixels[24:216, 4 + 196 * i : 196 + 196 * i] == 0).any() for i in range(3)] == [True] * 3
    arrays, _ = draw(runs["points"], "--code", "branch=2", "--interpolate", 5, "--n", 3)
    assert arrays["arr_0"].shape == (9, 2)
    assert gan("sample", "--ckpt", runs["points"], "--interpolate", 5, "--out", tmp_path / "x.png")[0] == 0


REFUSED = [
    ("classes", ["--class", "10"], "there is no class 10: class has 0 to 9"),
    ("classes", ["--class", "tiger"], "--class tiger: there is no class 'tiger'; valid: 0, 1"),
    ("classes", ["--class", ""], "--class : there is no class ''"),
    ("classes", ["--class", "3-1"], "'3-1' is not an ascending range"),
    ("plain", ["--class", "3"], "this model has neither classes nor codes"),
    ("codes", ["--class", "3"], "this model has no classes; it has --code c0, c1, c2"),
    ("codes", ["--code", "c11=3"], "--code c11=3: this model has no 'c11'; did you mean 'c1'?"),
    ("codes", ["--code", "c0"], "expected NAME=VALUES"),
    ("codes", ["--code", "c0=4"], "there is no category 4: c0 has 0 to 3"),
    ("codes", ["--code", "c0=-1:1:3"], "'-1:1:3' is no category; right: a number or a name"),
    ("codes", ["--code", "c1=x"], "c1 is a number, and 'x' is none; right: a number, 0.5, or a sweep from:to:count"),
    ("codes", ["--code", "c1=0:1"], "right: a number, 0.5, or a sweep"),
    ("codes", ["--code", "c1=nan"], "right: a number, 0.5, or a sweep"),
    ("codes", ["--code", "c1=0:1:1"], "a sweep takes 2 to 1,000 values, not 1"),
    ("codes", ["--code", "c1=0:1:99999999999"], "a sweep takes 2 to 1,000 values"),
    ("codes", ["--code", "c1=1", "--code", "c1=2"], "c1 is set twice"),
    (
        "codes",
        ["--code", "c0=all", "--code", "c1=0:1:3", "--code", "c2=0:1:3"],
        "a picture has rows and columns, for two",
    ),
    ("codes", ["--code", "c1=0:1:1000", "--code", "c2=0:1:1000"], "1 x 1,000 x 1,000 = 1,000,000 samples"),
    ("codes", ["--code", "c1=0:1:1000"], "the picture would be 100,004 x 844 pixels"),
    ("plain", ["--path", "linear"], "it goes with --interpolate"),
    ("plain", ["--interpolate", "1"], "--interpolate"),
    ("plain", ["--interpolate", "5", "--n", "1"], "two seeds at least"),
    ("plain", ["--interpolate", "5", "--seeds", "4"], "two seeds at least"),
    ("plain", ["--interpolate", "5", "--neighbours", "2"], "ask for one at a time"),
    (
        "plain",
        ["--out", "x.gif"],
        "an animation is of a walk, or of videos; --interpolate 16 would make one of these images",
    ),
    ("plain", ["--interpolate", "5", "--fps", "5"], "--fps is of an animation"),
    ("codes", ["--interpolate", "5", "--code", "c0=all", "--code", "c1=0:1:3"], "--interpolate makes the columns"),
    ("plain", ["--interpolate", "1000", "--n", "20", "--out", "x.gif"], "19,980 frames would be 736,542,720 pixels"),
    ("points", ["--interpolate", "5", "--out", "x.gif"], "samples of this recipe are points, not images"),
    ("points", ["--out", "new"], "samples of this recipe are points, not images"),
    ("points", ["--arithmetic", "1 - 2"], "samples of this recipe are points"),
    ("points", ["--neighbours", "2"], "samples of this recipe are points"),
    ("plain", ["--arithmetic", "1 - x"], "'x' is no term; right: seeds 0,1,2 or class:7"),
    ("plain", ["--arithmetic", "1-"], "'1-' is neither a seed nor a range"),
    ("plain", ["--arithmetic", "1 - class:12"], "'digits' knows no such class"),
    ("plain", ["--arithmetic", "1 - 2", "--seeds", "3"], "does not go with --seeds"),
    ("plain", ["--arithmetic", "1 - 2", "--n", "3"], "there is none here"),
    ("classes", ["--arithmetic", "1 - 2", "--class", "all"], "class can have one value"),
    ("classes", ["--arithmetic", "class:3"], "is for models without classes"),
    ("codes", ["--arithmetic", "class:3"], "what a sample shows depends on c0, too; set it, --code c0=0"),
    ("plain", ["--neighbours", "2", "--out", "new"], "samples and their neighbours go to .png or .npz"),
    ("plain", ["--neighbours", "2", "--data-dir", "nowhere"], "nowhere: no such folder"),
    ("codes", ["--truncation", "1", "--code", "c0=1"], "are not normal"),
]


@pytest.mark.parametrize(("run", "options", "message"), REFUSED)
def test_what_has_no_meaning_is_refused_before_anything_is_compiled(
    gan, runs, tmp_path, monkeypatch, run, options, message
):
    monkeypatch.chdir(tmp_path)
    code, out, err = gan("sample", "--ckpt", runs[run], *options)
    assert code == 2, err
    assert message in " ".join(err.split())
    assert "compiling" not in err
    assert not out
    assert not list(tmp_path.iterdir())


def test_truncation_goes_with_classes(runs, draw):
    narrow, wide = (
        draw(runs["classes"], "--class", "1,2", "--n", 40, *more)[0]["arr_0"].astype(float)
        for more in (["--truncation", 0.1], [])
    )
    assert narrow[:40].std(axis=0).mean() < 0.5 * wide[:40].std(axis=0).mean()
