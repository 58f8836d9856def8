"""The introspective adversarial network against its paper's formula, by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli.games.ian import ian
from gan_cli.games.networks import Nets, define, initialise
from gan_cli.games.vae import normal
from gan_cli.types import Ports, Spec

X = jnp.array([[1.0, 2.0], [3.0, -1.0]])
BATCH = {"x": X, "z": jnp.array([[0.5], [-1.0]]), "seed": jnp.array([3, 4], jnp.uint32)}


class Linear(nnx.Module):
    """x W, of constant W; shows its input and twice that."""

    def __init__(self, weight: float, ports: Ports, rngs: nnx.Rngs):
        self.shape = (ports.inputs[0], int(np.prod(ports.outputs)))
        self.weight = nnx.Param(weight * jnp.arange(1.0, 1 + np.prod(self.shape)))

    def __call__(self, x):
        return x @ self.weight[...].reshape(self.shape), {"features": x, "twice": 2 * x}


def played(turn, **options):
    networks = [partial(Linear, weight) for weight in (1.0, 0.1, 0.01)]
    game = ian(Spec((2,)), *networks, latent=1, **options)
    definitions = {role: define(build) for role, build in game.networks.items()}
    variables = {role: initialise(build, jax.random.key(0)) for role, build in game.networks.items()}
    nets = Nets(definitions, variables, jax.random.key(1))
    value, report = jax.jit(lambda: game.turn(turn).loss(nets, BATCH))()
    return float(value), {name: float(x) for name, x in report.items()}, game, Nets(definitions, variables)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def by_hand():
    """Rebuilt and drawn examples, D's log-probabilities of each kind, and KL."""
    x, z = np.asarray(X), np.asarray(BATCH["z"])
    mean, log_sd = np.split(x @ np.array([[0.01, 0.02], [0.03, 0.04]]), 2, axis=1)
    code = mean + np.exp(log_sd) * np.asarray(normal(BATCH["seed"], (1,)))
    rebuilt, drawn = code @ np.array([[1.0, 2.0]]), z @ np.array([[1.0, 2.0]])
    says = [log_softmax(kind @ np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])) for kind in (x, drawn, rebuilt)]
    return x, rebuilt, says, 0.5 * (mean**2 + np.exp(2 * log_sd) - 1 - 2 * log_sd).sum(axis=1).mean()


def test_the_discriminator_tells_three_kinds():
    value, report, *_ = played("discriminator")
    _, _, says, _ = by_hand()
    assert value == pytest.approx(-sum(says[kind][:, kind].mean() for kind in range(3)), rel=1e-5)
    assert 0 <= report["accuracy"] <= 1


def test_generator_and_encoder_fool_it_rebuild_and_stay_near_the_prior():
    value, report, *_ = played("generator", adversarial=0.5, pixels=3.0, features=2.0, kl=0.1)
    x, rebuilt, says, kl = by_hand()
    fooled = -says[1][:, 0].mean() - says[2][:, 0].mean()
    pixels = np.abs(x - rebuilt).mean()
    features = (1 + 4) / 2 * np.square(x - rebuilt).mean()
    assert report == pytest.approx({"pixels": pixels, "features": features, "kl": kl}, rel=1e-5)
    assert value == pytest.approx(0.5 * fooled + 3 * pixels + 2 * features + 0.1 * kl, rel=1e-5)


@pytest.mark.parametrize("introspective", [True, False])
def test_a_reconstruction_is_the_sample_of_the_mean(introspective):
    *_, game, nets = played("generator", introspective=introspective)
    made = game.ask("reconstruct").do(nets, BATCH)
    mean = np.asarray(X) @ np.array([[0.01], [0.03]])
    np.testing.assert_allclose(made, mean @ np.array([[1.0, 2.0]]), atol=1e-6)
    np.testing.assert_allclose(game.encode(nets, X)["z"], mean, atol=1e-6)
