"""`gan inspect`: multiply-adds against a count by hand, and what is said of a run."""

import json
import shutil
import sys

import jax
import pytest
from flax import nnx
from tiny import dcgan, tiny_recipe

from gan_cli import build, datasets, recipe
from gan_cli.__main__ import main
from gan_cli.data.store import Store
from gan_cli.inspection.networks import networks
from gan_cli.layers import layers
from gan_cli.text import WIDTH
from gan_cli.types import Spec

TINY = "# A tiny run to look at.\n" + tiny_recipe(
    data={"split": "train"},
    networks=dcgan(norm="spectral"),
    game={"loss": "adversarial.hinge", "latent": 6, "discriminator_steps": 2},
    optimisers={"generator": {"learning_rate": 2e-4}, "discriminator": {"learning_rate": 4e-4}},
    train={"steps": 4, "batch": 8},
    run={"sample_every": 0, "checkpoint_every": 2},
    monitor={"every": 0},
    eval={"every": 2, "metric": "fid", "n": 130, "n_real": 130, "features": "pixels"},
)


def described(name, spec, *overrides):
    return networks(build.resolve(recipe.read_tables(recipe.find_recipe(name), overrides), name), spec)


def counts(network) -> dict[str, int]:
    return {layer.path: layer.multiply_adds for layer in network.layers}


def parameters(network) -> dict[str, int]:
    return {layer.path: layer.parameters for layer in network.layers}


def test_multiply_adds_of_an_mlp_are_those_of_its_matrices():
    made = described("ring", Spec((2,)), "networks.generator.hidden=[5, 7]", "game.latent=3")
    assert counts(made["generator"]) == {"linears.0": 3 * 5, "linears.1": 5 * 7, "last": 7 * 2}
    assert parameters(made["generator"]) == {"linears.0": 3 * 5 + 5, "linears.1": 5 * 7 + 7, "last": 7 * 2 + 2}
    assert made["generator"].multiply_adds == 15 + 35 + 14
    assert [layer.output for layer in made["generator"].layers] == [(5,), (7,), (2,)]


@pytest.mark.parametrize("form", ["cpu", "lax"])
def test_multiply_adds_of_a_dcgan_are_those_of_its_convolutions_in_either_form(form):
    widths = ("networks.generator.width=8", "networks.discriminator.width=4", "game.latent=10")
    made = described("dcgan_digits", Spec((16, 16, 1)), *widths, f"train.convolutions={form}")
    generator, discriminator = made["generator"], made["discriminator"]
    # a transposed convolution: k k cin cout, at each place of the map that it enlarges
    assert {path: n for path, n in counts(generator).items() if "norm" not in path} == {
        "project": 4 * 4 * 10 * 16 * 1 * 1,
        "ups.0": 4 * 4 * 16 * 8 * 4 * 4,
        "to_image": 4 * 4 * 8 * 1 * 8 * 8,
    }
    # a convolution: k k cin cout, at each place of its result; power iterations are not for each example
    assert counts(discriminator) == {
        "downs.0": 4 * 4 * 1 * 4 * 8 * 8,
        "downs.1": 4 * 4 * 4 * 8 * 4 * 4,
        "score": 4 * 4 * 8 * 1,
    }
    assert generator.layers[0].output == (4, 4, 16)
    assert parameters(discriminator) == {"downs.0": 64 + 4, "downs.1": 512 + 8, "score": 128 + 1}


def test_patches_and_labels_and_what_is_beside_the_layers():
    patches = described("norms/patchgan_mnist", Spec((28, 28, 1)), "networks.discriminator.width=4")["discriminator"]
    convs = [layer for layer in patches.layers if layer.kind == "Conv"]
    inputs = 1
    for layer in convs:
        height, width, channels = layer.output
        assert layer.multiply_adds == 4 * 4 * inputs * channels * height * width
        inputs = channels
    conditional = described("conditional/projection_digits", Spec((16, 16, 1), tuple("0123456789")))
    assert counts(conditional["discriminator"])["projection.embed"] == 10 * 1024
    branched = described("collapse/mad", Spec((2,)))["generator"]
    assert branched.layers[-1].path == "(beside the layers)"  # the choice of a branch
    assert branched.layers[-1].multiply_adds == branched.ports.classes * 2
    assert branched.layers[-1].parameters == 0


