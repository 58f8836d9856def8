"""CoGAN: its losses by hand, what its networks have in common, pairs drawn and judged beside each other."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w
from flax import nnx
from tiny import tiny_tables

from gan_cli.data.usps import parse
from gan_cli.engine.state import definitions
from gan_cli.errors import DamagedError, InputError
from gan_cli.games.cogan import cogan
from gan_cli.games.networks import Nets, initialise
from gan_cli.layers.layout import formulation
from gan_cli.losses import adversarial
from gan_cli.metrics import find_metric
from gan_cli.metrics.pixel_agreement import agreement
from gan_cli.nets import coupled
from gan_cli.types import Ports, Spec

PIXEL = Spec((1, 1, 1), ("zero", "one"))


class Made(nnx.Module):
    """Of a latent twice its sum for domain a, three times for b."""

    def __init__(self):
        self.factors = nnx.Param(jnp.array([2.0, 3.0]))

    def __call__(self, z):
        return (z.sum(axis=1)[:, None] * self.factors[...]).reshape(-1, 2, 1, 1, 1), {}


class Said(nnx.Module):
    """Of a pixel itself as its score, and it and its double as logits; features are the pixel."""

    def __init__(self, heads: int):
        self.factors = nnx.Param(jnp.array([1.0, 1.0, 2.0])[:heads])

    def __call__(self, x):
        pixel = x.reshape(len(x), 2, 1)
        return pixel * self.factors[...], {"features": pixel}


def played(**options):
    """The game of these two, and its networks at work."""
    made = cogan(
        PIXEL, PIXEL, lambda ports, rngs: Made(), lambda ports, rngs: Said(ports.outputs[1]), latent=1, **options
    )
    weights = {role: initialise(build, jax.random.key(0)) for role, build in made.networks.items()}
    return made, Nets(definitions(made), weights)


A, B, Z = np.float32([1.0, -1.0]), np.float32([0.5, 2.0]), np.float32([0.1, -0.3])
BATCH = {"a_x": A.reshape(2, 1, 1, 1), "b_x": B.reshape(2, 1, 1, 1), "z": Z[:, None], "a_y": np.int32([0, 1])}


def test_the_losses_by_hand():
    game, nets = played(loss=adversarial.wasserstein(), classification=10.0, alike=0.5)
    value, report = game.turn("discriminator").loss(nets, BATCH)
    critic = (2 * Z).mean() - A.mean() + (3 * Z).mean() - B.mean()
    logits = np.stack([A, 2 * A], axis=1)
    wrong = (np.log(np.exp(logits).sum(axis=1)) - logits[[0, 1], [0, 1]]).mean()
    np.testing.assert_allclose(value, critic + 10 * wrong + 0.5 * np.square(Z).mean(), rtol=1e-5)
    np.testing.assert_allclose(report["unlike"], np.square(3 * Z - 2 * Z).mean(), rtol=1e-5)
    value, _ = game.turn("generator").loss(nets, BATCH)
    np.testing.assert_allclose(value, -(5 * Z).mean(), rtol=1e-5)
    assert game.labels_of("a") == "all"
    assert game.labels_of("b") == "unused"


def test_a_pair_is_what_both_asks_make_of_the_same_draws():
    game, nets = played(loss=adversarial.wasserstein(), classification=1.0)
    pair, a, b = (game.ask(name).do(nets, BATCH) for name in ("pair", "a", "b"))
    np.testing.assert_array_equal(pair, np.concatenate([a, b], axis=2))
    np.testing.assert_allclose(b.ravel(), 3 * Z, rtol=1e-6)
    answers = game.ask("classify").do(nets, {"b_x": BATCH["b_x"]})
    np.testing.assert_allclose(np.exp(answers).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(answers[:, 1] - answers[:, 0], B, rtol=1e-5)


@pytest.mark.parametrize("shared", [0, 1, None])
def test_networks_share_what_they_say_and_keep_domains_apart(shared):
    latent, pixels = Ports((3,), (2, 8, 8, 1)), Ports((2, 8, 8, 1), (2,))
    with formulation("lax"):
        make = coupled.generator(latent, nnx.Rngs(0), width=4, norm="none", shared=shared)
        look = coupled.discriminator(pixels, nnx.Rngs(0), width=4, norm="none", shared=shared)
        assert len(make.trunk) == (1 if shared is None else shared)  # of two layers
        assert len(look.lasts) == (1 if shared != 0 else 2)
        x = make(jnp.ones((2, 3)))[0]
        assert x.shape == (2, 2, 8, 8, 1)
        assert not np.allclose(x[:, 0], x[:, 1])
        score, inside = look(x)
        other = look(x.at[:, 1].set(0.0))[0]
        assert inside["features"].shape == (2, 2, 64)
    np.testing.assert_allclose(score[:, 0], other[:, 0], rtol=1e-5)
    assert not np.allclose(score[:, 1], other[:, 1])
    with pytest.raises(InputError, match="shared = 3"):
        coupled.generator(latent, nnx.Rngs(0), width=4, shared=3)


def test_domains_are_images_of_one_shape_and_of_the_same_classes():
    make = partial(cogan, generator=None, discriminator=None, loss=adversarial.wasserstein())
    with pytest.raises(ValueError, match="one shape"):
        make(PIXEL, Spec((1, 1, 3)))
    with pytest.raises(ValueError, match="differ"):
        make(PIXEL, PIXEL._replace(classes=("zero",)), classification=1.0)


def test_pixel_agreement_is_of_the_view():
    truths = np.array([[0, 255], [255, 255]], np.uint8).reshape(2, 1, 2, 1)
    np.testing.assert_allclose(agreement(jnp.array(255 - truths), jnp.array(truths)), 0)
    metric = find_metric("pixel-agreement", views=["views.inverted"])
    np.testing.assert_allclose(metric.pair(jnp.array(255 - truths), jnp.array(metric.seen(truths))), 1)


def test_usps_says_what_is_wrong_with_an_archive(tmp_path):
    np.savez(tmp_path / "usps.npz", x_test=np.zeros((3, 16, 16)), y_test=np.zeros(3, np.uint8))
    with pytest.raises(DamagedError, match="x_test"):
        parse((tmp_path / "usps.npz").read_bytes(), "test")


@pytest.mark.slow  # 20 s
def test_a_run_draws_pairs_and_judges_one_ask_beside_another(tmp_path, gan):
    digits = {"source": "digits", "split": "train", "size": 8, "channels": 1}
    wanted = tiny_tables(
        game={"play": "cogan", "loss": "adversarial.hinge", "classification": 1.0},
        train={"steps": 2},
        run={"sample_every": 2},
        eval={"every": 2, "metric": "pixel-agreement,class-kept", "n": 20, "ask": "b", "beside": "a", "split": "test"},
    )
    wanted["eval"]["options"] = {"pixel-agreement": {"views": ["views.inverted"]}}
    wanted["data"] = {"a": digits, "b": {**digits, "views": ["views.inverted"], "labelled": 0}}
    wanted["networks"] = {role: {"net": f"coupled.{role}", "width": 2} for role in ("generator", "discriminator")}
    (tmp_path / "pairs.toml").write_text(tomli_w.dumps(wanted))
    run = tmp_path / "run"

    def done(*arguments):
        code, out, err = gan(*arguments)
        assert code == 0, err
        return out

    done("train", tmp_path / "pairs.toml", "--out", run)
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert 0 <= line["pixel-agreement"] <= 1
    for ask in ("pair", "b"):
        done("sample", "--ckpt", run, "--ask", ask, "--n", 3, "--out", tmp_path / f"{ask}.npz")
    pairs, b = (np.load(tmp_path / f"{ask}.npz")["arr_0"] for ask in ("pair", "b"))
    assert pairs.shape == (3, 8, 16, 1)
    np.testing.assert_array_equal(pairs[:, :, 8:], b)
    done("sample", "--ckpt", run, "--ask", "a", "--n", 4, "--out", tmp_path / "a.png")
    answered = json.loads(done("eval", "--ckpt", run, "--metric", "accuracy", "--n", 20, "--json"))
    assert answered["protocol"]["given"] == "classify of 20 (digits test)"
    code, _, err = gan("eval", "--ckpt", run, "--metric", "l1", "--n", 20, "--beside", "c")
    assert (code, "beside = 'c'" in err) == (2, True)
