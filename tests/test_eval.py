"""`gan eval` of images at hand, of all checkpoints, with metrics' options; statistics in files."""

import contextlib
import gzip
import json
import struct
import sys
import zipfile

import filelock
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from tiny import RUN

from gan_cli import build, datasets, recipe
from gan_cli.__main__ import main
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.features import custom as own_networks
from gan_cli.features.digits import digits
from gan_cli.judging import evaluate, image_sets
from gan_cli.judging.evaluate import with_options
from gan_cli.metrics import cache, names
from gan_cli.metrics.collect import collect
from gan_cli.metrics.frechet import Statistics, frechet_distance
from gan_cli.recipe import Eval

X = np.round(load_digits().images * (255 / 16)).astype(np.uint8)  # [1797, 8, 8]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same 200 digits, X[:200], as every kind of file that is read; and a few broken ones."""
    where = tmp_path_factory.mktemp("images")
    x = X[:200]
    (where / "folder").mkdir()
    with zipfile.ZipFile(where / "zipped.zip", "w") as archive:
        for i, image in enumerate(x):
            Image.fromarray(image).save(where / "folder" / f"{i}.png")
            archive.write(where / "folder" / f"{i}.png", f"inside/{i}.png")
    np.savez(where / "arrays.npz", arr_0=x[..., None])
    idx = b"\0\0\x08\x03" + struct.pack(">3I", *x.shape) + x.tobytes()
    (where / "images-idx3-ubyte").write_bytes(idx)
    (where / "images-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    (where / "own.toml").write_text(f'[data]\nsource = "npz"\npath = "{where / "arrays.npz"}"\n')
    np.savez(where / "others.npz", arr_0=X[200:600, ..., None])
    np.savez(where / "nan.npz", arr_0=np.full((9, 8, 8, 1), np.nan, np.float32))
    np.savez(where / "vectors.npz", x=np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32))
    np.savez(where / "floats.npz", arr_0=(X[:200, ..., None] / 255).astype(np.float32))
    np.savez(where / "colour.npz", arr_0=np.repeat(X[:200, ..., None], 3, axis=3))
    (where / "empty").mkdir()
    (where / "ragged").mkdir()
    for side in (8, 9):
        Image.fromarray(np.zeros((side, side), np.uint8)).save(where / "ragged" / f"{side}.png")
    (where / "labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 3) + b"\0\1\2")
    (where / "short-idx3-ubyte").write_bytes(idx[:100])
    (where / "text.txt").write_text("hello")
    return where


@pytest.fixture(scope="module")
def run(shared_folder):
    """A run with all its checkpoints: steps 20, 40 and 60."""
    where = shared_folder / "test_eval"  # trained once for all workers
    with filelock.FileLock(f"{where}.lock"):
        if not where.exists():
            where.mkdir()
            (where / "tiny.toml").write_text(f"# A tiny recipe\n{RUN}")
            kept = ["--set", "run.keep_last=9", "--set", "eval.every=0", "--set", "run.sample_every=0"]
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(SystemExit):
                patch.setattr(sys, "argv", ["gan", "train", f"{where}/tiny.toml", "--out", f"{where}/run", *kept])
                main()
    assert (where / "run" / "checkpoints" / "60").is_dir()
    return where / "run"


def report(gan, *arguments):
    code, out, err = gan("eval", *arguments, "--json")
    assert code == 0, err
    return json.loads(out), err


KINDS = ["folder", "zipped.zip", "arrays.npz", "images-idx3-ubyte", "images-idx3-ubyte.gz", "own.toml"]


@pytest.fixture(scope="module")
def expected():
    """FID of X[:200] against X[200:600], by the parts."""
    fake, real = (collect(digits(), [x[..., None]]).statistics for x in (X[:200], X[200:600]))
    return frechet_distance(real, fake)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_images_gives_the_same_number(gan, places, expected, kind):
    found, _ = report(gan, "--fake", places / kind, "--real", places / "others.npz")
    assert found["fid"] == pytest.approx(expected, rel=1e-4)
    assert found["protocol"] | {"resize": ""} == {
        "features": "digits",
        "features_hash": digits().hash[:12],
        "n_real": 400,
        "n_fake": 200,
        "split": str(places / "others.npz"),
        "resize": "",
        "seed": None,
        "options": {},
        "training": "",
        "given": "",
    }


def test_data_sources_and_recipes_by_name(gan):
    whole, _ = report(gan, "--fake", "digits", "--real", "digits", "--size", 16)
    assert whole["fid"] < 1e-6
    assert whole["protocol"]["n_fake"] == 898
    assert "fitted to 16x16 (pad)" in whole["protocol"]["resize"]
    halves, _ = report(gan, "--fake", "digits:train", "--real", "digits:test")
    assert halves["fid"] > 0.1


def test_n_takes_a_random_subset_by_seed(gan, places):
    def fid(*options):
        return report(gan, "--fake", places / "others.npz", "--real", places / "arrays.npz", "--n", 100, *options)[0][
            "fid"
        ]

    assert fid() == fid("--seed", 0) != fid("--seed", 1)
    some, _ = report(gan, "--fake", places / "others.npz", "--real", places / "arrays.npz", "--n", 100, "--seed", 7)
    assert some["protocol"]["seed"] == 7


def test_several_metrics_in_one_pass_with_options(gan, places):
    chosen = [
        "--metric",
        "kid,precision-recall,inception-score",
        "--set",
        "kid.subsets=3",
        "--set",
        "kid.subset_size=50",
    ]
    found, _ = report(gan, "--fake", places / "arrays.npz", "--real", places / "others.npz", *chosen)
    assert {"kid", "kid-std", "precision-recall-recall", "inception-score"} <= found.keys()
    options = found["protocol"]["options"]
    assert (options["kid"]["subsets"], options["kid"]["degree"]) == (3, 3)
    code, out, _ = gan("eval", "--fake", places / "arrays.npz", "--real", places / "others.npz", *chosen)
    assert code == 0
    assert "kid(degree 3" in out.splitlines()[-1]


def test_metrics_without_real_images(gan, places):
    found, _ = report(gan, "--fake", places / "arrays.npz", "--metric", "inception-score,class-coverage")
    assert found["protocol"]["split"] == ""
    assert found["protocol"]["n_real"] == 0


def test_vectors_are_their_own_features(gan, places):
    found, _ = report(gan, "--fake", places / "vectors.npz", "--real", places / "vectors.npz", "--metric", "fid,mmd")
    assert found["protocol"]["features"] == "points"
    assert found["fid"] == pytest.approx(0, abs=1e-9)


def test_images_are_compared_with_those_of_the_same_names(gan, tmp_path):
    random = np.random.default_rng(0)
    reals = random.integers(0, 256, (5, 14, 13, 3), dtype=np.uint8)
    fakes = np.clip(reals + random.normal(0, 30, reals.shape), 0, 255).astype(np.uint8)
    for folder, images, suffix in (("fake", fakes, "png"), ("real", reals, "bmp")):
        (tmp_path / folder).mkdir()
        for i in random.permutation(5):
            Image.fromarray(images[i]).save(tmp_path / folder / f"{i}.{suffix}")
    sides = ("--fake", tmp_path / "fake", "--real", tmp_path / "real")
    found, _ = report(gan, *sides, "--metric", "l1,psnr,ssim")
    assert found["l1"] == pytest.approx(np.abs(fakes / 255 - reals / 255).mean(), rel=1e-5)
    error = np.square(fakes / 255 - reals / 255).mean(axis=(1, 2, 3))
    assert found["psnr"] == pytest.approx(-10 * np.log10(error).mean(), rel=1e-5)
    assert 0 < found["ssim"] < 1
    assert found["protocol"]["given"] == f"5 pairs with {tmp_path / 'real'}"
    assert found["protocol"]["n_fake"] == 5
    luma = ("--set", "psnr.luma=true", "--set", "psnr.border=2")
    found, _ = report(gan, *sides, "--metric", "psnr", *luma)
    y = [x[:, 2:-2, 2:-2] / 255 @ np.array([65.481, 128.553, 24.966]) / 255 for x in (fakes, reals)]
    assert found["psnr"] == pytest.approx(-10 * np.log10(np.square(y[0] - y[1]).mean(axis=(1, 2))).mean(), rel=1e-5)
    few, _ = report(gan, *sides, "--metric", "l1", "--n", "2")
    assert few["protocol"]["seed"] == 0

    def refused(said: str, *more) -> None:
        code, _, err = gan("eval", *sides, *more)
        assert (code, said in " ".join(err.split())) == (2, True), err

    refused("ssim compares images of 15x15 pixels or more", "--metric", "ssim", "--set", "ssim.border=2")
    (tmp_path / "real" / "4.bmp").rename(tmp_path / "real" / "five.bmp")
    refused("without a partner are 'five' in --real", "--metric", "l1")
    Image.fromarray(reals[4]).save(tmp_path / "real" / "4.bmp")
    Image.fromarray(reals[4, :7]).save(tmp_path / "real" / "five.bmp")
    refused("its images differ in size", "--metric", "l1")


def test_memorisation_finds_training_images(gan, places):
    real, train = places / "others.npz", places / "arrays.npz"
    options = ["--real", real, "--train", train, "--metric", "memorisation", "--features", "pixels", "--n", 100]
    copied, _ = report(gan, "--fake", train, *options)
    assert (copied["memorisation"], copied["memorisation-copies"]) == (1, 1)
    assert copied["protocol"]["training"] == str(train)
    with_noise, _ = report(gan, "--fake", "digits:test", *options)
    assert with_noise["memorisation"] < 0.5


def test_transparent_images_are_composited_and_it_is_said(gan, places, tmp_path):
    (tmp_path / "rgba").mkdir()
    for i, image in enumerate(X[:80]):
        clear = np.stack([image, image, image, np.full_like(image, 255)], axis=-1)
        Image.fromarray(clear, "RGBA").save(tmp_path / "rgba" / f"{i}.png")
    found, _ = report(gan, "--fake", tmp_path / "rgba", "--real", places / "arrays.npz", "--channels", 1)
    assert "transparency composited on white" in found["protocol"]["resize"]


def test_statistics_written_and_compared_with(gan, places, expected, tmp_path):
    code, out, err = gan("features", "statistics", places / "others.npz", "--out", tmp_path / "new" / "s.npz", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == 400
    with np.load(tmp_path / "new" / "s.npz", allow_pickle=False) as file:
        assert file["mu"].shape == (64,)
        assert file["sigma"].shape == (64, 64)
    found, _ = report(gan, "--fake", places / "arrays.npz", "--real", tmp_path / "new" / "s.npz")
    assert found["fid"] == pytest.approx(expected, rel=1e-4)
    assert found["protocol"]["n_real"] == 400
    both, _ = report(gan, "--fake", tmp_path / "new" / "s.npz", "--real", tmp_path / "new" / "s.npz")
    assert both["fid"] == pytest.approx(0, abs=1e-6)


def test_statistics_of_another_program_are_taken_on_trust(gan, places, expected, tmp_path):
    s = collect(digits(), [X[200:600, ..., None]]).statistics
    np.savez(tmp_path / "theirs.npz", mu=s.mean, sigma=s.covariance)
    found, err = report(gan, "--fake", places / "arrays.npz", "--real", tmp_path / "theirs.npz")
    assert found["fid"] == pytest.approx(expected, rel=1e-4)
    assert "is taken on trust" in err
    assert "of how many real images the statistics are is not known" in err
    out = gan("eval", "--fake", places / "arrays.npz", "--real", tmp_path / "theirs.npz")[1]
    assert "an unknown number of real" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features_hash": "other"}, "was made through digits other"),
        ({"protocol": "turned upside down"}, "turned upside down"),
        ({"mu": np.zeros(2048), "sigma": np.eye(2048)}, "holds statistics of 2048 features of digits; digits has 64"),
        ({"sigma": np.eye(63)}, "not [D] and [D, D]"),
        ({"mu": np.full(64, np.inf)}, "not finite"),
        ({"sigma": -np.eye(64)}, "no covariance"),
        ({"sigma": np.triu(np.ones((64, 64)))}, "not symmetric"),
        ({"sigma": np.eye(64) * 1j}, "no real numbers"),
    ],
)
def test_statistics_that_cannot_be_compared_are_refused(gan, places, tmp_path, change, message):
    path = tmp_path / "s.npz"
    cache.save_statistics(path, Statistics(np.zeros(64), np.eye(64), 900), digits())
    with np.load(path) as file:
        np.savez(path, **{**file, **change})
    code, _, err = gan("eval", "--fake", places / "arrays.npz", "--real", path)
    assert code == 2
    assert message in err


