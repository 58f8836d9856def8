"""`gan export`: programs and weights that leave this package make the same samples."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax import export
from moved_runs import GIVEN, KINDS, STEP, moved_run
from safetensors.numpy import load_file, save_file

from gan_cli import errors, load, recipe
from gan_cli.engine.sampler import Sampler, draw_many
from gan_cli.errors import InputError
from gan_cli.export import bundle, program
from gan_cli.export.description import describe, public
from gan_cli.export.formats import FORMAT, find_format
from gan_cli.runs.load import load_run
from gan_cli.runs.weights import KEY
from gan_cli.runs.weights import load_weights as load_weights
from gan_cli.types import Spec

INPUTS = {
    "images": {"z"},
    "bfloat16": {"z"},
    "classes": {"class", "z"},
    "codes": {"c0", "c1", "c2", "z"},
    "branches": {"branch", "z"},
    "points": {"branch", "z"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """A run of each kind."""
    folder = tmp_path_factory.mktemp("runs")
    return {kind: moved_run(folder / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def needs_onnx():
    for package in ("jax2onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def blocks(page: str) -> list[str]:
    """The blocks of Python in a page."""
    return [part.partition("```")[0] for part in page.split("```python\n")[1:]]


def samples_of(loaded, n: int, raw: bool = False) -> np.ndarray:
    return Sampler(loaded.experiment, n)(loaded.weights(raw), draw_many(loaded.experiment, 0, n))


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_of_each_kind_agrees_for_any_batch(gan, runs, tmp_path, kind):
    code, out, err = gan("export", "--ckpt", runs[kind], "--format", "stablehlo", "--out", tmp_path / "new", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["max_difference"] < (0.05 if kind == "bfloat16" else 1e-5)
    names = {"sampler.jaxexport", "sampler.json", "example.npz", "README.md", "recipe.toml"}
    assert {path.name for path in (tmp_path / "new").iterdir()} == names
    sampler = export.deserialize(bytearray((tmp_path / "new" / "sampler.jaxexport").read_bytes()))
    assert sampler.platforms == ("cpu", "cuda", "tpu")
    with np.load(tmp_path / "new" / "example.npz", allow_pickle=False) as example:
        inputs = {name.removeprefix("input."): example[name] for name in example if name != "samples"}
        samples = example["samples"]
    assert set(inputs) == INPUTS[kind]
    assert samples.std() > 0.01
    for n in (1, 5):
        made = np.asarray(sampler.call({name: x[:n] for name, x in inputs.items()}))
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, samples[:n], atol=2 * report["max_difference"] + 1e-6)
    about = json.loads((tmp_path / "new" / "sampler.json").read_text())
    assert {name: ["batch", *x.shape[1:]] for name, x in inputs.items()} == {
        name: x["shape"] for name, x in about["inputs"].items()
    }
    assert about["output"]["shape"] == ["batch", *samples.shape[1:]]


def test_a_program_says_nothing_of_this_machine_and_is_the_same_each_time(gan, runs, tmp_path):
    made = []
    for name in "ab":
        out = tmp_path / f"{name}.jaxexport"
        assert gan("export", "--ckpt", runs["images"], "--format", "stablehlo", "--out", out, "--no-check")[0] == 0
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert not [word for word in (b".py", b"gan_cli", str(Path.home()).encode()) if word in made[0]]


def test_what_inputs_mean_is_said_to_programs(gan, runs, tmp_path):
    about = {}
    for kind in ("classes", "codes", "points"):
        gan("export", "--ckpt", runs[kind], "--format", "stablehlo", "--out", tmp_path / kind, "--no-check")
        about[kind] = json.loads((tmp_path / kind / "sampler.json").read_text())
        assert not (tmp_path / kind / "example.npz").exists()
    label = about["classes"]["inputs"]["class"]
    assert (label["range"], label["names"]) == ([0, 9], list("0123456789"))
    assert sum(label["shares"]) == pytest.approx(1)
    assert about["classes"]["inputs"]["z"]["distribution"] == "standard normal"
    assert about["classes"]["output"]["range"] == [-1, 1]
    codes = about["codes"]["inputs"]
    assert codes["z"]["distribution"] == "uniform in [-1, 1]"
    assert codes["c0"] == {"shape": ["batch"], "dtype": "int32", "range": [0, 3]}
    assert codes["c1"]["usual_range"] == [-1, 1]
    assert about["points"]["inputs"]["branch"]["range"][0] == 0
    assert "range" not in about["points"]["output"]
    assert (about["points"]["step"], about["points"]["weights"]) == (STEP, "average")


@pytest.mark.parametrize("kind", ["classes", "codes"])
def test_the_reader_in_the_readme_runs_without_this_package(gan, runs, tmp_path, kind):
    assert gan("export", "--ckpt", runs[kind], "--format", "stablehlo", "--out", tmp_path / "new", "--no-check")[0] == 0
    (reader,) = blocks((tmp_path / "new" / "README.md").read_text())
    assert len(reader.splitlines()) <= 14
    check = "import sys; assert not [m for m in sys.modules if m.startswith(('gan_cli', 'flax'))]; print(images.shape)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{reader}\n{check}"], cwd=tmp_path / "new", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(16, 8, 8, 1)"


def test_raw_weights_are_others(gan, runs, tmp_path):
    for raw in ((), ("--raw",)):
        out = tmp_path / f"new{len(raw)}"
        code, report, _ = gan("export", "--ckpt", runs["points"], "--format", "stablehlo", "--out", out, "--json", *raw)
        assert code == 0
        assert json.loads(report)["weights"] == ("raw" if raw else "average")
    with np.load(tmp_path / "new0" / "example.npz") as average, np.load(tmp_path / "new1" / "example.npz") as raw:
        assert np.abs(average["samples"] - raw["samples"]).max() > 0.01


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("kind", ["classes", "points"])
def test_weights_come_back_to_the_same_samples(gan, runs, tmp_path, kind, raw):
    path = tmp_path / "w.safetensors"
    options = ["--raw"] if raw else []
    code, out, err = gan("export", "--ckpt", runs[kind], "--format", "safetensors", "--out", path, "--json", *options)
    assert code == 0, err
    assert json.loads(out)["max_difference"] == 0
    loaded, back = load_run(runs[kind]), load_weights(path)
    np.testing.assert_array_equal(samples_of(back, 6), samples_of(loaded, 6, raw))
    assert (back.step, back.meta.recipe, back.meta.spec) == (STEP, loaded.meta.recipe, loaded.meta.spec)
    arrays = load_file(path)
    assert {name.partition(".")[0] for name in arrays} == {"generator", "discriminator"}
    judge = next(name for name in arrays if name.startswith("discriminator.params"))
    role, params, *rest = judge.split(".")
    saved = {jax.tree_util.keystr(k, simple=True, separator="."): x for k, x in _leaves(loaded.state.variables)}
    np.testing.assert_array_equal(arrays[judge], saved[".".join((role, params, *rest))])


def _leaves(tree):
    return jax.tree_util.tree_leaves_with_path(tree)


def test_weights_are_the_same_file_each_time_and_a_folder_explains_them(gan, runs, tmp_path):
    for name in "ab":
        gan("export", "--ckpt", runs["points"], "--format", "safetensors", "--out", tmp_path / name)
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "ab")
    assert first == second
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"weights.safetensors", "README.md", "recipe.toml"}
    assert "from gan_cli import load" in (tmp_path / "a" / "README.md").read_text()
    assert (tmp_path / "a" / "recipe.toml").read_text().startswith("# A model of points.\n\n[run]")
    assert recipe.read_tables(tmp_path / "a" / "recipe.toml") == load_run(runs["points"]).meta.recipe


def test_classes_whose_names_are_no_text_are_described(tmp_path):
    names = ("\udcff", *map(str, range(9)))  # of a folder in Latin-1, as Python has it
    loaded = load_run(moved_run(tmp_path / "run", "classes", classes=names))
    made = bundle.Exported(find_format("stablehlo"), b"", describe(loaded, raw=False), None, None)
    told = json.loads(bundle.contents(loaded, made)["sampler.json"])
    assert told["inputs"]["class"]["names"] == ["?", *names[1:]]


def test_weights_that_are_not_whole_are_refused(gan, runs, tmp_path):
    path, bad = tmp_path / "w.safetensors", tmp_path / "bad.safetensors"
    gan("export", "--ckpt", runs["points"], "--format", "safetensors", "--out", path)
    arrays, about = load_file(path), _metadata(path)

    def refused(text: str, arrays=arrays, **changed) -> None:
        save_file(arrays, bad, {KEY: json.dumps({**about, **changed})})
        with pytest.raises(InputError, match=text):
            load_weights(bad)

    first = sorted(arrays)[0]
    refused(f"{first} is missing", {name: x for name, x in arrays.items() if name != first})
    refused("more is not one of", {**arrays, "more": np.zeros(3, np.float32)})
    refused(f"{first} is \\(1,\\), not", {**arrays, first: np.zeros(1, np.float32)})
    refused(f"{first} is of type F64", {**arrays, first: arrays[first].astype(np.float64)})
    refused("step -1", step=-1)
    refused("not what was written", recipe=7)
    refused("not valid TOML", recipe="[")
    refused("unknown table", recipe="[nothing]\nx = 1\n")
    refused("examples of shape", spec={**about["spec"], "shape": [1, 2]})
    refused("spec", spec="?")
    save_file(arrays, bad, {"other": "x"})
    with pytest.raises(InputError, match="no weights of gan-cli"):
        load_weights(bad)
    for data in (b"", b"\xff" * 100, path.read_bytes()[:-1]):
        bad.write_bytes(data)
        with pytest.raises(InputError, match="cannot be read as safetensors"):
            load_weights(bad)
    with pytest.raises(InputError, match="cannot be read"):
        load_weights(tmp_path / "none.safetensors")


def _metadata(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"][KEY])


def test_outputs_that_do_not_fit_are_refused_and_nothing_is_written(gan, runs, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    for out, form, said in (
        ("x.onnx", "stablehlo", "ends in .jaxexport"),
        ("x.pt", "safetensors", "ends in .safetensors"),
        ("full", "stablehlo", "is not empty"),
        ("file", "safetensors", "is not a folder"),
        ("no/where", "stablehlo", "does not exist"),
    ):
        code, _, err = gan("export", "--ckpt", runs["points"], "--format", form, "--out", tmp_path / out)
        assert (code, said in err) == (2, True), err
    assert gan("export", "--ckpt", runs["points"], "--format", "pickle", "--out", tmp_path / "x")[0] == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_package_is_named_with_its_extra(gan, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    for form, said in (("stablehlo", "flatbuffers: pip install 'gan-cli[jaxexport]'"), ("onnx", "'gan-cli[onnx]'")):
        code, _, err = gan("export", "--ckpt", runs["points"], "--format", form, "--out", tmp_path / "x")
        assert (code, said in err) == (2, True), err


ASKED = {"pairs": ("translate", "input"), "domains": ("ba", "b_x"), "classifier": ("classify", "x")}


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> dict[str, Path]:
    """A run of each kind that starts from examples."""
    folder = tmp_path_factory.mktemp("given")
    return {kind: moved_run(folder / kind, kind) for kind in GIVEN}


def asked(model, ask: str, examples: np.ndarray) -> np.ndarray:
    """What the model makes of examples in this package, as its medium stores it, or probabilities."""
    return np.asarray(model.apply(examples, ask=ask))


@pytest.mark.parametrize("kind", GIVEN)
def test_a_program_of_an_ask_agrees_with_apply(gan, given, tmp_path, kind):
    ask, leaf = ASKED[kind]
    out = tmp_path / "new"
    code, said, err = gan(
        "export", "--ckpt", given[kind], "--ask", ask, "--format", "stablehlo", "--out", out, "--json"
    )
    assert code == 0, err
    assert json.loads(said)["max_difference"] < 1e-5
    about = json.loads((out / "sampler.json").read_text())
    assert (about["ask"], set(about["inputs"])) == (ask, {leaf})  # nothing that only training draws
    assert about["inputs"][leaf]["from_uint8"] == "(x - 127.5) / 127.5"
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1), np.uint8)
    made = np.asarray(
        export.deserialize(bytearray((out / "sampler.jaxexport").read_bytes())).call(
            {leaf: np.float32((images - 127.5) / 127.5)}
        )
    )
    wanted = asked(load(given[kind]), ask, images)
    if kind == "classifier":
        assert about["output"]["names"] == list("0123456789")
        np.testing.assert_allclose(np.exp(made), wanted, atol=1e-5)
    else:
        assert np.abs((made.clip(-1, 1) + 1) * 127.5 - wanted).max() <= 0.5 + 1e-2
        assert wanted.std() > 1
    with np.load(out / "example.npz") as example:
        assert set(example) == {f"input.{leaf}", "samples"}


def test_the_reader_of_an_ask_runs_with_noise_in_the_place_of_examples(gan, given, tmp_path):
    assert gan("export", "--ckpt", given["pairs"], "--format", "stablehlo", "--out", tmp_path / "new")[0] == 0
    (reader,) = blocks((tmp_path / "new" / "README.md").read_text())
    assert "# noise in place of your images: (x - 127.5) / 127.5 of levels uint8" in reader
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{reader}\nprint(images.shape)"],
        cwd=tmp_path / "new",
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "(16, 8, 8, 1)", done.stderr


@pytest.mark.parametrize("kind", ["pairs", "domains"])
def test_weights_of_what_starts_from_examples_come_back(gan, given, tmp_path, kind):
    path, (ask, _) = tmp_path / "new", ASKED[kind]
    code, _, err = gan("export", "--ckpt", given[kind], "--format", "safetensors", "--out", path)
    assert code == 0, err
    assert ".apply(examples)" in (path / "README.md").read_text()
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1), np.uint8)
    back = load(path / "weights.safetensors")
    np.testing.assert_array_equal(asked(back, ask, images), asked(load(given[kind]), ask, images))
    code, _, err = gan("export", "--ckpt", given[kind], "--format", "safetensors", "--ask", ask, "--out", path)
    assert (code, "has the weights of all that can be asked" in err) == (2, True)


def test_an_onnx_model_of_an_ask_agrees(needs_onnx, gan, given, tmp_path):
    for kind, (ask, leaf) in ASKED.items():
        out = tmp_path / f"{kind}.onnx"
        code, said, err = gan("export", "--ckpt", given[kind], "--ask", ask, "--format", "onnx", "--out", out, "--json")
        assert code == 0, err
        assert json.loads(said)["max_difference"] < 1e-5
        assert set(json.loads(said)["inputs"]) == {leaf}


def test_an_export_that_differs_is_not_kept(gan, runs, tmp_path, monkeypatch):
    wanted = program.Example({}, np.zeros((2, 3), np.float32))
    assert program.agreement(np.full((2, 3), 1e-4), wanted, "float32", "x") == 1e-4
    for made in (0.01, np.nan):
        with pytest.raises(InputError, match="not kept"):
            program.agreement(np.full((2, 3), made), wanted, "float32", "x")
    monkeypatch.setitem(program.BOUNDS, "float32", -1.0)
    code, _, err = gan("export", "--ckpt", runs["points"], "--format", "stablehlo", "--out", tmp_path / "x")
    assert (code, "--no-check" in err) == (2, True)
    assert not (tmp_path / "x").exists()


def test_a_format_has_the_name_of_its_file():
    assert set(FORMAT.names()) == {"onnx", "safetensors", "stablehlo"}
    for name in FORMAT.names():
        form = find_format(name)
        assert form.name == name
        assert (form.run is None) == (form.difference is not None) == (not form.call)
    with pytest.raises(InputError, match="did you mean 'onnx'"):
        find_format("onx")


def test_paths_of_this_machine_stay_here():
    resolved = {"data": {"source": "folder", "path": "/home/me/photos"}, "eval": {"features": "/home/me/net.onnx"}}
    assert public(resolved) == {"data": {"source": "folder", "path": "photos"}, "eval": {"features": "net.onnx"}}
    assert resolved["data"]["path"] == "/home/me/photos"
    windows = {"data": {"path": "C:\\Users\\me\\photos\\"}, "eval": {"features": "digits"}}
    assert public(windows) == {"data": {"path": "photos"}, "eval": {"features": "digits"}}


@pytest.mark.parametrize("kind", KINDS)
def test_an_onnx_model_of_each_kind_agrees_for_any_batch(needs_onnx, gan, runs, tmp_path, kind):
    import onnxruntime

    code, out, err = gan("export", "--ckpt", runs[kind], "--format", "onnx", "--out", tmp_path / "new", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["max_difference"] < (0.05 if kind == "bfloat16" else 1e-5)
    session = onnxruntime.InferenceSession(tmp_path / "new" / "sampler.onnx")
    assert {given.name for given in session.get_inputs()} == INPUTS[kind]
    assert json.loads(session.get_modelmeta().custom_metadata_map["sampler"])["step"] == STEP
    with np.load(tmp_path / "new" / "example.npz") as example:
        for n in (1, 5):
            inputs = {name: example[f"input.{name}"][:n] for name in INPUTS[kind]}
            (made,) = session.run(["sample"], inputs)
            np.testing.assert_allclose(made, example["samples"][:n], atol=2 * report["max_difference"] + 1e-6)


def test_shapes_of_inputs_are_found_without_computing(runs):
    experiment = load_run(runs["classes"]).experiment
    assert isinstance(experiment.spec, Spec)
    found = program.input_shapes(experiment, "sample")
    assert {name: (x.shape, str(x.dtype)) for name, x in found.items()} == {
        "class": ((), "int32"),
        "z": ((5,), "float32"),
    }
