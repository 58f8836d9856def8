"""Games against their papers' formulas: losses on networks small enough for hand computation, memories step by step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats
from scipy.integrate import quad

from gan_cli import build, datasets, recipe
from gan_cli.data.store import Store
from gan_cli.engine.seeds import train_seeds
from gan_cli.errors import InputError
from gan_cli.games import energy, fisher, mad, mrgan, standard, two_players
from gan_cli.games import feature_matching as matching
from gan_cli.games.networks import Nets, define, initialise
from gan_cli.losses import adversarial
from gan_cli.nets import mlp
from gan_cli.types import DEVICES, Penalty, Ports, Spec

SPEC = Spec((2,))
X = jnp.array([[1.0, 2.0], [3.0, -1.0]])
Z = jnp.array([[0.5], [-1.0]])
KEY = jax.random.key(0)


class Linear(nnx.Module):
    """x W, W ones: what the tests can compute by hand. Its features are its input."""

    def __init__(self, ports, rngs):
        self.weight = nnx.Param(jnp.ones((int(np.prod(ports.inputs)), int(np.prod(ports.outputs)))))
        self.outputs = ports.outputs

    def __call__(self, x, y=None):
        x = x if y is None else x * (1 + y[:, None])
        flat = x.reshape(len(x), -1)
        return (flat @ self.weight[...]).reshape(len(x), *self.outputs), {"features": flat}


def linear(ports: Ports, rngs: nnx.Rngs) -> nnx.Module:
    return Linear(ports, rngs)


def play(game, turn, batch, memory=None, step=0):
    """The loss and the report of a turn at a step, on one device."""
    definitions = {role: define(b) for role, b in game.networks.items()}
    variables = {role: initialise(b, KEY) for role, b in game.networks.items()}
    loss = next(t.loss for t in game.turns if t.name == turn)

    def run(batch):
        kept = game.memory if memory is None else memory
        return loss(Nets(definitions, variables, KEY, memory=kept, step=jnp.int32(step)), batch)

    one = jax.vmap(run, axis_name=DEVICES)(jax.tree.map(lambda x: x[None], batch))
    return jax.tree.map(lambda x: np.asarray(x)[0], one)


BATCH = {"x": X, "z": Z}
FAKE = np.array([[0.5, 0.5], [-1.0, -1.0]])  # ones generator: z in both coordinates


def squared_energy(x):
    """The auto-encoder of ones gives back the sum of the coordinates in both."""
    x = np.asarray(x)
    return ((x.sum(axis=1, keepdims=True) - x) ** 2).mean(axis=1)


def test_ebgan_by_hand():
    game = energy.ebgan(SPEC, linear, linear, latent=1, margin=0.6, pull_away=0.1)
    real, fake = squared_energy(X), squared_energy(FAKE)
    value, report = play(game, "discriminator", BATCH)
    assert value == pytest.approx(real.mean() + np.maximum(0, 0.6 - fake).mean())
    assert report["real_energy"] == pytest.approx(real.mean())
    value, report = play(game, "generator", BATCH)
    assert report["similarity"] == pytest.approx(1.0)  # (0.5, 0.5) and (-1, -1) are parallel
    assert value == pytest.approx(fake.mean() + 0.1, rel=1e-5)


def test_pulling_away_of_orthogonal_and_of_slanted_codes():
    def term(code):
        return float(jax.vmap(energy.pulling_away, axis_name=DEVICES)(jnp.asarray(code)[None])[0])

    assert term([[1.0, 0.0], [0.0, 3.0]]) == pytest.approx(0, abs=1e-6)
    assert term([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) == pytest.approx((0.5 + 0 + 0.5) * 2 / 6, rel=1e-5)


def test_a_code_of_zeros_has_a_finite_gradient():
    """Every unit of a ReLU code can be off."""

    def total(code):
        return jax.vmap(energy.pulling_away, axis_name=DEVICES)(code[None])[0]

    code = jnp.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    assert jnp.isfinite(jax.grad(total)(code)).all()
    assert float(total(code)) == pytest.approx((4 / 5) ** 2 * 2 / 6, rel=1e-5)


def test_pulling_away_of_two_devices_is_that_of_one():
    code = jax.random.normal(KEY, (6, 3))
    one = jax.vmap(energy.pulling_away, axis_name=DEVICES)(code[None])[0]
    two = jax.vmap(energy.pulling_away, axis_name=DEVICES)(code.reshape(2, 3, 3))
    assert float(two.mean()) == pytest.approx(float(one), rel=1e-5)


def test_began_by_hand_and_its_k():
    game = energy.began(SPEC, linear, linear, latent=1, gamma=0.5, lambda_k=0.01)
    errors = [np.abs(np.asarray(x).sum(axis=1, keepdims=True) - np.asarray(x)).mean() for x in (X, FAKE)]
    value, _ = play(game, "discriminator", BATCH, {"k": 0.25})
    assert value == pytest.approx(errors[0] - 0.25 * errors[1])
    value, report = play(game, "generator", BATCH)
    assert value == pytest.approx(errors[1])
    balance = 0.5 * errors[0] - errors[1]
    assert report["measure"] == pytest.approx(errors[0] + abs(balance))
    after = game.remember({"k": 0.25}, {"generator": report})
    assert float(after["k"]) == pytest.approx(0.25 + 0.01 * balance)
    assert float(game.remember({"k": 0.0}, {"generator": {"balance": -9.0}})["k"]) == 0.0
    assert float(game.remember({"k": 1.0}, {"generator": {"balance": 9.0}})["k"]) == 1.0


def test_magan_margin_follows_the_papers_rule():
    """Pre-training of 4 steps, epochs of 2: m0, then three epochs of which one lowers the margin."""
    game = energy.magan(SPEC, linear, linear, latent=1, pretrain=4, epoch=2)
    memory = game.memory
    margins = []

    def after(real, fake):
        nonlocal memory
        warming = memory["step"] < 4
        played = {"real_energy": 0.0 if warming else real, "fake_energy": 0.0 if warming else fake}
        memory = game.remember(memory, {"pretrain": {"real_energy": real}, "discriminator": played})
        margins.append(float(memory["margin"]))

    for real in (9.0, 8.0, 4.0, 2.0):  # m0 is the mean of the last two
        after(real, 0.0)
    assert margins[-1] == 3.0
    after(2.0, 5.0), after(2.0, 5.0)  # lower, below the fakes, and fakes rose from nothing
    assert margins[-1] == 2.0
    after(1.0, 4.0), after(1.0, 4.0)  # fakes fell from 5 to 4: G still learns, the margin stays
    assert margins[-1] == 2.0
    after(1.5, 6.0), after(1.0, 6.0)  # fakes rose
    assert margins[-1] == 1.25
    after(7.0, 9.0), after(7.0, 9.0)  # above the margin
    assert margins[-1] == 1.25


def test_fisher_by_hand_and_its_multiplier():
    game = fisher.fisher(SPEC, linear, linear, latent=1, rho=0.1)
    real, fake = np.asarray(X).sum(axis=1), FAKE.sum(axis=1)
    difference, omega = real.mean() - fake.mean(), ((real**2).mean() + (fake**2).mean()) / 2
    value, report = play(game, "discriminator", BATCH, {"multiplier": 0.5})
    assert value == pytest.approx(-(difference + 0.5 * (1 - omega) - 0.05 * (omega - 1) ** 2), rel=1e-5)
    after = game.remember({"multiplier": 0.5}, {"discriminator": report})
    assert after["multiplier"] == pytest.approx(0.5 - 0.1 * (1 - omega), rel=1e-5)
    value, _ = play(game, "generator", BATCH)
    assert value == pytest.approx(-fake.mean())


def test_mad_by_hand():
    game = mad.mad(SPEC, linear, linear, latent=1, generators=2)
    batch = {**BATCH, "branch": jnp.array([0, 1])}
    value, _ = play(game, "discriminator", batch)
    assert value == pytest.approx(2 * np.log(3))  # ones: all three logits are equal
    value, _ = play(game, "generator", batch)
    assert value == pytest.approx(np.log(3))
    value, _ = play(mad.mad(SPEC, linear, linear, latent=1, generators=2, saturating=True), "generator", batch)
    assert value == pytest.approx(np.log(2 / 3))


def test_mad_draws_every_branch():
    drawn = mad.mad(SPEC, linear, linear, latent=1, generators=3).draw(KEY, 300)["branch"]
    assert set(np.asarray(drawn).tolist()) == {0, 1, 2}


def test_mrgan_by_hand():
    game = mrgan.mrgan(
        SPEC, linear, linear, linear, loss=adversarial.non_saturating(), latent=1, reconstruction=0.3, mode=0.7
    )
    rebuilt = np.asarray(X).sum(axis=1, keepdims=True).repeat(2, axis=1)
    looks = np.log1p(np.exp(-rebuilt.sum(axis=1))).mean()
    value, report = play(game, "generator", BATCH)
    adversary = np.log1p(np.exp(-FAKE.sum(axis=1))).mean()
    assert value == pytest.approx(adversary + 0.3 * ((rebuilt - np.asarray(X)) ** 2).mean() + 0.7 * looks, rel=1e-5)
    assert report["rebuilt_score"] == pytest.approx(rebuilt.sum(axis=1).mean())


def test_mrgan_mode_term_raises_the_score_of_reconstructions():
    """The sign that is wrong in print: more weight must make reconstructions look more real, not less."""
    game = mrgan.mrgan(SPEC, linear, linear, linear, loss=adversarial.non_saturating(), latent=1, mode=1.0)
    none = mrgan.mrgan(SPEC, linear, linear, linear, loss=adversarial.non_saturating(), latent=1, mode=0.0)

    def gradient(game):
        definitions = {role: define(b) for role, b in game.networks.items()}
        variables = {role: initialise(b, KEY) for role, b in game.networks.items()}

        def loss(params):
            moved = {**variables, "encoder": variables["encoder"]._replace(params=params)}
            return game.turns[1].loss(Nets(definitions, moved, KEY), BATCH)[0]

        return jax.tree.leaves(jax.grad(loss)(variables["encoder"].params))[0]

    # a step down the extra gradient moves E where G(E(x)) scores higher
    extra = gradient(game) - gradient(none)
    before = jnp.mean(X.sum(axis=1) * 2)
    after = jnp.mean((X @ (jnp.ones((2, 1)) - 0.1 * extra))[:, 0] * 2)
    assert float(after) > float(before)


def test_reconstructions_leave_the_generators_batch_statistics_alone():
    """Samples are drawn with them: they are to be those of latents, as in the standard game."""
    factory = partial(mlp.mlp, hidden=(4,), norm="batch")
    parts = {"loss": adversarial.non_saturating(), "latent": 1}
    with_encoder = mrgan.mrgan(SPEC, factory, linear, linear, **parts)
    plain = standard.standard(SPEC, factory, linear, **parts)

    def statistics(game):
        definitions = {role: define(b) for role, b in game.networks.items()}
        variables = {role: initialise(b, KEY) for role, b in game.networks.items()}

        def run(batch):
            nets = Nets(definitions, variables, KEY)
            game.turns[-1].loss(nets, batch)
            return nets.variables["generator"].rest

        return jax.tree.leaves(jax.vmap(run, axis_name=DEVICES)(jax.tree.map(lambda x: x[None], BATCH)))

    for ours, theirs in zip(statistics(with_encoder), statistics(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_feature_matching_by_hand(weight):
    game = matching.feature_matching(
        SPEC, linear, linear, loss=adversarial.non_saturating(), latent=1, adversarial=weight
    )
    value, report = play(game, "generator", BATCH)
    distance = ((np.asarray(X).mean(axis=0) - FAKE.mean(axis=0)) ** 2).sum()
    assert report["feature_distance"] == pytest.approx(distance)
    assert value == pytest.approx(distance + weight * np.log1p(np.exp(-FAKE.sum(axis=1))).mean(), rel=1e-5)


def test_packing_scores_neighbours_together():
    game = standard.standard(SPEC, linear, linear, loss=adversarial.wasserstein(), latent=1, packing=2)
    assert define(game.networks["discriminator"])
    value, report = play(game, "discriminator", BATCH)
    assert report["real_score"] == pytest.approx(np.asarray(X).sum())
    assert value == pytest.approx(FAKE.sum() - np.asarray(X).sum())


def test_packs_hold_whole_examples():
    images = jnp.arange(2 * 2 * 2 * 3.0).reshape(2, 2, 2, 3)
    packed = two_players.pack(images, 2)
    assert packed.shape == (1, 2, 2, 6)
    np.testing.assert_array_equal(packed[0, ..., :3], images[0])
    np.testing.assert_array_equal(packed[0, ..., 3:], images[1])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.batch=63", "packs of 2 examples"),
        ("game.thorough=true", "critics of several steps"),
    ],
)
def test_impossible_combinations_are_refused(override, words):
    tables = recipe.read_tables(recipe.find_recipe("collapse/pacgan"), [override])
    with pytest.raises(InputError, match=words):
        build.experiment(build.resolve(tables, "recipe"), SPEC)


def test_a_penalty_with_minibatch_discrimination_is_refused():
    tables = recipe.read_tables(recipe.find_recipe("losses/r1"), ["networks.discriminator.minibatch_kernels=3"])
    with pytest.raises(InputError, match="minibatch discrimination"):
        build.experiment(build.resolve(tables, "recipe"), SPEC)


def test_noisy_labels_swap_pairs():
    real, fake = jnp.arange(1000.0), -jnp.arange(1000.0)
    new_real, new_fake = two_players._swap(real, fake, 0.2, jax.random.bits(KEY, (1000,)))
    swapped = np.asarray(new_real != real)
    assert 0.15 < swapped.mean() < 0.25
    np.testing.assert_array_equal(np.where(swapped, new_fake, new_real), real)


def test_wgan_schedule_is_that_of_the_authors_code():
    """Critic steps before each generator update: 100 for updates 0..24 and every 500th, else 5."""
    due = np.flatnonzero(np.asarray(two_players._wgan_schedule(jnp.arange(12_000), every=5)))
    steps = np.diff(due, prepend=-1)
    updates = np.arange(len(steps))
    np.testing.assert_array_equal(steps, np.where((updates < 25) | (updates % 500 == 0), 100, 5))


class Affine(nnx.Module):
    """2 z + 1: makes N(1, 2²) of N(0, 1)."""

    def __call__(self, z, y=None):
        return 2 * z + 1, {}


class Scored(nnx.Module):
    """A critic given as a formula."""

    def __init__(self, formula):
        self.formula = formula

    def __call__(self, x, y=None):
        return self.formula(x[:, 0]), {}


def test_fisher_ipm_of_the_best_critic_is_the_chi_square_distance():
    """sqrt ∫ (p - q)² / ((p + q) / 2), https://arxiv.org/abs/1705.09675, theorem 1; every other critic sees less."""
    points = jnp.asarray(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000), jnp.float32)[:, None]  # means over N(0, 1)

    def ratio(x):
        p, q = jax.scipy.stats.norm.pdf(x), jax.scipy.stats.norm.pdf(x, 1, 2)
        return (p - q) / ((p + q) / 2)

    def seen(formula):
        game = fisher.fisher(
            Spec((1,)), lambda ports, rngs: Affine(), lambda ports, rngs: Scored(formula), latent=1, rho=1e-6
        )
        return play(game, "discriminator", {"x": points, "z": points}, {"multiplier": 0.7})

    p, q = stats.norm(0, 1).pdf, stats.norm(1, 2).pdf
    distance = np.sqrt(quad(lambda x: (p(x) - q(x)) ** 2 / ((p(x) + q(x)) / 2), -20, 20, limit=200)[0])
    _, report = seen(ratio)
    assert report["ipm"] == pytest.approx(distance, rel=1e-3)
    value, report = seen(lambda x: ratio(x) / distance)  # in the set that the critic is held to
    assert report["omega"] == pytest.approx(1, rel=2e-3)
    assert value == pytest.approx(-distance, rel=2e-3)
    for other in (lambda x: -x, jnp.tanh, lambda x: ratio(x) + 0.2, lambda x: jnp.where(x**2 < 2, 1.0, -1.0)):
        assert seen(other)[1]["ipm"] < distance