BAD = [
    (["--fake", ""], "no such file or folder"),
    (["--fake", "x" * 300], "cannot be looked at"),
    (["--fake", "~nobody_of_this_name/x"], "cannot be looked at"),
    (["--fake", "{run}"], "is a run, whose pictures are sheets of samples: judge it with --ckpt"),
    (["--fake", "dcgan_digit"], "did you mean 'dcgan_digits'"),
    (["--fake", "{p}/floats.npz"], "A .toml file can say so"),
    (["--fake", "{p}/colour.npz", "--real", "{p}/arrays.npz", "--features", "pixels"], "with --channels 1 or 3"),
    (
        ["--fake", "digits", "--real", "digits", "--metric", "kdi"],
        "--metric = 'kdi': no such metric; did you mean",
    ),
    (["--fake", "digits", "--real", "digits", "--set", "degree=3"], "expected METRIC.OPTION=VALUE"),
    (
        ["--fake", "digits", "--real", "digits", "--metric", "kid", "--set", "kid.metric=fid"],
        "kid.metric: unknown",
    ),
    (["--fake", "digits", "--real", "digits", "--metric", "kid", "--set", "kid.degree=0"], "--set kid.degree = 0"),
    (["--fake", "digits", "--real", "digits", "--features", "points"], "--features = 'points' are those of vectors"),
    (["--fake", "digits", "--real", "digits", "--train", "digits"], "is for metrics that tell copies"),
    (["--fake", "digits", "--real", "digits", "--resize", "crop"], "there is no --size"),
    (
        ["--fake", "digits", "--real", "digits", "--train", "digits", "--metric", "memorisation"],
        "the held-out images, digits, are the training images themselves",
    ),
    (["--ckpt", "{run}", "--all-checkpoints", "--at", "latest"], "--at goes with one checkpoint"),
    (["--ckpt", "{run}", "--split", "tset"], "--split = 'tset'"),
    (["--ckpt", "{run}", "--split", "test", "--metric", "memorisation"], "held-out and with training images"),
    ([], "name what to judge"),
    (["--fake", "{p}/vectors.npz", "--real", "{p}/vectors.npz", "--size", "9"], "--size and --channels are for images"),
    (["--fake", "nowhere"], "no such file or folder, data source or recipe"),
    (["--fake", "mnits"], "did you mean 'mnist'"),
    (["--fake", "{p}/empty"], "holds no image"),
    (["--fake", "{p}/text.txt"], "is not a folder or zip of images"),
    (["--fake", "{p}/labels-idx1-ubyte"], "uint8 [3] (labels?); images [N, H, W]"),
    (["--fake", "{p}/short-idx3-ubyte"], "truncated"),
    (["--fake", "{p}/nan.npz"], "holds NaN or infinity"),
    (["--fake", "{p}/ragged"], "its images differ in size; bring them to one with --size"),
    (["--fake", "{p}/arrays.npz", "--real", "dcgan_digits"], "8x8 pixels and those of dcgan_digits 16x16"),
    (["--fake", "{p}/arrays.npz", "--real", "{p}/vectors.npz"], "not alike"),
    (["--fake", "{p}/arrays.npz"], "fid compares with real examples"),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--n", "20"], "20 fake images are too few for features"),
    (["--fake", "{p}/arrays.npz", "--metric", "l1"], "name those with --real"),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--metric", "l1"], "pairs are files of the same names"),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--metric", "ais"], "is taken of a generator, not of images"),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--metric", "intra-fid"], "taken of a generator"),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--metric", "memorisation"], "held-out and with training images"),
    (
        ["--fake", "{p}/arrays.npz", "--real", "digits", "--metric", "kid", "--set", "kid.degre=2"],
        "did you mean 'degree'",
    ),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--set", "kid.degree=2"], "this metric is not asked for"),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--features", "digist"], "did you mean 'digits'"),
    (["--fake", "{p}/arrays.npz", "--real", "digits", "--split", "test"], "--split goes with --ckpt"),
    (["--fake", "{p}/arrays.npz", "--all-checkpoints"], "--all-checkpoints goes with --ckpt"),
    (["--fake", "{p}/arrays.npz", "--channels", "2"], "grey is 1, RGB is 3"),
    (["--fake", "{p}/arrays.npz", "--resize", "padd"], "did you mean 'pad'"),
    (["--ckpt", "{run}", "--fake", "digits"], "name one of the two, a run or images"),
    (["--ckpt", "{run}", "--size", "9"], "--size goes with --fake"),
    (["--ckpt", "{run}", "--real", "digits", "--split", "all"], "--split chooses among the run's own data"),
    (["--ckpt", "{run}", "--train", "digits"], "--train goes with --real"),
    (["--ckpt", "{run}", "--real", "{p}/vectors.npz"], "the model's are (8, 8, 1)"),
    (["--ckpt", "{run}", "--metric", "memorisation"], "held-out and with training images"),
    (["--ckpt", "{run}", "--out", "x.png"], "--out is where --all-checkpoints draws"),
    (["--ckpt", "{run}/checkpoints/20", "--all-checkpoints"], "is one checkpoint; name the run"),
    (["--ckpt", "{run}", "--all-checkpoints", "--out", "x.jpg"], "a file that ends in .png"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_refused_by_name(gan, places, run, arguments, message):
    filled = [part.format(p=places, run=run) for part in arguments]
    code, out, err = gan("eval", *filled)
    assert code == 2, err
    assert message in err
    assert out == ""


def test_all_checkpoints_are_judged_and_the_best_is_named(gan, run, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "TRIES", 1)  # of checkpoints that vanish: there may be more that do not
    picture = tmp_path / "over_training.png"
    options = ["--metric", "fid,kid", "--n", 300, "--n-real", 300]
    found, err = report(gan, "--ckpt", run, "--all-checkpoints", *options, "--out", picture)
    assert [line["step"] for line in found["checkpoints"]] == [20, 40, 60]
    best = min(found["checkpoints"], key=lambda line: line["fid"])
    assert found["best"] == best["step"]
    assert "step 40: fid " in err
    with Image.open(picture) as drawn:
        assert drawn.width > 300
    alone, _ = report(gan, "--ckpt", run, "--at", best["step"], *options)
    assert alone["fid"] == pytest.approx(best["fid"], rel=1e-6)


def test_a_run_against_images_at_hand(gan, run, places):
    found, _ = report(gan, "--ckpt", run, "--real", places / "others.npz", "--n", 200, "--metric", "fid,kid")
    assert found["protocol"]["n_real"] == 400
    assert found["protocol"]["split"] == str(places / "others.npz")


def test_options_of_metrics_in_a_recipe(gan, run, tmp_path):
    text = RUN + "[eval.options.kid]\nsubsets = 2\n"
    (tmp_path / "r.toml").write_text(text.replace("[eval]\n", '[eval]\nmetric = "fid,kid"\n'))
    code, out, err = gan("recipe", "show", tmp_path / "r.toml", "--resolved")
    assert code == 0, err
    assert "subset_size = 1000" in out
    (tmp_path / "r.toml").write_text(text)
    code, _, err = gan("recipe", "check", tmp_path / "r.toml")
    assert code == 2
    assert "[eval] options.kid: this metric is not asked for" in err


def test_list_names_every_metric_with_its_paper(gan):
    code, out, err = gan("eval", "--list", "--json")
    assert code == 0, err
    listed = json.loads(out)["metrics"]
    assert list(listed) == names()
    assert all(row["paper"].startswith("https://") and "see" in row["detects"] for row in listed.values())


def test_a_file_of_statistics_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "s.npz", mu=np.array([{}], object), sigma=np.eye(1))
    with pytest.raises(InputError, match="cannot be read as statistics"):
        cache.load_statistics(tmp_path / "s.npz")


