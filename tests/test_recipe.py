"""Recipes: what is accepted, what is refused, and with which words."""

import tomllib

import jax.numpy as jnp
import pytest
import tomli_w

from gan_cli import build, recipe
from gan_cli.binding import call, validate_part
from gan_cli.data.store import Store
from gan_cli.engine.optim import OPTIMISER
from gan_cli.errors import InputError
from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory
from gan_cli.games.standard import standard
from gan_cli.types import Adversarial, Spec

RING = recipe.find_recipe("ring")


def tables(*overrides):
    return recipe.read_tables(RING, overrides)


@pytest.mark.parametrize("name", recipe.shipped())
def test_every_shipped_recipe_is_valid_and_has_a_header(name):
    path = recipe.find_recipe(name)
    build.resolve(recipe.read_tables(path), str(path))
    header = recipe.header(path)
    for entry in ("paper:", "command:", "expected:", "departures:"):
        assert entry in header
    assert "MEASURE" not in header


def test_resolved_recipe_resolves_to_itself():
    resolved = build.resolve(tables(), "ring.toml")
    again = tomllib.loads(tomli_w.dumps(resolved))
    assert build.resolve(again, "ring.toml") == resolved


REFUSED = [
    ("train.stpes=5", "ring.toml: [train] stpes: unknown option; did you mean 'steps'?"),
    ("tran.steps=5", "ring.toml: [tran]: unknown table; did you mean 'train'?"),
    ("train.steps=0", "ring.toml: [train] steps = 0: input should be greater than 0"),
    ("train.steps=many", "ring.toml: [train] steps = 'many': input should be a valid integer"),
    ("train.precision=float16", "ring.toml: [train] precision = 'float16': input should be 'float32' or 'bfloat16'"),
    ("train.remat=maybe", "ring.toml: [train] remat = 'maybe': input should be a valid boolean"),
    ("train.accumulate=3", "ring.toml: [train] accumulate = 3 does not divide batch = 256"),
    ("game.play=standrd", "ring.toml: [game] play = 'standrd': no such game; did you mean 'standard'?"),
    ("game.loss=hinge", "did you mean 'adversarial.hinge'?"),
    ("game.latent=-1", "ring.toml: [game] latent = -1: input should be greater than 0"),
    ("data.source=toy.rng", "ring.toml: [data] source = 'toy.rng': no such data source; did you mean 'toy.ring'?"),
    ("networks.critic.net=mlp", "ring.toml: [networks.critic]: game 'standard' has no such part"),
    ("networks.generator.net=mpl", "ring.toml: [networks.generator] net = 'mpl': no such network"),
    ("networks.generator.hiden=[1]", "ring.toml: [networks.generator] hiden: unknown option; did you mean 'hidden'?"),
    ("optimisers.generator.name=adm", "[optimisers.generator] name = 'adm': no such optimiser; did you mean 'adam'?"),
    ("optimisers.generator.learning_rate=-1", "learning_rate = -1: expected a number greater than 0"),
    ("train.steps='5'", "ring.toml: [train] steps = '5': input should be a valid integer"),
    ("train.batch=true", "ring.toml: [train] batch = True: input should be a valid integer"),
    ("run.seed=4294967296", "ring.toml: [run] seed = 4294967296: input should be less than 4294967296"),
    ("eval.metric=fdi", "ring.toml: [eval] metric = 'fdi': no such metric; did you mean 'fid'?"),
    ("eval.features=vgg", "ring.toml: [eval] features = 'vgg': no such feature network; valid: digits"),
    ("optimisers.generator.learning_rate=inf", "learning_rate = inf: expected a number greater than 0"),
    ("ema.decay=1.0", "ring.toml: [ema] decay = 1.0: input should be less than 1"),
]


@pytest.mark.parametrize(("override", "message"), REFUSED)
def test_refused_with_the_place_and_the_mend(override, message):
    with pytest.raises(InputError) as error:
        build.resolve(tables(override), "ring.toml")
    assert message in str(error.value)


def test_optimisers_are_those_of_the_real_game():
    more = build.resolve(tables("optimisers.critic={name='adam', learning_rate=1e-3}"), "ring.toml")
    with pytest.raises(InputError, match=r"^ring.toml: \[optimisers.critic\]: game 'standard' has no such part"):
        build.experiment(more, Spec((2,)), "ring.toml: ")
    less = {**tables(), "optimisers": {"generator": tables()["optimisers"]["generator"]}}
    with pytest.raises(InputError, match=r"\[optimisers.discriminator\] is missing: game 'standard' needs it"):
        build.experiment(build.resolve(less, "ring.toml"), Spec((2,)))


def test_a_game_sees_nothing_but_the_true_spec(monkeypatch):
    """A game that looks at its data's shape is good; nobody asks it about data that there are not."""
    seen = []

    def looking(spec: Spec, generator: NetFactory, discriminator: NetFactory, *, loss: Adversarial) -> Game:
        seen.append(spec)
        (_,) = spec.shape[:-1]  # of a sequence
        return standard(spec, generator, discriminator, loss=loss)

    game = build.GAME._replace(has=lambda name: name == "looking", find=lambda _: looking)
    monkeypatch.setattr(build, "GAME", game)
    resolved = build.resolve({**tables(), "game": {"play": "looking", "loss": "adversarial.hinge"}}, "ring.toml")
    build.experiment(resolved, Spec((5, 2), medium="series"))
    assert seen == [Spec((5, 2), medium="series")]


