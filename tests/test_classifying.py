"""Games that classify beside others' data: domains, tasks, pairs of an image and a label; against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import expit, log_softmax
from test_games import FAKE, Linear, X, Z, linear, play
from tiny import tiny_tables

from gan_cli import build
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.games import classifier, domain_adversarial, replay, triple_gan
from gan_cli.losses import adversarial
from gan_cli.types import Penalty, Spec, Tasks

SPEC = Spec((2,), ("a", "b", "c"))
LABELS = jnp.array([0, 2])
SEED = jnp.array([1, 2], jnp.uint32)
MINIMAX = adversarial.minimax()


class Slanted(Linear):
    """Logits are the sum of the input times 0, 1 and 2: what is right depends on the label."""

    def __init__(self, ports, rngs):
        super().__init__(ports, rngs)
        self.weight = nnx.Param(jnp.broadcast_to(jnp.arange(self.weight.shape[1], dtype=float), self.weight.shape))


def nats(x, labels):
    """-log p of labels, by the logits of Slanted: [B]."""
    logits = np.asarray(x).sum(axis=1)[:, None] * np.arange(3)
    return -log_softmax(logits, axis=1)[np.arange(len(logits)), np.asarray(labels)]


def softplus(x):
    return np.logaddexp(0, np.asarray(x))


def test_a_classifier_is_its_cross_entropy_and_generated_images_have_no_class():
    value, report = play(classifier.classifier(SPEC, Slanted), "network", {"x": X, "y": LABELS})
    assert value == pytest.approx(nats(X, LABELS).mean(), rel=1e-5)
    assert report["right"] == 0.5  # the second: both sums are positive, and 2 has the largest logit
    batch = {"real_x": X, "real_y": LABELS, "generated_x": X / 5}
    value, report = play(classifier.lsro(SPEC, SPEC, Slanted, weight=2.0), "network", batch)
    uniform = np.mean([nats(X / 5, [k, k]).mean() for k in range(3)])
    assert value == pytest.approx(nats(X, LABELS).mean() + 2 * uniform, rel=1e-5)
    with pytest.raises(ValueError, match="no labels"):
        classifier.classifier(Spec((2,)), linear)
    with pytest.raises(ValueError, match="one size"):
        classifier.lsro(SPEC, Spec((3,)), linear)


def domains(**options):
    return domain_adversarial.domain_adversarial(SPEC, SPEC, Slanted, linear, loss=MINIMAX, **options)


BOTH = {"source_x": X, "source_y": LABELS, "target_x": -X, "seed": SEED}


def test_domains_by_hand():
    """Features are the examples themselves: the critic's scores are their sums."""
    sums = np.asarray(X).sum(axis=1)
    told = softplus(-sums).mean() + softplus(-sums).mean()  # the target is the source's negative
    slope = Penalty(lambda critic, real, fake, keys: jnp.square(critic(real) - critic(fake)).mean())
    value, report = play(domains(penalties=(slope,)), "critic", BOTH)
    assert value == pytest.approx(told + np.square(2 * sums).mean(), rel=1e-5)
    assert report["accuracy"] == 1.0
    value, report = play(domains(confusion=0.5), "classifier", BOTH)
    error = nats(X, LABELS).mean()
    assert value == pytest.approx(error - 0.5 * told, rel=1e-5)
    for step, share in ((0, 0.0), (5, 0.5), (30, 1.0)):
        _, report = play(domains(confusion=0.5, ramp=10), "classifier", BOTH, step=step)
        assert report["weight"] == pytest.approx(0.5 * (2 / (1 + np.exp(-10 * share)) - 1), rel=1e-5)
    value, _ = play(domains(confusion=0.0), "classifier", BOTH)
    assert value == pytest.approx(error, rel=1e-5)


def test_domains_that_do_not_fit_are_refused():
    make = domain_adversarial.domain_adversarial
    for source, target, message in (
        (SPEC, Spec((3,), SPEC.classes), "their examples are 2 and 3"),
        (Spec((2,)), SPEC, "the source has no labels"),
        (SPEC, Spec((2,), ("a", "x")), "these have a, b, c and a, x"),
    ):
        with pytest.raises(ValueError, match=message):
            make(source, target, linear, linear, loss=MINIMAX)