def test_images_are_fitted_to_a_model_by_its_own_rule_and_it_is_said(tmp_path):
    """dcgan_digits squashes 8x8 digits to 16x16; the same digits from elsewhere must become the same images."""
    store = Store(download=False)
    np.savez(tmp_path / "x.npz", x=X[..., None])
    given = image_sets.open_like(str(tmp_path / "x.npz"), (16, 16, 1), store, "squash")
    assert given.called.endswith("x.npz, fitted to 16x16 (squash)")
    own = datasets.load_data(
        build.resolve(recipe.read_tables(recipe.find_recipe("dcgan_digits")), "dcgan_digits"), store
    )
    indices = np.arange(50)
    np.testing.assert_array_equal(given.source.load(indices)["x"], own.load(indices)["x"])


def test_statistics_of_fakes_are_taken_on_trust_too(gan, places, tmp_path):
    s = collect(digits(), [X[200:600, ..., None]]).statistics
    np.savez(tmp_path / "theirs.npz", mu=s.mean, sigma=s.covariance)
    _, err = report(gan, "--fake", tmp_path / "theirs.npz", "--real", places / "arrays.npz")
    assert "is taken on trust" in err


def test_statistics_of_vectors_on_both_sides(gan, places, tmp_path):
    assert gan("features", "statistics", places / "vectors.npz", "--out", tmp_path / "v.npz")[0] == 0
    found, _ = report(gan, "--fake", tmp_path / "v.npz", "--real", tmp_path / "v.npz")
    assert found["fid"] == pytest.approx(0, abs=1e-9)


