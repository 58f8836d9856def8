"""Games with several streams of data: CycleGAN, from its losses by hand to `gan apply`."""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w
from flax import nnx
from PIL import Image
from tiny import tiny_tables

from gan_cli import build, load, media
from gan_cli.data.labelled import hide
from gan_cli.data.pipeline import Joined, pipeline
from gan_cli.data.source import in_memory
from gan_cli.engine.state import definitions
from gan_cli.errors import InputError
from gan_cli.games.cyclegan import cyclegan
from gan_cli.games.networks import Nets, initialise
from gan_cli.losses.adversarial import least_squares
from gan_cli.overrides import read_overridden
from gan_cli.recipe_tables import laid_over
from gan_cli.types import Spec

ROLES = ("g_ab", "g_ba", "d_a", "d_b")
KINDS = ("generators", "discriminators")


def tables(**changes):
    """The smallest CycleGAN: between digits, and digits with other classes."""
    digits = {"source": "digits", "split": "train", "size": 8, "channels": 1}
    made = tiny_tables(game={"play": "cyclegan", "loss": "adversarial.least_squares", "pool": 4}, **changes)
    made["data"] = {"a": digits, "b": {**digits, "split": "test"}}
    made["networks"] = {role: {"net": "mlp", "hidden": [8], "output": "tanh"} for role in ROLES[:2]}
    made["networks"] |= {role: {"net": "mlp", "hidden": [8]} for role in ROLES[2:]}
    made["optimisers"] = {kind: {"name": "adam", "learning_rate": 1e-3} for kind in KINDS}
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of four steps, and its recipe."""
    folder = tmp_path_factory.mktemp("cyclegan")
    recipe = folder / "cycle.toml"
    wanted = tables(train={"steps": 4, "steps_per_call": 2})
    wanted["eval"] = {"every": 4, "metric": "fid", "features": "pixels", "n": 80, "ask": "ba", "split": "all"}
    recipe.write_text(tomli_w.dumps(wanted))
    return folder / "run", recipe


class Times(nnx.Module):
    """A network that multiplies by one number."""

    def __init__(self, factor: float):
        self.factor = nnx.Param(jnp.float32(factor))

    def __call__(self, x):
        return self.factor[...] * x, {}


FACTORS = {"g_ab": 2.0, "g_ba": 0.25, "d_a": 3.0, "d_b": -1.0}


def played(**options):
    """The game of networks that multiply by FACTORS, in one dimension, and its networks at work."""
    made = {role: partial(lambda factor, ports, rngs: Times(factor), factor) for role, factor in FACTORS.items()}
    game = cyclegan(Spec((1,)), Spec((1,)), **made, loss=least_squares(), **options)
    weights = {role: initialise(build, jax.random.key(0)) for role, build in game.networks.items()}
    return game, Nets(definitions(game), weights, memory=game.memory)


def test_the_losses_are_those_of_the_paper():
    game, nets = played(cycle=10.0, identity=0.5, pool=0)
    a, b = np.float32([[1.0], [2.0]]), np.float32([[-1.0], [3.0]])
    value, report = game.turn("generators").loss(nets, {"a_x": a, "b_x": b})
    fake_a, fake_b = b / 4, 2 * a
    adversarial = np.mean((3 * fake_a - 1) ** 2) / 2 + np.mean((-fake_b - 1) ** 2) / 2
    back = np.abs(fake_b / 4 - a).mean() + np.abs(2 * fake_a - b).mean()
    same = np.abs(2 * b - b).mean() + np.abs(a / 4 - a).mean()
    np.testing.assert_allclose(report["cycle"], back, rtol=1e-6)
    np.testing.assert_allclose(value, adversarial + 10 * back + 5 * same, rtol=1e-6)
    value, _ = game.turn("discriminators").loss(nets, {"a_x": a, "b_x": b})
    of_a = np.mean((3 * a - 1) ** 2) / 2 + np.mean((3 * fake_a) ** 2) / 2
    of_b = np.mean((-b - 1) ** 2) / 2 + np.mean(fake_b**2) / 2
    np.testing.assert_allclose(value, (of_a + of_b) / 2, rtol=1e-6)


def test_the_pool_fills_and_then_gives_what_it_was_given():
    game, nets = played(pool=3)
    made = {"a": jnp.float32([[1.0], [2.0]]), "b": jnp.float32([[-1.0], [-2.0]])}
    rest = {"coin": jnp.array([True, True]), "place": jnp.array([0, 2])}
    memory = game.remember(jax.tree.map(jnp.asarray, game.memory), {"discriminators": {**made, **rest}})
    assert (int(memory["full"]), memory["a"].ravel().tolist()) == (2, [1, 2, 0])
    memory = game.remember(memory, {"discriminators": {**made, **rest}})  # the second has no place any more
    assert (int(memory["full"]), memory["a"].ravel().tolist()) == (3, [1, 2, 1])
    later = {"a": jnp.float32([[7.0], [8.0]]), "b": jnp.float32([[-7.0], [-8.0]])}
    full = game.remember(memory, {"discriminators": {**later, **rest, "coin": jnp.array([False, True])}})
    assert full["a"].ravel().tolist() == [1, 2, 8]
    nets.memory = full
    _, report = game.turn("discriminators").loss(nets, {"a_x": np.ones((2, 1)), "b_x": np.ones((2, 1)), **rest})
    np.testing.assert_allclose(report["fake_score_a"], 3 * (1 + 8) / 2)  # of the earlier ones, not of the new


def test_streams_of_the_same_files_are_not_paired_and_have_no_labels_unless_shown():
    x = np.arange(20, dtype=np.float32)[:, None]
    source = in_memory("numbers", x, np.zeros(20, np.int32), ("all",))
    feed = pipeline({"a": source, "b": hide(source, labelled=0)}, batch=20, seed=3, resident=True)
    assert isinstance(feed, Joined)
    there = jax.tree.map(jnp.asarray, feed.constants)
    batch = feed.take(there, {s: {k: v[0] for k, v in own.items()} for s, own in feed.feed(5, 1).items()})
    assert sorted(batch) == ["a_x", "a_y", "b_x"]
    assert sorted(batch["a_x"].ravel()) == sorted(batch["b_x"].ravel()) == x.ravel().tolist()
    assert (np.asarray(batch["a_x"]) != np.asarray(batch["b_x"])).mean() > 0.5
    streamed = pipeline({"a": source, "b": source}, batch=20, seed=3, resident=False)
    for own in "ab":
        np.testing.assert_array_equal(streamed.feed(5, 1)[own]["x"][0], batch[f"{own}_x"])
    streamed.close()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"source": "digits"}, r"\[data\]: game 'cyclegan' has several streams of data: \[data.a\] and \[data.b\]"),
        ({"a": {"source": "digits"}}, r"\[data.b\] is missing: game 'cyclegan' needs it"),
        ({key: {"source": "digits"} for key in "abc"}, r"\[data.c\]: game 'cyclegan' has no such part"),
    ],
)
def test_streams_that_a_game_does_not_have_are_named(data, message):
    with pytest.raises(InputError, match=message):
        build.resolve({**tables(), "data": data}, "r.toml")
    with pytest.raises(InputError, match=r"\[data.a\]: game 'standard' has a single stream of data: \[data\]"):
        build.resolve({**tiny_tables(), "data": {"a": {"source": "digits"}}}, "r.toml")


def test_a_translation_is_trained_applied_judged_and_looked_at(run, gan, tmp_path):
    folder, recipe = run
    assert gan("recipe", "check", recipe)[0] == 0
    code, _, err = gan("train", recipe, "--out", folder, "--dry-run")
    assert code == 0, err
    code, _, err = gan("train", recipe, "--out", folder)
    assert code == 0, err
    assert [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [0, 4]
    sheet = Image.open(next(folder.glob("samples/*4.png")))
    assert sheet.width > 8 * 8

    code, out, err = gan("apply", "--ckpt", folder, "--out", tmp_path / "ab.png", "--json")
    assert code == 0, err
    assert (json.loads(out)["ask"], json.loads(out)["n"]) == ("ab", 16)
    of_digits = ("--input", "digits:test", "--n", 9, "--out", tmp_path / "ba.npz")
    code, _, err = gan("apply", "--ckpt", folder, "--ask", "ba", *of_digits)
    assert code == 0, err
    arrays = np.load(tmp_path / "ba.npz")
    assert (arrays["arr_0"].shape, arrays["arr_0"].dtype, arrays["arr_1"].shape) == ((9, 8, 8, 1), np.uint8, (9,))
    images = tmp_path / "images"
    images.mkdir()
    for i in range(3):
        Image.fromarray(arrays["given"][i, ..., 0]).save(images / f"photo {i}.png")
    code, _, err = gan("apply", "--ckpt", folder, "--ask", "ba", "--input", images, "--out", tmp_path / "made")
    assert code == 0, err
    found = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert found == [f"photo {i}.png" for i in range(3)]
    for i, name in enumerate(found):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "made" / name)), arrays["arr_0"][i, ..., 0])
    code, _, err = gan("apply", "--ckpt", folder, "--input", images / "photo 0.png", "--out", tmp_path / "one.png")
    assert (code, Image.open(tmp_path / "one.png").size) == (0, (8, 8)), err

    model = load(folder)
    assert model.asks == ("ab", "ba")
    np.testing.assert_array_equal(model.apply(arrays["given"], ask="ba").arrays, arrays["arr_0"])
    with pytest.raises(InputError, match=r"b_x: uint8 \('n', 8, 8, 1\) is wanted, not float64 \(2, 8\)"):
        model.apply(np.zeros((2, 8)), ask="ba")

    code, out, err = gan("eval", "--ckpt", folder, "--metric", "fid", "--features", "pixels", "--n", 100, "--json")
    assert code == 0, err
    assert json.loads(out)["protocol"]["given"] == "ba of 100 (digits all)"
    assert gan("inspect", folder)[0] == 0
    assert gan("report", folder, "--out", tmp_path / "page.html")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sample",), "this model starts from examples, and does not draw from nothing: gan apply --input"),
        (
            ("export", "--format", "stablehlo", "--ask", "abc", "--out", "model"),
            "cannot be asked for that; did you mean",
        ),
        (("apply", "--ask", "abc"), "--ask abc: is nothing it can be asked; did you mean 'ab'?"),
        (("apply", "--split", "test", "--input", "digits"), "--split chooses among the run's own data"),
        (("apply", "--out", "table.csv"), "samples of this recipe are images; write them to .png or .npz"),
        (("apply", "--input", "toy.ring", "--out", "x.npz"), "holds examples of shape (2,), and the model's are"),
        (("eval", "--metric", "accuracy", "--ask", "abc"), "ask = 'abc': the game cannot be asked for that"),
    ],
)
def test_what_cannot_be_asked_is_said(run, gan, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    folder, recipe = run
    if not folder.exists():
        gan("train", recipe, "--out", folder)
    code, _, err = gan(*words, "--ckpt", folder)
    assert (code, message in err) == (2, True), err
    assert not list(Path(tmp_path).iterdir())


def test_a_game_that_draws_has_nothing_to_apply(untrained, gan, tmp_path):
    code, _, err = gan("apply", "--ckpt", untrained["plain"], "--out", tmp_path / "x.png")
    assert (code, "draws from nothing" in err) == (2, True)


def test_a_recipe_that_is_like_another_has_its_streams_or_others(tmp_path):
    base = {"data": {"a": {"source": "digits", "size": 8}, "b": {"source": "mnist"}}}
    assert laid_over(base, {"data": {"a": {"size": 16}}})["data"]["a"] == {"source": "digits", "size": 16}
    assert laid_over(base, {"data": {"a": {"source": "mnist"}}})["data"]["a"] == {"source": "mnist"}
    assert laid_over(base, {"data": {"source": "ring"}})["data"] == {"source": "ring"}
    assert laid_over({"data": {"source": "digits", "size": 8}}, base)["data"] == base["data"]
    path = tmp_path / "r.toml"
    wanted = tables()
    path.write_text(
        tomli_w.dumps({**wanted, "data": {"a": {"source": "toy.ring", "modes": 4}, "b": wanted["data"]["b"]}})
    )
    said = []
    found = read_overridden(path, ["data.a.source=digits"], said.append)
    assert found["data"]["a"] == {"source": "digits"}
    assert "data.a.modes" in said[0]


def test_the_schema_of_recipes_knows_streams():
    data = build.recipe_schema()["else"]["properties"]["data"]
    assert data["anyOf"][1]["additionalProperties"] == data["anyOf"][0] == {"$ref": "#/$defs/source"}


def test_a_checkpoint_cannot_name_a_medium_that_there_is_not():
    for name in ("medium", "..files", "image.x", ""):
        with pytest.raises(InputError, match=r"there is no medium|neither images nor vectors"):
            media.check_shape(Spec((1, 2, 3, 4), medium=name), 9)
