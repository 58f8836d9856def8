"""What is asked for and is more than there is, or may be, is told or refused."""

import pytest

from gan_cli import build, recipe
from gan_cli.cli import console
from gan_cli.data.store import Store

DIGITS = recipe.find_recipe("dcgan_digits")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["networks.generator.width=100000"], ["[networks.generator] width = 100000: max_width = 512 holds"]),
        (["networks.generator.width=600", "networks.generator.max_width=600"], []),
        (
            ["networks.generator.max_width=8", "networks.discriminator.max_width=8"],
            ["[networks.generator] width", "[networks.discriminator] width"],
        ),
        ([], []),
    ],
)
def test_a_width_beyond_the_widest_is_told(changes, told):
    said = []
    prepared = build.prepare(recipe.read_tables(DIGITS, changes), "a.toml", Store(note=said.append))
    assert len(said) == len(told)
    for message, part in zip(said, told, strict=True):
        assert message.startswith(part)
    assert prepared.resolved["networks"]["generator"]["width"]


def test_fewer_images_than_asked_for_are_told(gan):
    asked = ("eval", "--fake", "digits", "--real", "digits", "--features", "pixels", "--metric", "kid")
    code, _, err = gan(*asked, "--n", 5000, "--n-real", 100)
    assert code == 0
    assert "--n 5000: there are 898, and all of them were taken" in err
    assert "--n-real" not in err
    assert "there are" not in gan(*asked)[2]


def test_more_samples_than_memory_holds_are_refused(gan, tmp_path, untrained):
    for command in (("sample", "--out", tmp_path / "a.npz"), ("eval", "--metric", "kid", "--features", "pixels")):
        code, _, err = gan(command[0], "--ckpt", untrained["plain"], "--n", 10**13, *command[1:])
        assert code == 2
        assert "10,000,000,000,000 samples with their latents take" in err
    assert not list(tmp_path.iterdir())


def test_a_long_drawing_says_how_far_it_is(gan, tmp_path, untrained, monkeypatch):
    ask = ("sample", "--ckpt", untrained["plain"], "--n", 20, "--batch", 4, "--out", tmp_path / "a.npz")
    assert "samples/s" not in gan(*ask)[2]  # done sooner than anything is said
    monkeypatch.setattr(console.Pace.__init__, "__defaults__", (0.0,))
    code, _, err = gan(*ask)
    assert code == 0
    assert "16 of 20 samples" in err
    assert " left" in err


def test_pace_starts_again_with_another_drawing(capsys):
    told = console.Pace(0.0)
    for done in (0, 5, 10, 0, 5, 10):
        told(done, 15)
    assert capsys.readouterr().err.count("10 of 15 samples") == 2