def test_refused_commands_write_nothing(gan, places, run, tmp_path):
    new = tmp_path / "new"
    assert gan("eval", "--ckpt", run, "--metric", "kdi", "--all-checkpoints", "--out", new / "x.png")[0] == 2
    assert gan("features", "statistics", places / "ragged", "--out", new / "s.npz")[0] == 2
    assert gan("eval", "--ckpt", tmp_path / "nowhere", "--all-checkpoints")[0] == 2
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_be_written_is_judged_all_the_same(gan, run, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gan_cli.runs.jsonl.append", refused)
    found, err = report(gan, "--ckpt", run, "--n", 100, "--n-real", 200)
    assert found["fid"] > 0
    assert "metrics.jsonl: Permission denied" in err


def test_options_asked_for_go_beside_those_of_the_recipe():
    own = {"kid": {"degree": 2}, "one-nn": {"permutations": 9}}
    table = {**Eval().model_dump(), "metric": "kid", "options": own}
    asked = with_options(table, {"metric": "kid", "options": {"kid": {"subsets": 3}}})
    assert asked.options == {"kid": {"degree": 2, "subsets": 3}}
    assert with_options(table, {"metric": "one_nn"}).options == {"one-nn": {"permutations": 9}}


def test_memorisation_chooses_no_checkpoint(gan, tmp_path):
    (tmp_path / "r.toml").write_text(RUN.replace("[eval]\n", '[eval]\nmetric = "memorisation"\n'))
    halves = ["--set", "data.split=train", "--set", "eval.split=test"]
    code, _, err = gan("train", tmp_path / "r.toml", "--out", tmp_path / "r", *halves)
    assert code == 2, err
    assert "memorisation cannot choose the best checkpoint" in err
    assert not (tmp_path / "r").exists()


def test_what_another_network_made_is_not_taken_from_the_cache(gan, places, tmp_path, monkeypatch):
    """One's own network may import what its hash is not of: real statistics are measured each time."""
    monkeypatch.syspath_prepend(tmp_path)
    own = tmp_path / "net_of_two_files.py"
    own.write_text(
        "import scale_of_net\n\n\ndef net(x):\n    return x.reshape(len(x), -1)[:, 20:24] * scale_of_net.SCALE\n"
    )
    fids = []
    for scale in (1, 3):
        (tmp_path / "scale_of_net.py").write_text(f"SCALE = {scale}\n" + "#" * scale)
        sys.modules.pop("scale_of_net", None)
        own_networks._loaded.cache_clear()  # as in another process
        own_networks._fitted.cache_clear()
        asked = ["--fake", places / "arrays.npz", "--real", places / "others.npz", "--features", f"{own}:net"]
        fids.append(report(gan, *asked)[0]["fid"])
    assert fids[1] == pytest.approx(9 * fids[0], rel=1e-4)
