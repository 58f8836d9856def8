"""`--set` with another name: what only the old one knew goes with it, what a person sets never does."""

import itertools

import pytest
from tiny import tiny_recipe

from gan_cli import build, overrides, recipe
from gan_cli.errors import InputError

DIGITS = recipe.find_recipe("dcgan_digits")
SCHEDULE = {"schedule": "linear_schedule", "init_value": 1e-3, "end_value": 0.0, "transition_steps": 10}
LOSS = tiny_recipe(
    game={"loss": {"name": "adversarial.least_squares", "fake_target": -1.0}},
    optimisers={"generator": {"b1": 0.5, "learning_rate": SCHEDULE}},
    eval={"metric": "kid,fid", "options": {"kid": {"subsets": 3}}},
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(LOSS)
    return path


def changed(path, *changes):
    """The resolved recipe, and what was said."""
    said = []
    tables = overrides.read_overridden(path, changes, said.append)
    return build.resolve(tables, "a.toml"), " ".join(said)


def test_options_of_the_old_source_go_with_it(path):
    found, said = changed(path, "data.source=folder", "data.path=imgs")
    assert (found["data"]["source"], found["data"]["path"], found["data"]["size"]) == ("folder", "imgs", 8)
    assert said.endswith("belonged to: data.split")


CHANGES = [
    (["networks.generator.net=dcgan.generator", "networks.generator.width=8"], "networks.generator.hidden"),
    (["networks.generator=dcgan.generator"], "networks.generator.hidden"),
    (["game.loss=adversarial.hinge"], "game.loss.fake_target"),
    (["game.loss.name=adversarial.hinge"], "game.loss.fake_target"),
    (["optimisers.generator.name=sgd", "optimisers.generator.momentum=0.9"], "optimisers.generator.b1"),
    (
        ["optimisers.generator.learning_rate=exponential_decay", "optimisers.generator.learning_rate.decay_rate=0.5"],
        None,
    ),
    (["optimisers.generator.learning_rate=1e-4"], None),
    (
        [
            "optimisers.discriminator.learning_rate.schedule=cosine_decay_schedule",
            "optimisers.discriminator.learning_rate.init_value=1e-3",
            "optimisers.discriminator.learning_rate.decay_steps=10",
        ],
        None,
    ),
    (["eval.metric=fid"], "eval.options.kid"),
    (["eval.metric=KID,is", "eval.options.KID.subset_size=10"], None),
    (["game.loss=adversarial.least_squares", "game.loss.real_target=0.9"], None),
    (["train.steps=5"], None),
]


@pytest.mark.parametrize(("changes", "gone"), CHANGES)
def test_what_the_new_name_does_not_know_is_left_out_and_told(path, changes, gone):
    results = [changed(path, *order) for order in itertools.permutations(changes)]
    assert all(result == results[0] for result in results)
    assert (gone in results[0][1]) if gone else not results[0][1]


def test_what_both_names_know_is_kept(path):
    found, _ = changed(path, "networks.generator.net=mlp.maxout", "eval.options.is.splits=3", "eval.metric=is,kid")
    assert found["networks"]["generator"]["hidden"] == [16]
    assert found["eval"]["options"]["kid"]["subsets"] == 3
    assert found["eval"]["options"]["inception-score"]["splits"] == 3


def test_parts_that_another_game_has_not_go_with_the_old_one():
    path = recipe.find_recipe("conditional/infogan_digits")
    found, said = changed(path, "game.play=standard")
    assert set(found["networks"]) == {"generator", "discriminator"}
    assert "networks.recognition" in said
    assert "game.categorical" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.source=folder", "data.path=imgs", "data.split=all"], "[data] split: unknown option"),
        (["game.loss=adversarial.hinge", "game.loss.fake_target=0"], "loss.fake_target: unknown option"),
        (["data.source=foldr"], "did you mean 'folder'"),
        (["networks.critic.net=mlp"], "[networks.critic]: game 'standard' has no such part"),
        (["eval.metric=fid", "eval.options.kid.subsets=5"], "kid: this metric is not asked for"),
        (["networks.generator.width=8"], "[networks.generator] width: unknown option"),
        (["train.steps.x=8"], "steps"),
    ],
)
def test_what_a_person_sets_is_never_left_out(path, changes, message):
    with pytest.raises(InputError) as error:
        changed(path, *changes)
    assert message in str(error.value)


def test_a_files_own_mistakes_stay_mistakes(path):
    path.write_text(LOSS.replace("size = 8", "sise = 8"))
    with pytest.raises(InputError, match="sise: unknown option"):
        changed(path, "data.source=digits")


def test_the_commands_say_it_once(gan, path):
    change = ("--set", "data.source=toy.ring", "--set", "game.latent=3")
    for command in (("recipe", "check"), ("recipe", "show"), ("data", "check")):
        code, out, err = gan(*command, path, *change)
        assert code in (0, 2), err
        assert err.count("left out, because --set") == 1
        assert "split" not in out
