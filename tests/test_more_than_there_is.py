"""What is asked for and is more than there is, or may be, is told or refused."""

import pytest

from gan_cli import build, recipe
from gan_cli.data.store import Store

DIGITS = recipe.find("dcgan_digits")


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
    prepared = build.prepare(recipe.read(DIGITS, changes), "a.toml", Store(note=said.append))
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