@pytest.mark.parametrize(("step", "task"), [(0, 0), (10, 1), (35, 2)])
def test_a_share_of_one_in_t_is_the_tasks_own(step, task):
    options = {"loss": MINIMAX, "latent": 1}
    game = replay.replay(SPEC, Tasks(3, 10), linear, linear, Slanted, **options)
    coin = jnp.array([0.4, 0.9])
    batch = {"x": X, "y": LABELS, "z": Z, "old_z": Z, "coin": coin, "seed": SEED}
    own = np.asarray(coin) < 1 / (task + 1)
    shown = np.where(own[:, None], X, FAKE)
    value, report = play(game, "discriminator", batch, step=step)
    assert value == pytest.approx((softplus(-shown.sum(1)) + softplus(FAKE.sum(1))).mean(), rel=1e-5)
    value, report = play(game, "solver", batch, step=step)
    assert report["own"] == own.mean()
    each = np.stack([nats(shown, [k, k]) for k in range(3)], axis=1)  # [B, K]
    old = np.exp(-np.stack([nats(FAKE, [k, k]) for k in range(3)], axis=1))  # the old solver's probabilities
    for distil, told in ((True, old), (False, np.eye(3)[old.argmax(axis=1)])):
        game = replay.replay(SPEC, Tasks(3, 10), linear, linear, Slanted, distil=distil, **options)
        wanted = np.where(own[:, None], np.eye(3)[np.asarray(LABELS)], told)
        assert play(game, "solver", batch, step=step)[0] == pytest.approx((wanted * each).sum(1).mean(), rel=1e-4)
    value, _ = play(game, "generator", batch, step=step)
    assert value == pytest.approx(float(MINIMAX.generator(shown.sum(1), FAKE.sum(1))), rel=1e-5)
    assert [(copy.every, copy.stop) for copy in game.copies] == [(10, 30), (10, 30)]
    alone = replay.replay(SPEC, Tasks(3, 10), linear, linear, linear, replayed=False, **options)
    assert play(alone, "solver", batch, step=step)[1]["own"] == 1


def test_replay_wants_tasks():
    network = {"net": "mlp", "hidden": [4]}
    adam = {"name": "adam", "learning_rate": 1e-3}
    roles = ("generator", "discriminator", "solver")
    tables = tiny_tables(
        game={"play": "replay", "loss": "adversarial.minimax"},
        networks=dict.fromkeys(roles, network),
        optimisers=dict.fromkeys(roles, adam),
    )
    with pytest.raises(InputError, match=r"\[data\] tasks = 5"):
        build.prepare(tables, "r.toml", Store())


def test_triple_gan_by_hand():
    game = triple_gan.triple_gan(SPEC, linear, linear, Slanted, latent=1, pseudo_start=0)
    label = jnp.array([1, 0])
    batch = {"x": X, "z": Z, "class": label, "toss": jnp.array([0.9, 0.1]), "labelled_x": X, "labelled_y": LABELS}
    scores = np.asarray(X).sum(1)
    p = np.exp(-np.stack([nats(X, [k, k]) for k in range(3)], axis=1))  # the classifier's, [B, K]
    drawn = (np.cumsum(p, axis=1) < np.array([0.9, 0.1])[:, None]).sum(axis=1)
    real, told = scores * (1 + np.asarray(LABELS)), scores * (1 + drawn)
    fake = np.asarray(Z)[:, 0] * (1 + np.asarray(label))  # the generator multiplies by 1 + the label, as D does
    made = 2 * fake * (1 + np.asarray(label))
    value, _ = play(game, "discriminator", batch)
    expected = softplus(-real).mean() + 0.5 * softplus(told).mean() + 0.5 * softplus(made).mean()
    assert value == pytest.approx(expected, rel=1e-5)
    value, _ = play(game, "generator", batch)
    assert value == pytest.approx(softplus(-made).mean(), rel=1e-5)
    value, report = play(game, "classifier", batch)
    error, entropy = nats(X, LABELS).mean(), -(p * np.log(p)).sum(axis=1).mean()
    own = nats(np.repeat(fake[:, None], 2, axis=1), label).mean()
    expected = error + 0.5 * (expit(told) * nats(X, drawn)).mean() + 0.3 * entropy
    assert value == pytest.approx(expected - 1e-3 * np.log(p.mean(axis=0)).mean() + 0.1 * own, rel=1e-4)
    assert report["labelled"] == pytest.approx(-error, rel=1e-5)


def test_what_is_asked_is_log_probabilities():
    logits = jnp.array([[1.0, 2.0, 0.5]])
    answer = classifier.classifying("network").do({"network": lambda x: (x, {})}, {"x": logits})
    np.testing.assert_allclose(answer, log_softmax(np.asarray(logits), axis=1), rtol=1e-6)
    assert jax.tree.all(jax.tree.map(lambda x: bool(jnp.isfinite(x).all()), answer))
