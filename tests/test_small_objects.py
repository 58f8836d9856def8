"""Perceptual GAN for small objects: its losses by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli.engine.state import definitions
from gan_cli.games.networks import Nets, initialise
from gan_cli.games.small_objects import small_objects
from gan_cli.losses import adversarial
from gan_cli.types import Spec

SPEC = Spec((2, 2, 1), ("a", "b"), parts={"input": Spec((1, 1, 1))})
X = np.float32([[1, 2, 3, 4], [0, 0, 0, 2]]).reshape(2, 2, 2, 1)
SMALL = np.float32([2.0, -1.0])
BATCH = {"x": X, "input": SMALL.reshape(2, 1, 1, 1), "y": np.int32([0, 1])}
FACTORS = {"trunk": 1.0, "residual": 0.5, "classifier": 1.0, "discriminator": 3.0}


class Times(nnx.Module):
    """The mean of all numbers times a factor; of several outputs the others are 0."""

    def __init__(self, factor, ports):
        self.factor = nnx.Param(jnp.float32(factor))
        self.ends = ports.outputs

    def __call__(self, x):
        first = self.factor[...] * x.reshape(len(x), -1).mean(axis=1)
        rest = [jnp.zeros_like(first)] * (int(np.prod(self.ends)) - 1)
        return jnp.stack([first, *rest], axis=1).reshape(len(x), *self.ends), {}


def played(**options):
    """The game of these, and its networks at work."""
    makers = {role: lambda ports, rngs, by=by: Times(by, ports) for role, by in FACTORS.items()}
    game = small_objects(SPEC, **makers, loss=adversarial.wasserstein(), features=1, **options)
    weights = {role: initialise(build, jax.random.key(0)) for role, build in game.networks.items()}
    return game, Nets(definitions(game), weights)


def wrong(f):
    """-log p(y): the logits are (f, 0), the classes 0 and 1."""
    return (np.log(1 + np.exp(f)) - f * [1, 0]).mean()


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_the_losses_by_hand(weight):
    game, nets = played(adversarial=weight)
    large, lifted = X.mean(axis=(1, 2, 3)), 1.5 * SMALL
    value, _ = game.turn("discriminator").loss(nets, BATCH)
    np.testing.assert_allclose(value, 3 * (lifted - large).mean(), rtol=1e-5)
    value, report = game.turn("generator").loss(nets, BATCH)
    np.testing.assert_allclose(value, wrong(lifted) + wrong(large) - weight * 3 * lifted.mean(), rtol=1e-5)
    assert (report["small_accuracy"], report["large_accuracy"]) == (1.0, 0.5)
    answers = game.ask("classify").do(nets, BATCH)
    np.testing.assert_allclose(answers[:, 0] - answers[:, 1], lifted, rtol=1e-5)


def test_small_and_large_objects_have_as_many_channels():
    with pytest.raises(ValueError, match="as many channels"):
        small_objects(SPEC._replace(parts={"input": Spec((1, 1, 3))}), *[None] * 4, loss=adversarial.wasserstein())