def unlike() -> list[str]:
    """Shipped recipes, one of each game with networks of each kind."""
    kinds = {}
    for name in recipe.shipped():
        tables = recipe.read_tables(recipe.find_recipe(name))
        nets = {key: (own["net"], own.get("condition")) for key, own in tables["networks"].items()}
        kinds.setdefault(str((tables["game"]["play"], sorted(nets.items()))), name)
    return list(kinds.values())


def spec_of(data):
    """What a recipe's examples look like; what is made here, and quickly, is made."""
    if data["source"].startswith("toy."):
        return Spec((2,), tuple("0123456789"))
    if data["source"].split(".")[0] in ("moving", "phantoms", "oracle", "captioned", "facades", "scans"):
        return datasets.load_source({**data, **({"n": 20} if "n" in data else {})}, Store()).spec
    side = data.get("size") or 28
    shape = (side, side, 3 if data["source"] == "stacked_mnist" else data.get("channels") or 1)
    return Spec(shape, tuple("0123456789"), parts={"input": Spec(shape)})


@pytest.mark.parametrize("name", unlike())
def test_every_parameter_of_every_recipe_is_some_layers(name):
    resolved = build.resolve(recipe.read_tables(recipe.find_recipe(name)), name)
    specs = {stream: spec_of(table) for stream, table in datasets.data_tables(resolved["data"]).items()}
    made = networks(resolved, specs)
    shapes = build.experiment(resolved, specs)
    for role, network in made.items():
        module = nnx.eval_shape(lambda role=role: shapes.game.networks[role](nnx.Rngs(0)))
        assert network.parameters == sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
        assert network.multiply_adds > 0
        assert all(layer.kind for layer in network.layers if layer.parameters)  # none is left beside the layers


def test_classes_are_as_they_were_after_a_look():
    before = vars(layers.Conv)["__call__"]
    described("dcgan_digits", Spec((16, 16, 1)))
    assert vars(layers.Conv)["__call__"] is before


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of four steps, whose data set is then out of reach."""
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "tiny.toml").write_text(TINY)
    patch = pytest.MonkeyPatch()
    patch.setattr(sys, "argv", ["gan", "train", str(folder / "tiny.toml"), "--out", str(folder / "run")])
    with pytest.raises(SystemExit, match="0"):
        main()
    patch.undo()
    return folder / "run"


def test_a_run_says_what_it_is(gan, run, monkeypatch):
    monkeypatch.setattr(datasets, "load_source", None)  # no data are read
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = gan("inspect", run)
    assert code == 0, err
    assert "A tiny run to look at." in out
    assert "standard, adversarial.hinge" in out
    assert "4 of 4, batch 8" in out
    assert "every 2 steps" in out
    assert max(map(len, out.splitlines())) <= WIDTH
    code, out, _ = gan("inspect", run, "--at", "latest", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["step"] == 4
    assert report["checkpoints"][-1] == 4
    assert report["metrics"]["last"]["step"] == 4
    assert report["metrics"]["best"]["fid"] <= report["metrics"]["last"]["fid"]
    assert report["networks"]["generator"]["multiply_adds"] == 4 * 4 * 6 * 4 + 4 * 4 * 4 * 1 * 4 * 4
    assert report["optimisers"]["generator"]["roles"] == ["generator"]
    assert report["bytes"]["run"] > report["bytes"]["checkpoint"] > 4 * report["networks"]["generator"]["parameters"]


def test_damaged_arrays_do_not_hide_what_a_checkpoint_is(gan, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    for path in (tmp_path / "run").glob("checkpoints/*/state/*/*"):
        path.write_bytes(b"rot")
    assert gan("inspect", tmp_path / "run" / "checkpoints" / "4")[0] == 0
    (tmp_path / "run" / "checkpoints" / "4" / "meta.json").write_text("{}")
    code, _, err = gan("inspect", tmp_path / "run", "--at", "4")
    assert code == 2
    assert "meta.json" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such run or checkpoint"),
        (["{run}", "--at", "3"], "no checkpoint '3'; there are best, latest and steps"),
        (["{run}/checkpoints/4", "--at", "2"], "is already one checkpoint"),
    ],
)
def test_bad_input(gan, run, arguments, message):
    code, out, err = gan("inspect", *(argument.format(run=run) for argument in arguments))
    assert code == 2
    assert message in err
    assert not out
