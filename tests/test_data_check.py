"""`gan data check`: what it finds in folders, arrays and toys, against what was put there."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_cli.datacheck import examples as look
from gan_cli.datacheck.measures import Sums, copies, digests


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes with everything wrong in it, and a recipe for it."""
    rng = np.random.default_rng(0)
    root = tmp_path / "photos"
    for name, count in (("cats", 24), ("dogs", 2)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 16, 3), np.uint8)).save(root / name / f"{i}.png")
    Image.fromarray(np.full((10, 10), 7, np.uint8)).save(root / "cats" / "blank.png")
    Image.fromarray(rng.integers(0, 256, (8, 40), np.uint8)).save(root / "cats" / "long.png")
    (root / "dogs" / "copy.png").write_bytes((root / "cats" / "3.png").read_bytes())
    (root / "dogs" / "cut.png").write_bytes((root / "cats" / "4.png").read_bytes()[:300])
    (root / "dogs" / "text.jpg").write_text("no image")
    (root / "dogs" / "bomb\x1b[31m.ppm").write_bytes(b"P6 9000 9000 255\n")
    recipe = tmp_path / "photos.toml"
    recipe.write_text(f'[data]\nsource = "folder"\npath = "{root}"\nsize = 16\nchannels = 3\nlabels = true\n')
    return recipe


def test_a_folder_with_everything_wrong_names_all_of_it(gan, photos, tmp_path):
    code, out, err = gan("data", "check", photos, "--json", "--out", tmp_path / "sheet.png")
    assert code == 1, err
    report = json.loads(out)
    assert (report["examples"], report["readable"], report["shape"]) == (32, 29, [16, 16, 3])
    bad = {one["name"]: one["reason"] for one in report["unreadable"]}
    assert set(bad) == {"dogs/cut.png", "dogs/text.jpg", "dogs/bomb\x1b[31m.ppm"}
    assert "it is no image, and PNG, JPEG" in bad["dogs/text.jpg"]
    assert "9000 x 9000 pixels" in bad["dogs/bomb\x1b[31m.ppm"]
    assert report["copies"]["examples"] == [["cats/3.png", "dogs/copy.png"]]
    assert report["copies"]["across_classes"] == 1
    assert report["blank"] == {"count": 1, "examples": ["cats/blank.png"]}
    assert report["files"]["long"] == {"count": 1, "examples": ["cats/long.png"]}
    assert report["files"]["modes"] == {"RGB": 28, "L": 2}
    assert report["files"]["smallest"] == [10, 10]
    assert [(one["name"], one["count"]) for one in report["classes"]] == [("cats", 26), ("dogs", 3)]  # that can be read
    told = "\n".join(report["problems"])
    assert "3 of 32 files cannot be read; training refuses them" in told
    assert "29 examples are fewer than a batch of 64" in told
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.mode == "RGB"
        assert sheet.height > 2 * 96


def test_text_shows_no_sign_that_a_terminal_obeys_and_says_what_skipping_does(gan, photos):
    code, out, _ = gan("data", "check", photos, "--set", "data.on_corrupt=skip")
    assert code == 1
    assert "\x1b" not in out
    assert "training leaves them out" in out
    assert max(map(len, out.splitlines())) <= 100


def test_images_of_many_sizes_are_looked_at_and_their_refusal_said(gan, photos, tmp_path):
    text = photos.read_text().replace("size = 16\nchannels = 3\n", "")
    photos.write_text(f'{text}on_corrupt = "skip"\n')
    code, out, _ = gan("data", "check", photos, "--json", "--out", tmp_path / "sheet.png")
    report = json.loads(out)
    assert code == 1
    assert report["shape"][:2] == [0, 0]
    assert "its images differ in size; set [data] size" in "\n".join(report["problems"])
    assert (tmp_path / "sheet.png").exists()


