"""Games that classify: the semi-supervised one against its paper's formula, and accuracy."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w
from scipy.special import expit
from test_games import BATCH, FAKE, X, linear, play
from tiny import tiny_tables

from gan_cli.games import semi_supervised
from gan_cli.games.networks import Nets, define, initialise
from gan_cli.losses import adversarial
from gan_cli.metrics.accuracy import accuracy
from gan_cli.metrics.frechet import Statistics
from gan_cli.metrics.metric import NOTHING, Sample
from gan_cli.types import Spec

SPEC = Spec((2,), ("a", "b", "c"))
LABELLED = {"labelled_x": jnp.array([[1.0, 0.5], [0.0, 2.0]]), "labelled_y": jnp.array([0, 2])}
TABLES = {
    "data": {"split": "train", "labelled": 20},
    "game": {"play": "semi_supervised", "loss": "adversarial.minimax", "latent": 4},
    "train": {"steps": 4},
    "eval": {"metric": "accuracy", "every": 4, "n": 50, "split": "test"},
    "run": {"sample_every": 0},
    "monitor": {"every": 0},
}


def softplus(x):
    return np.logaddexp(0, x)


def test_the_losses_by_hand():
    """The network of ones has K equal logits, the sum of its input: its log-sum-exp is log K more."""
    game = semi_supervised.semi_supervised(SPEC, linear, linear, loss=adversarial.minimax(), latent=1)
    real, fake = (np.asarray(x).sum(axis=1) + np.log(3) for x in (X, FAKE))
    value, report = play(game, "discriminator", {**BATCH, **LABELLED})
    paper = np.log(3) + 0.5 * (-real + softplus(real)).mean() + 0.5 * softplus(fake).mean()
    assert value == pytest.approx(paper, rel=1e-5)
    assert report["labelled"] == pytest.approx(-np.log(3), rel=1e-5)
    assert expit(report["real_score"]) == pytest.approx(expit(real.mean()), rel=1e-5)
    value, _ = play(game, "generator", {**BATCH, **LABELLED})
    assert value == pytest.approx(np.square(np.asarray(X).mean(axis=0) - FAKE.mean(axis=0)).sum(), rel=1e-5)


def test_without_the_game_it_is_a_classifier_of_labelled_examples_alone():
    options = {"loss": adversarial.minimax(), "latent": 1, "unsupervised": 0.0}
    game = semi_supervised.semi_supervised(SPEC, linear, linear, **options)
    one, _ = play(game, "discriminator", {**BATCH, **LABELLED})
    other, _ = play(game, "discriminator", {**BATCH, **LABELLED, "x": 7 * X})
    assert one == other == pytest.approx(np.log(3), rel=1e-5)


def test_an_answer_is_log_probabilities():
    game = semi_supervised.semi_supervised(SPEC, linear, linear, loss=adversarial.minimax(), latent=1)
    nets = Nets(
        {role: define(b) for role, b in game.networks.items()},
        {role: initialise(b, jax.random.key(0)) for role, b in game.networks.items()},
    )
    np.testing.assert_allclose(np.exp(game.asks["classify"].do(nets, {"x": X})), np.full((2, 3), 1 / 3), rtol=1e-6)


def test_accuracy_counts_and_says_how_sure():
    answers = np.log(np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]], np.float32))
    asked = NOTHING._replace(answers=answers, truths=np.array([0, 1, 1, 1]))
    found = accuracy().compute(None, asked)
    expected = -np.log([0.7, 0.6, 0.1, 0.8]).mean()
    assert found == {"accuracy": 0.75, "accuracy-errors": 1, "accuracy-log-loss": pytest.approx(expected, rel=1e-6)}
    assert isinstance(asked, Sample)
    assert isinstance(asked.statistics, Statistics)


def test_a_run_says_how_many_it_gets_right(gan, tmp_path):
    (tmp_path / "r.toml").write_text(tomli_w.dumps(tiny_tables(**TABLES)))
    code, _, err = gan("train", tmp_path / "r.toml", "--out", tmp_path / "run")
    assert code == 0, err
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["accuracy"] == pytest.approx(1 - last["accuracy-errors"] / 50)
    assert last["protocol"]["given"] == "classify of 50 (digits test)"
