"""StackGAN by hand, and captioned pictures whose attributes are read off the pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli.data.captioned import ATTRIBUTES, WORDS, captioned
from gan_cli.data.store import Store
from gan_cli.engine.state import definitions
from gan_cli.games.networks import Nets, initialise
from gan_cli.games.stackgan import stackgan
from gan_cli.losses import adversarial
from gan_cli.metrics.attributes import read
from gan_cli.types import Spec

SPEC = Spec((2, 2, 1), parts={"input": Spec((1,))})
X = np.float32([[1, 2, 3, 4], [0, 0, 0, 2]]).reshape(2, 2, 2, 1)
SAID = np.float32([[1.0], [3.0]])
NOISE = np.float32([[[0.5], [1.0]], [[-0.5], [2.0]]])  # of both stages
BATCH = {"x": X, "input": SAID, "z": np.zeros((2, 1), np.float32), "noise": NOISE}
LOG_SD = np.log(2)


class Scripted(nnx.Module):
    """A network without anything to learn but one factor."""

    def __init__(self, function):
        self.factor = nnx.Param(jnp.ones(()))
        self.function = function

    def __call__(self, x):
        return self.factor[...] * self.function(x), {}


ROLES = {
    # μ = t, log σ = log 2
    "conditioning": lambda t: jnp.concatenate([t, jnp.full_like(t, LOG_SD)], axis=1),
    "generator": lambda z: z.sum(axis=1).reshape(-1, 1, 1, 1),  # the code, as z is 0
    "discriminator": lambda x: x[..., 0].mean(axis=(1, 2)) * x[:, 0, 0, 1],  # mean level times what is said
    "second_conditioning": lambda t: jnp.concatenate([2 * t, jnp.zeros_like(t)], axis=1),
    "second_generator": lambda x: jnp.broadcast_to(x[..., :1] + 10 * x[..., 1:], (len(x), 2, 2, 1)),
    "second_discriminator": lambda x: x[..., 0].mean(axis=(1, 2)) * x[:, 0, 0, 1],
}


def played(spec=SPEC, **options):
    """The game of these, and its networks at work."""
    makers = [lambda ports, rngs, function=function: Scripted(function) for function in ROLES.values()]
    game = stackgan(spec, *makers, loss=adversarial.wasserstein(), latent=1, code=1, factor=2, first=5, **options)
    weights = {role: initialise(build, jax.random.key(0)) for role, build in game.networks.items()}
    return game, Nets(definitions(game), weights)


def test_both_stages_by_hand():
    game, nets = played()
    t, levels = SAID.ravel(), X.mean(axis=(1, 2)).ravel()
    small = t + 2 * NOISE[:, 0, 0]
    right, wrong, fake = (levels * t).mean(), (levels * t[::-1]).mean(), (small * t).mean()
    value, _ = game.turn("discriminator").loss(nets, BATCH)
    np.testing.assert_allclose(value, (fake + wrong) / 2 - right, rtol=1e-5)
    value, report = game.turn("generator").loss(nets, BATCH)
    kl = (0.5 * (t**2 + 4 - 1) - LOG_SD).mean()
    np.testing.assert_allclose(report["kl"], kl, rtol=1e-5)
    np.testing.assert_allclose(value, kl - fake, rtol=1e-5)
    large = small + 10 * (2 * t + NOISE[:, 1, 0])
    value, _ = game.turn("second_generator").loss(nets, BATCH)
    np.testing.assert_allclose(value, (0.5 * (2 * t) ** 2).mean() - (large * t).mean(), rtol=1e-5)
    value, _ = game.turn("second_discriminator").loss(nets, BATCH)
    np.testing.assert_allclose(value, ((large * t).mean() + wrong) / 2 - right, rtol=1e-5)
    assert game.together == 2
    np.testing.assert_allclose(game.ask("sample").do(nets, BATCH)[:, 0, 0, 0], large, rtol=1e-5)
    np.testing.assert_allclose(game.ask("stage_1").do(nets, BATCH)[:, 1, 1, 0], small.clip(-1, 1), rtol=1e-5)
    due = [[bool(turn.due(step)) for turn in game.turns] for step in (0, 4, 5)]
    assert due == [[True, True, False, False]] * 2 + [[False, False, True, True]]


def test_where_neighbours_say_the_same_the_fake_stands_in_for_the_mismatch():
    game, nets = played()
    batch = {**BATCH, "input": np.full((2, 1), 2.0, np.float32)}
    value, report = game.turn("discriminator").loss(nets, batch)
    np.testing.assert_allclose(value, report["fake_score"] - report["real_score"], rtol=1e-5)


def test_a_class_is_said_one_hot_and_can_be_set():
    game, nets = played(Spec((2, 2, 1), ("a",)))
    assert list(game.controls) == ["class"]
    drawn = game.draw(jax.random.key(0), 2)
    made = game.ask("sample").do(nets, drawn)
    np.testing.assert_array_equal(made, game.ask("sample").do(nets, {**drawn, "y": drawn["class"]}))
    with pytest.raises(ValueError, match="part 'input'"):
        played(Spec((2, 2, 1)))
    with pytest.raises(ValueError, match="factor = 2 divides"):
        played(Spec((3, 3, 1), ("a",)))


def test_attributes_of_captioned_pictures_are_read_off_their_pixels():
    source = captioned(Store.from_environment(None), n=150, seed=1)
    examples = source.load(np.arange(150))
    numbers = np.asarray(jax.jit(read)(jnp.asarray(examples["x"])))  # [150, 4]
    words = [[*WORDS].index(word[i]) for row in numbers for word, i in zip(ATTRIBUTES.values(), row, strict=True)]
    said = np.argwhere(examples["input"])[:, 1]
    assert (np.array(words) == said).reshape(150, 4).mean(axis=0).min() >= 0.99