def test_spectral_normalisation_keeps_up_with_training():
    """Persistent power iteration: every layer's estimate of its largest singular value is within 5% of the SVD."""
    tables = recipe.read_tables(recipe.find_recipe("norms/spectral"), ["train.steps=200", "data.n=1000"])
    prepared = build.prepare(tables, "recipe", Store.from_environment(None))
    feed = datasets.feed(prepared.resolved, prepared.source)
    outcome = train_seeds(prepared.experiment, [feed], [0], jax.devices()[:1], lambda *_: None)
    critic = outcome.states[0].variables["discriminator"]
    weights = [np.asarray(x) for x in jax.tree.leaves(critic.params) if np.ndim(x) == 2]
    vectors = [np.asarray(x) for x in jax.tree.leaves(critic.rest)]
    assert len(weights) == len(vectors) == 3
    for weight, u in zip(weights, vectors, strict=True):
        v = weight @ u / np.linalg.norm(weight @ u)
        estimate = np.linalg.norm(v @ weight)  # what the next call divides by
        assert estimate == pytest.approx(np.linalg.svd(weight, compute_uv=False)[0], rel=0.05)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
@pytest.mark.parametrize("make", [standard.standard, energy.began])
def test_decode_is_sample_with_a_standard_normal_prior(make, prior):
    """A normal u becomes the z of the same quantile, so that the samples of both have one distribution."""
    options = {"loss": adversarial.non_saturating()} if make is standard.standard else {}
    game = make(SPEC, linear, linear, latent=1, prior=prior, **options)
    definitions = {role: define(b) for role, b in game.networks.items()}
    nets = Nets(definitions, {role: initialise(b, KEY) for role, b in game.networks.items()})
    u = jnp.array([[-1.0], [0.0], [2.0]])
    z = u if prior == "normal" else 2 * stats.norm.cdf(u) - 1
    assert game.decode is not None
    assert game.latent == 1
    np.testing.assert_allclose(game.decode(nets, u), game.ask().do(nets, {"z": z}), rtol=1e-6)