def test_check_looks_at_data_where_they_are_here(gan, tmp_path):
    wrong = tmp_path / "ring.toml"
    text = RING.read_text() + "[optimisers.critic]\nname = 'adam'\nlearning_rate = 1e-3\n"
    wrong.write_text(text)
    assert gan("recipe", "check", wrong)[0] == 2
    assert gan("recipe", "check", wrong, "--no-data")[0] == 0
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(text.replace('source = "toy.ring"', 'source = "npz"\npath = "missing.npz"'))
    code, out, err = gan("recipe", "check", elsewhere)
    assert code == 0
    assert "valid" in out
    assert "missing.npz" in err
    assert "not checked against its data" in err
    assert gan("recipe", "check", elsewhere, "--data")[0] == 2


def test_missing_parts_are_named():
    without = {name: table for name, table in tables().items() if name != "data"}
    with pytest.raises(InputError, match=r"\[data\] is missing"):
        build.resolve(without, "ring.toml")
    half = {**tables(), "networks": {"generator": tables()["networks"]["generator"]}}
    with pytest.raises(InputError, match=r"\[networks.discriminator\] is missing"):
        build.resolve(half, "ring.toml")


def test_unreadable_files(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("[train\nsteps = 1")
    with pytest.raises(InputError, match=r"broken.toml: not valid TOML: .*line 1"):
        recipe.read_tables(broken)
    with pytest.raises(InputError, match="no such recipe file, nor a shipped recipe; did you mean 'ring'"):
        recipe.find_recipe("rnig")


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("1e-3", 1e-3), ("adversarial.hinge", "adversarial.hinge"), ("[1, 2]", [1, 2])]
)
def test_set_reads_toml_values_and_bare_words(text, value):
    assert recipe.read_tables(RING, [f"a.b.c={text}"])["a"]["b"]["c"] == value


@pytest.mark.parametrize("override", ["steps=5", "train.steps", "=5", "train.=5"])
def test_malformed_set_is_refused(override):
    with pytest.raises(InputError, match=r"expected table.key=value"):
        recipe.read_tables(RING, [override])


def test_differences_name_keys_and_leave_out_what_changes_no_step():
    old = build.resolve(tables(), "ring.toml")
    new = build.resolve(tables("train.steps=9", "run.log_every=7", "train.batch=32", "run.seed=1"), "ring.toml")
    assert recipe.differences(old, new) == [
        "run.seed: 0 was saved, 1 is given",
        "train.batch: 256 was saved, 32 is given",
    ]


def test_nested_loss_table_and_its_options():
    given = tables()
    given["game"]["loss"] = {"name": "adversarial.least_squares", "fake_target": -1}
    loss = build.resolve(given, "ring.toml")["game"]["loss"]
    assert loss == {
        "name": "adversarial.least_squares",
        "fake_target": -1.0,
        "real_target": 1.0,
        "generator_target": 1.0,
    }


def test_schedules_and_clipping():
    schedule = {"schedule": "linear_schedule", "init_value": 1.0, "end_value": 0.0, "transition_steps": 10}
    table = validate_part(OPTIMISER, {"name": "sgd", "learning_rate": schedule, "clip_norm": 1.0})
    optimiser = call(OPTIMISER, table)
    params = {"w": jnp.float32(3)}
    update, _ = optimiser.update({"w": jnp.float32(4)}, optimiser.init(params), params)
    assert float(update["w"]) == pytest.approx(-1.0)  # clipped to norm 1, rate 1


def test_weight_clipping():
    table = validate_part(OPTIMISER, {"name": "rmsprop", "learning_rate": 1.0, "clip_norm": 1.0, "clip_weights": 0.25})
    optimiser = call(OPTIMISER, table)
    params = {"w": jnp.array([0.125, -0.5, 0.0])}
    update, _ = optimiser.update({"w": jnp.array([-1.0, 1e-9, 0.0])}, optimiser.init(params), params)
    assert (params["w"] + update["w"]).tolist() == [0.25, -0.25, 0.0]


@pytest.mark.parametrize("name", OPTIMISER.names())
def test_every_optimiser_can_be_named_and_takes_a_step(name):
    optimiser = call(OPTIMISER, validate_part(OPTIMISER, {"name": name, "learning_rate": 0.1}))
    params = {"w": jnp.ones((2, 2))}
    updates, _ = optimiser.update({"w": jnp.full((2, 2), 0.5)}, optimiser.init(params), params)
    assert jnp.isfinite(updates["w"]).all()


def test_schema_offers_every_name():
    schema = build.recipe_schema()
    names = schema["else"]["properties"]["networks"]["additionalProperties"]["anyOf"][0]["enum"]
    assert {"dcgan.generator", "dcgan.discriminator"} <= set(names)


def test_networks_larger_than_the_machine_are_refused_before_memory_is_asked_for():
    tables = recipe.read_tables(recipe.find_recipe("ring"), ["networks.generator.hidden=[1000000000000]"])
    with pytest.raises(InputError, match=r"\[networks\] with their optimisers take [0-9,]+ GB"):
        build.prepare(tables, "ring", Store())


def test_the_nearest_recipe_is_a_file_beside_it_or_a_shipped_one(tmp_path, monkeypatch):
    (tmp_path / "my_photos.toml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"did you mean 'my_photos\.toml'"):
        recipe.find_recipe("my_photo.toml")
    with pytest.raises(InputError, match="did you mean 'conditional/infogan_mnist'"):
        recipe.find_recipe("infogan_mnst")
    with pytest.raises(InputError, match="did you mean 'conditional/cgan_mnist'"):
        recipe.find_recipe("conditional/cgan_mnst")
    with pytest.raises(InputError, match="`gan recipe list` names those that are shipped"):
        recipe.find_recipe("qqq")