def test_a_zip_is_a_folder(gan, photos, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in (tmp_path / "photos").rglob("*.png"):
            archive.write(file, file.relative_to(tmp_path))
    code, out, _ = gan("data", "check", photos, "--set", f"data.path={tmp_path / 'all.zip'}", "--json")
    report = json.loads(out)
    assert code == 1
    assert [one["name"] for one in report["unreadable"]] == ["dogs/cut.png"]
    assert report["readable"] == 29


def test_arrays_have_exact_moments(gan, tmp_path):
    x = np.random.default_rng(1).integers(0, 256, (700, 6, 5, 3), np.uint8)
    x[650] = x[3]
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(700) % 3)
    (tmp_path / "x.toml").write_text(f'[data]\nsource = "npz"\npath = "{tmp_path / "x.npz"}"\n[train]\nbatch = 32\n')
    code, out, err = gan("data", "check", tmp_path / "x.toml", "--json")
    assert code == 0, err
    report = json.loads(out)
    flat = x.reshape(-1, 3).astype(float)
    (values,) = report["values"]
    np.testing.assert_allclose(values["mean"], flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(values["std"], flat.std(0), rtol=1e-9)
    assert values["low"] == flat.min(0).tolist()
    assert report["copies"]["examples"] == [["3", "650"]]
    assert report["batch"] == 32
    assert report["files"] is None


def test_a_shipped_recipe_is_well_and_points_have_a_plot(gan, tmp_path):
    code, out, _ = gan("data", "check", "ring", "--out", tmp_path / "ring.png")
    assert code == 0
    assert "nothing is wrong with these data" in out
    assert "mode 7" in out
    with Image.open(tmp_path / "ring.png") as plot:
        assert plot.size == (480, 480)


def test_a_contact_sheet_shows_what_an_example_is_made_from_left_of_it(gan, tmp_path):
    """Of a folder through views, in colour and grey, and of files that are pairs."""
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    recipe = tmp_path / "r.toml"
    recipe.write_text('[data]\nsource = "folder"\npath = "photos"\ninput_views = ["views.grey"]\n')
    code, out, err = gan("data", "check", recipe, "--json", "--out", tmp_path / "sheet.png")
    assert code == 0, err
    assert json.loads(out)["input"] == [16, 16, 1]
    sheet = np.asarray(Image.open(tmp_path / "sheet.png")).astype(int)
    colours = np.ptp(sheet[..., :3], axis=2).max(axis=0) > 8  # of which columns of pixels have any
    assert sheet.shape[2] == 3
    first = int(np.argmax(colours))  # the left edge of the first example: its grey input is as wide
    assert not colours[:first].any()
    assert colours[first : first + first // 2].all()

    (tmp_path / "halves").mkdir()
    for i in range(2):
        Image.fromarray(random.integers(0, 256, (6, 12), np.uint8)).save(tmp_path / "halves" / f"{i}.png")
    recipe.write_text('[data]\nsource = "pairs.side_by_side"\npath = "halves"\n')
    code, out, err = gan("data", "check", recipe, "--out", tmp_path / "sheet.png")
    assert (code, "made from" in out) == (0, True), err


def test_chunks_and_threads_bound_what_is_in_memory(photos, tmp_path):
    ahead = []

    def slow(i):
        ahead.append(i)
        return i

    made = look._mapped(slow, range(1000))
    next(made)
    assert len(ahead) <= 2 * look.THREADS
    made.close()


def test_sums_and_copies():
    sums = Sums()
    assert sums.moments() is None
    x = np.array([[0.0, 1.0], [2.0, 3.0], [0.0, 1.0], [2.0, 3.0], [2.0, 3.0]], np.float32)
    for part in np.split(x, [1, 3]):
        sums.add(part)
    np.testing.assert_allclose(sums.moments().mean, x.mean(0))
    assert copies(digests(x), np.arange(10, 15)) == [[10, 12], [11, 13, 14]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such"], "no such recipe file"),
        (["{photos}", "--out", "sheet.jpg"], "name a file that ends in .png"),
        (["{photos}", "--out", "nowhere/sheet.png"], "the folder nowhere does not exist"),
        (["{photos}", "--set", "data.path=nowhere"], "no such file or folder"),
        (["{photos}", "--set", "data.sizee=3"], "did you mean 'size'"),
        (["dcgan_mnist", "--data-dir", "{empty}"], "train-images"),
    ],
)
def test_bad_input(gan, photos, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, out, err = gan("data", "check", *(a.format(photos=photos, empty=tmp_path / "empty") for a in arguments))
    assert code == 2
    assert message in err
    assert not out


def test_data_beside_the_recipe_are_not_refused(gan, photos, tmp_path, monkeypatch):
    """The training that is asked for its verdict looks where this command looks."""
    photos.write_text(photos.read_text().replace(f'"{tmp_path / "photos"}"', '"photos"'))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    _, out, _ = gan("data", "check", photos, "--json", "--set", "data.on_corrupt=skip")
    report = json.loads(out)
    assert report["readable"] == 29
    assert not [line for line in report["problems"] if "no such file" in line]