def test_a_game_of_more_than_a_latent_does_not_decode():
    classes = Spec((2,), ("a", "b"))
    conditional = standard.standard(
        classes, linear, linear, loss=adversarial.non_saturating(), latent=1, conditional=True
    )
    assert conditional.decode is None
    assert mad.mad(SPEC, linear, linear, latent=1).decode is None


@pytest.mark.parametrize("every", [1, 4, 16])
def test_a_lazy_penalty_weighs_as_many_times_as_steps_pass(every):
    """Over `every` steps it adds up to what it would have been at each of them."""
    two = Penalty(lambda critic, real, fake, keys: 2.0 + 0 * critic(real).sum(), every)
    game = standard.standard(SPEC, linear, linear, loss=adversarial.wasserstein(), latent=1, penalties=(two,))
    name = "discriminator" if every == 1 else f"penalty_{every}"
    value, report = play(game, name, {**BATCH, "seed": jnp.arange(len(X), dtype=jnp.uint32)})
    assert (report["penalty"] if every == 1 else value) == pytest.approx(2.0 * every)
    assert game.turn(name).every == every
    assert game.turn("generator").every == 1


def test_a_changed_turn_leaves_the_others_alone():
    lazy = Penalty(lambda critic, real, fake, keys: critic(real).sum(), 4)
    game = standard.standard(SPEC, linear, linear, loss=adversarial.wasserstein(), latent=1, penalties=(lazy,))
    changed = game.with_turn("generator", every=3)
    assert [turn.name for turn in changed.turns] == ["discriminator", "penalty_4", "generator"]
    assert changed.turns[:2] == game.turns[:2]
    assert changed.turn("generator") == game.turn("generator")._replace(every=3)
