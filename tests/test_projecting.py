"""`gan project`: latents found for pictures, under masks, near others, and what `gan sample` makes of them."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_cli import load
from gan_cli.errors import InputError
from gan_cli.sampling import projecting
from gan_cli.sampling.descent import Projection, distances
from gan_cli.sampling.options import parse_controls

QUICK = {"steps": 150, "starts": 2}


@pytest.fixture(scope="module")
def plain(untrained):
    return load(untrained["plain"])


@pytest.fixture(scope="module")
def samples(plain):
    return plain.sample(3, seed=5).arrays


def decibels(a, b):
    return -10 * np.log10(np.square((a.astype(float) - b) / 255).mean(axis=(1, 2, 3)) + 1e-10)


def test_a_models_own_samples_are_found_again_whatever_is_looked_for_beside_them(plain, samples):
    found = plain.project(samples, **QUICK)
    assert decibels(plain.draw(found).arrays, samples).min() > 35
    alone = plain.project(samples[1:2], **QUICK)
    np.testing.assert_array_equal(alone["z"][0], found["z"][1])
    with pytest.raises(InputError, match=r"uint8 \('n', 8, 8, 1\) is wanted, not uint8 \(3, 4, 8, 1\)"):
        plain.project(samples[:, :4])


def test_what_is_under_a_mask_counts_for_nothing_and_is_filled_in(plain, samples):
    known = np.ones((8, 8), bool)
    known[2:5, 2:5] = False
    torn = samples.copy()
    torn[:, ~known] = 0
    found = plain.project(torn, mask=known, **QUICK)
    np.testing.assert_array_equal(plain.project(samples, mask=known, **QUICK)["z"], found["z"])
    assert decibels(plain.draw(found).arrays, samples).min() > 30
    with pytest.raises(InputError, match="no pixel is known"):
        plain.project(samples, mask=np.zeros((8, 8), bool))


def test_an_edit_stays_near_as_much_as_it_is_told_to(plain, samples):
    near = plain.latents(1, seed=9)
    away = [
        np.linalg.norm(plain.project(samples[:1], near=near, stay=stay, steps=150)["z"] - near["z"])
        for stay in (0.0, 0.1, 1000.0)
    ]
    assert away[0] > away[1] > away[2]
    assert away[2] < 0.05
    with pytest.raises(InputError, match="2 latents to stay near, for 3 images"):
        plain.project(samples, near=plain.latents(2))


def test_a_descent_minimises_known_pixels_maps_and_the_way_from_near(plain, samples):
    """Equation 5 of the paper by hand, with maps that are twice the pixels."""
    loaded = projecting.whole(plain._loaded)
    experiment = loaded.experiment
    game = experiment.game._replace(maps=lambda nets, x, _: {"twice": 2 * x})
    wanted = Projection(features=0.5, stay=0.25)
    distance = distances(experiment._replace(game=game), wanted)
    z, near = (plain.latents(1, seed=seed)["z"] for seed in (1, 2))
    known = np.zeros((1, 8, 8, 1), np.float32)
    known[0, :3] = 1
    rows = {"inputs": {"z": z}, "target": samples[:1], "known": known, "near": {"z": near}}
    found = distance(loaded.leaves(False), {"z": z}, rows)[0]
    x, target = (np.float32(image) / 127.5 - 1 for image in (plain.draw({"z": z}).arrays, samples[:1]))
    whole = known * target + (1 - known) * x
    by_hand = (known * ((x - target) / 2) ** 2).sum() / 24
    by_hand += 0.5 * ((x - whole) ** 2).sum() / (whole**2).sum() + 0.25 * ((z - near) ** 2).mean()
    assert found == pytest.approx(by_hand, rel=0.03)  # samples are rounded to levels


def test_latents_stay_where_the_generator_was_trained(untrained):
    model = load(untrained["codes"])  # a uniform prior, a category and two numbers
    found = model.project(np.full((1, 8, 8, 1), 255, np.uint8), steps=30, starts=1, rate=1.0)
    assert np.abs(found["z"]).max() == 1
    assert max(np.abs(found["c1"]).max(), np.abs(found["c2"]).max()) <= 1
    normal = load(untrained["plain"]).project(np.full((1, 8, 8, 1), 255, np.uint8), steps=30, starts=1, rate=1.0)
    assert np.linalg.norm(normal["z"]) <= np.sqrt(6) + 2.001


def test_a_class_is_kept_and_without_one_the_best_is_found(untrained):
    model = load(untrained["classes"])
    x = model.sample(2, seed=3, label=[4, 7]).arrays
    assert model.project(x, label=[1, 2], steps=2)["class"].tolist() == [1, 2]
    assert model.project(x, steps=2, starts=1)["class"].shape == (2,)
    with pytest.raises(InputError, match="class: an image has one value, not 2"):
        projecting.project(model._loaded, x, Projection((parse_controls("0,1", ()),)))


def test_from_files_to_a_walk(untrained, gan, tmp_path, samples):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(2):
        Image.fromarray(samples[i, ..., 0]).resize((13, 13)).convert("RGB").save(pictures / f"photo {i}.jpg")
    Image.fromarray(np.uint8([[255, 255], [0, 255]])).resize((8, 8), 0).save(tmp_path / "mask.png")
    search = ("--steps", 20, "--starts", 2)
    folder, z, edit = untrained["plain"], tmp_path / "z.npz", tmp_path / "edit.npz"
    code, out, err = gan("project", "--ckpt", folder, "--image", pictures, "--out", z, *search, "--json")
    assert code == 0, err
    assert (len(json.loads(out)["psnr"]), json.loads(out)["picture"]) == (2, str(tmp_path / "z.png"))
    assert np.load(z)["names"].tolist() == ["photo 0.jpg", "photo 1.jpg"]
    one = ("--image", pictures / "photo 0.jpg", "--mask", tmp_path / "mask.png", "--near", z)
    code, _, err = gan("project", "--ckpt", folder, *one, "--out", edit, *search)
    assert "2 latents to stay near, for 1 images" in err
    code, _, err = gan("project", "--ckpt", folder, "--image", pictures, *one[2:], "--out", edit, *search)
    assert (code, edit.with_suffix(".png").exists()) == (0, True), err
    both = ("--latents", z, "--latents", edit)
    code, _, err = gan("sample", "--ckpt", folder, *both, "--out", tmp_path / "all.npz")
    assert code == 0, err
    made = load(folder).draw({"z": np.load(z)["z"]}).arrays
    np.testing.assert_array_equal(np.load(tmp_path / "all.npz")["arr_0"][:2], made)
    code, _, err = gan("sample", "--ckpt", folder, *both, "--interpolate", 5, "--out", tmp_path / "walk.npz")
    assert (code, len(np.load(tmp_path / "walk.npz")["arr_0"])) == (0, 13), err
    for words, message in (
        (("--latents", z, "--seeds", "1"), "--latents names each sample"),
        (("--latents", tmp_path / "all.npz"), "z: float32 ['n', 6] is wanted, not missing"),
        (("--latents", pictures / "photo 0.jpg"), "cannot be read as latents"),
    ):
        code, _, err = gan("sample", "--ckpt", folder, *words, "--out", tmp_path / "no.png")
        assert (code, message in err) == (2, True), err
    code, _, err = gan("sample", "--ckpt", untrained["codes"], "--latents", z, "--out", tmp_path / "no.png")
    assert (code, "holds latents of another model, step 0 of " in err) == (2, True), err


@pytest.mark.parametrize(
    ("run", "words", "message"),
    [
        ("points", ("--image", "digits"), "samples of this recipe are points, and images are projected"),
        ("plain", ("--image", "toy.ring"), "holds examples of shape (2,), and the model's are (8, 8, 1)"),
        ("plain", ("--image", "digits", "--out", "z.png"), "--out z.png: latents are written to .npz"),
        ("plain", ("--image", "digits", "--class", "3"), "this model has neither classes nor codes"),
        ("plain", ("--image", "digits", "--near", "nothing.npz"), "nothing.npz: cannot be read as latents"),
    ],
)
def test_what_cannot_be_projected_is_said(untrained, gan, tmp_path, monkeypatch, run, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = gan("project", "--ckpt", untrained[run], *words)
    assert (code, message in err) == (2, True), err
