"""`like`: a recipe that says only what it changes of another one."""

import json

import pytest
from tiny import tiny_recipe

from gan_cli import build, recipe
from gan_cli.errors import InputError
from gan_cli.recipe_tables import laid_over

SCHEDULE = {"schedule": "linear_schedule", "init_value": 1e-3, "end_value": 0.0, "transition_steps": 10}
BASE = tiny_recipe(
    data={"source": "toy.ring", "modes": 6},
    networks={"generator": {"hidden": [4]}, "discriminator": {"hidden": [4], "norm": "spectral"}},
    game={"loss": {"name": "adversarial.least_squares", "real_target": 0.9}, "latent": 3},
    optimisers={"generator": {"learning_rate": SCHEDULE}, "discriminator": {"b1": 0.5}},
    train={"steps": 7, "batch": 8},
)


def test_a_stream_may_be_called_source(gan, tmp_path):
    base = {"data": {"source": {"source": "digits"}, "target": {"source": "toy.ring", "n": 9}}}
    both = laid_over(base, {"data": {"target": {"n": 5}}})["data"]
    assert both == {"source": {"source": "digits"}, "target": {"source": "toy.ring", "n": 5}}
    assert recipe.data_name(both) == "source digits, target toy.ring"
    few = ("data.source.n=50", "data.target.n=50", "train.steps=2", "train.steps_per_call=1", "eval.every=0")
    chosen = [part for setting in few for part in ("--set", setting)]
    code, out, err = gan("train", "adaptation/wdgrl_blobs", "--out", tmp_path / "run", *chosen)
    assert code == 0, err
    assert out.endswith(f"next: gan apply --ckpt {tmp_path / 'run'}\n")
    assert "pictures" not in out
    code, out, err = gan("inspect", tmp_path / "run")
    assert (code, "source: toy.blobs" in out and "target: toy.blobs" in out) == (0, True), err


@pytest.fixture
def like(tmp_path):
    """Read a recipe that is like BASE but for what it says."""
    (tmp_path / "base.toml").write_text(BASE)

    def read(text, *overrides):
        path = tmp_path / "own.toml"
        path.write_text(f'like = "base.toml"\n{text}')
        return recipe.read_tables(path, overrides)

    return read


def test_keys_are_changed_and_all_others_stay(like):
    own, base = like("[train]\nsteps = 9\n[optimisers.discriminator]\nb2 = 0.9\n"), like("")
    assert own["train"] == {"steps": 9, "batch": 8}
    assert own["optimisers"]["discriminator"] == {"name": "adam", "learning_rate": 1e-3, "b1": 0.5, "b2": 0.9}
    assert {key: own[key] for key in ("data", "networks", "game")} == {
        key: base[key] for key in ("data", "networks", "game")
    }
    assert "like" not in own
    assert build.resolve(own, "own.toml")["train"]["steps"] == 9


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ('[data]\nsource = "toy.grid"', ("data",), {"source": "toy.grid"}),
        ("[data]\nmodes = 5", ("data",), {"source": "toy.ring", "modes": 5}),
        ('[networks.discriminator]\nnet = "mlp"', ("networks", "discriminator", "norm"), "spectral"),
        ('[networks.generator]\nnet = "mlp.branched"', ("networks", "generator"), {"net": "mlp.branched"}),
        ("[game.loss]\nfake_target = 0.1", ("game", "loss", "real_target"), 0.9),
        ('[game.loss]\nname = "adversarial.hinge"', ("game", "loss"), {"name": "adversarial.hinge"}),
        ('[game]\nloss = "adversarial.hinge"', ("game", "loss"), "adversarial.hinge"),
        ('[game]\nplay = "fisher"', ("game",), {"play": "fisher"}),
        ("[optimisers.generator]\nlearning_rate = 1e-2", ("optimisers", "generator", "learning_rate"), 1e-2),
        ('[optimisers.generator]\nname = "sgd"', ("optimisers", "generator"), {"name": "sgd"}),
    ],
)
def test_a_table_that_names_another_thing_begins_anew(like, text, place, value):
    found = like(text)
    for part in place:
        found = found[part]
    assert found == value


def test_overrides_come_last_and_files_are_found_beside_the_recipe(like):
    assert like("[train]\nsteps = 9\n", "train.steps=11")["train"]["steps"] == 11


def test_a_recipe_may_be_like_one_that_is_like_another(like, tmp_path):
    like("[train]\nsteps = 9\n")
    (tmp_path / "third.toml").write_text('like = "own.toml"\n[train]\nbatch = 16\n')
    assert recipe.read_tables(tmp_path / "third.toml")["train"] == {"steps": 9, "batch": 16}


def test_a_shipped_recipe_by_its_name(tmp_path, gan):
    (tmp_path / "own.toml").write_text('like = "losses/gan"\n[train]\nsteps = 3\n')
    code, out, _ = gan("recipe", "show", tmp_path / "own.toml", "--resolved", "--json")
    assert code == 0
    resolved = json.loads(out)
    assert (resolved["train"]["steps"], resolved["networks"]["generator"]["hidden"]) == (3, [128, 128])
    assert gan("recipe", "check", tmp_path / "own.toml")[0] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("like = 3", "like = 3: expected the name or path of a recipe"),
        ('like = ""', "like = '': expected the name or path of a recipe"),
        (
            'like = "losses/gam"',
            "losses/gam: no such recipe file, nor a shipped recipe; did you mean",
        ),
        ('like = "own.toml"', "like = 'own.toml': a recipe cannot be like itself"),
        ('like = "turn.toml"', "a recipe cannot be like itself"),
        ("[train]\nlike = 3", r"\[train\] like: unknown option"),
    ],
)
def test_refused_with_the_place(tmp_path, text, words):
    (tmp_path / "own.toml").write_text(text)
    (tmp_path / "turn.toml").write_text('like = "own.toml"')
    with pytest.raises(InputError, match=words):
        build.resolve(
            {**recipe.read_tables(recipe.find_recipe("ring")), **recipe.read_tables(tmp_path / "own.toml")}, "own.toml"
        )


def test_what_is_laid_over_is_a_new_table():
    base = {"train": {"steps": 1}, "data": {"source": "a"}}
    made = laid_over(base, {"train": {"steps": 2}})
    assert (base["train"]["steps"], made["train"]["steps"]) == (1, 2)


@pytest.mark.parametrize("name", recipe.shipped())
def test_recipes_that_others_are_like_say_all_of_themselves(name):
    """Two files are enough to know what a recipe is."""
    text = recipe.find_recipe(name).read_text()
    base = next((line.split('"')[1] for line in text.splitlines() if line.startswith("like = ")), None)
    if base is not None:
        assert "\nlike = " not in recipe.find_recipe(base).read_text()
