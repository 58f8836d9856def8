"""Sequences: the oracle, networks that write and read, SeqGAN's rewards and its policy of endings."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w
from flax import nnx

from gan_cli import build, datasets
from gan_cli.data.oracle import oracle
from gan_cli.data.store import Store
from gan_cli.engine.loop import Trainer
from gan_cli.engine.state import initial_state
from gan_cli.errors import InputError
from gan_cli.games.seqgan import seqgan
from gan_cli.losses import adversarial
from gan_cli.metrics.self_bleu import mean_bleu
from gan_cli.nets import sequence
from gan_cli.types import Ports, Spec

ALL = np.array(list(itertools.product(range(3), repeat=4)), np.int32)  # sequences of 4 of 3 words
PORTS = Ports((4,), (4, 3), words=3)
TABLES = {
    "data": {"source": "oracle", "n": 64, "length": 4, "words": 6, "units": 4},
    "networks": {
        "generator": {"net": "sequence.lstm", "units": 4, "embedding": 4},
        "discriminator": {"net": "sequence.reader", "filters": 2, "embedding": 4, "keep": 1.0},
    },
    "game": {
        "play": "seqgan",
        "loss": "adversarial.non_saturating",
        "pretrain": 1,
        "pretrain_discriminator": 1,
        "generator_steps": 1,
        "rollouts": 2,
    },
    "optimisers": {
        table: {"name": "sgd", "learning_rate": 1.0} for table in ("likelihood", "discriminator", "generator")
    },
    "train": {"steps": 4, "batch": 8, "steps_per_call": 4},
}


def test_the_oracle_knows_how_likely_a_sequence_is():
    made = oracle(Store(), n=4000, length=4, words=3, units=5)
    assert made.log_likelihood is not None
    p = np.exp(made.log_likelihood(ALL))
    assert p.sum() == pytest.approx(1)
    x = made.load(np.arange(4000))["x"]
    counts = np.bincount(x @ 3 ** np.arange(4)[::-1], minlength=81)
    assert np.square((counts - 4000 * p) / np.sqrt(4000 * p)).sum() < 130  # chi-square of 80: 0.04% are above
    other = oracle(Store(), n=10, length=4, words=3, units=5, seed=1)
    assert (other.load(np.arange(10))["x"] != x[:10]).any()


def test_a_writer_writes_what_it_finds_likely_and_keeps_what_is_given():
    writer = sequence.lstm(PORTS, nnx.Rngs(0), units=5)
    log_p = jax.nn.log_softmax(writer(jnp.asarray(ALL))[0])
    each = np.take_along_axis(np.asarray(log_p), ALL[..., None], -1)[..., 0]
    assert np.exp(each.sum(axis=1)).sum() == pytest.approx(1, rel=1e-5)
    u = jax.random.uniform(jax.random.key(0), (81, 4))
    drawn = np.asarray(writer.write(u, jnp.asarray(ALL), jnp.int32(0)))
    until = np.exp(jax.nn.log_softmax(writer(jnp.asarray(drawn))[0])).cumsum(axis=-1)
    assert (u <= np.take_along_axis(until, drawn[..., None], -1)[..., 0] + 1e-5).all()
    ended = np.asarray(writer.write(u, jnp.asarray(ALL), jnp.int32(2)))
    np.testing.assert_array_equal(ended[:, :2], ALL[:, :2])
    assert (ended[:, 2:] != ALL[:, 2:]).any()


@pytest.mark.slow  # seconds of compiling
def test_the_game_on_two_devices_is_that_on_one_and_endings_follow_the_generator():
    made = build.prepare(TABLES, "tiny.toml", Store())
    states = []
    for devices in (1, 2):
        trainer = Trainer(made.experiment, datasets.feed(made.resolved, made.sources), jax.devices()[:devices])
        state, _ = trainer.advance(trainer.place(initial_state(made.experiment, 0)), 0, 4)
        states.append(jax.device_get({role: variables.params for role, variables in state.variables.items()}))
    for one, two in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-6)
    start = initial_state(made.experiment, 0).variables["generator"].params
    weights = map(jax.tree.leaves, (start, states[0]["generator"], states[0]["rollout"]))
    for first, last, lagging in zip(*weights, strict=True):
        moved, followed = np.abs(last - first).max(), np.abs(lagging - first).max()
        assert 0 < followed < moved or moved == followed == 0


def test_what_are_no_tokens_is_refused():
    with pytest.raises(ValueError, match="its data are tokens"):
        seqgan(Spec((4,)), sequence.lstm, sequence.reader, loss=adversarial.minimax())
    for net in (sequence.lstm, sequence.reader):
        with pytest.raises(InputError, match="tokens without labels"):
            net(Ports((4,), ()), nnx.Rngs(0))


def test_self_bleu_is_what_one_counts_by_hand():
    sequences = np.array([[1, 2, 3], [1, 2, 4], [5, 6, 7]])
    # words: 2/3, 2/3, 0; pairs: 1/2, 1/2, 0
    want = (2 * np.sqrt(2 / 3 * 1 / 2) + 1e-9) / 3
    assert mean_bleu(sequences, 2) == pytest.approx(want, rel=1e-6)
    assert mean_bleu(np.repeat(sequences[:1], 4, axis=0), 3) == pytest.approx(1)
    assert mean_bleu(np.array([[1, 1, 1], [1, 2, 2]]), 1) == pytest.approx(
        (1 / 3 + 1 / 3) / 2
    )  # counted as often as there


def test_samples_are_judged_by_the_oracle_that_wrote_the_data(gan, tmp_path):
    recipe = tmp_path / "seq.toml"
    recipe.write_text(tomli_w.dumps({**TABLES, "eval": {"metric": "oracle-nll,self-bleu", "every": 4, "n": 40}}))
    code, _, err = gan("train", recipe, "--out", tmp_path / "run")
    assert code == 0, err
    code, out, err = gan("eval", "--ckpt", tmp_path / "run", "--metric", "oracle-nll,self-bleu", "--n", 40, "--json")
    assert code == 0, err
    found = json.loads(out)
    code, _, err = gan("sample", "--ckpt", tmp_path / "run", "--n", 40, "--out", tmp_path / "x.npz")
    assert code == 0, err
    x = np.load(tmp_path / "x.npz")["arr_0"]
    source = oracle(Store(), **{key: value for key, value in TABLES["data"].items() if key != "source"})
    assert found["oracle-nll"] == pytest.approx(-source.log_likelihood(x).mean() / 4)
    assert found["self-bleu"] == pytest.approx(mean_bleu(x, 3))
    code, _, err = gan("eval", "--ckpt", tmp_path / "run", "--metric", "fid")
    assert (code, "cannot be judged by features" in err) == (2, True)
    code, _, err = gan("sample", "--ckpt", tmp_path / "run", "--n", 3, "--out", tmp_path / "lines.txt")
    assert (code, len((tmp_path / "lines.txt").read_text().splitlines())) == (0, 3)
