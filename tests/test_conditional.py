"""Games with labels and codes: losses by hand, draws, entropies and bounds in closed form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from gan_cli import build, datasets, recipe
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.loop import Trainer
from gan_cli.engine.state import initial_state
from gan_cli.games import codes, two_players
from gan_cli.games.acgan import acgan
from gan_cli.games.infogan import infogan
from gan_cli.games.networks import Nets, define, initialise
from gan_cli.games.ssinfogan import ssinfogan
from gan_cli.games.standard import standard
from gan_cli.losses import adversarial, penalties
from gan_cli.nets import mlp
from gan_cli.types import CLASS, DEVICES, Spec

KEY = jax.random.key(0)
SPEC = Spec((2,), ("a", "b", "c"))
ROWS = np.array([[1.0, 0.5], [-0.5, 2.0], [3.0, -1.0]], np.float32)  # w_y: a vector of each label's own
COLUMNS = np.array([[0.2, 0.6], [-0.4, 0.1]], np.float32)  # of a head's two categories


class Maker(nnx.Module):
    """G(z, y) = the sum of z in both coordinates, each times its weight, plus y."""

    def __init__(self, ports, rngs):
        self.weight = nnx.Param(jnp.ones(2))

    def __call__(self, z, y=None):
        made = z.sum(axis=1, keepdims=True) * self.weight[...]  # [B, 2]
        return made if y is None else made + y[:, None], {}


class Critic(nnx.Module):
    """D(x, y) = w_y x, and D(x) = w_0 x; its features are its input."""

    def __init__(self, ports, rngs):
        self.rows = nnx.Param(jnp.asarray(ROWS))
        self.classes = ports.classes

    def __call__(self, x, y=None):
        assert (y is not None) == bool(self.classes)
        own = self.rows[...][jnp.zeros(len(x), jnp.int32) if y is None else y]  # [B, 2]
        return jnp.sum(own * x, axis=1), {"features": x}


class Head(nnx.Module):
    """Features [B, 2] -> their product with a matrix [2, outputs], no two of whose columns are alike."""

    def __init__(self, ports, rngs):
        inputs, outputs = ports.inputs[0], ports.outputs[0]
        self.matrix = nnx.Param(jnp.asarray(head_matrix(inputs, outputs)))

    def __call__(self, x, y=None):
        return x @ self.matrix[...], {}


def head_matrix(inputs, outputs):
    return np.sin(1.0 + np.arange(inputs * outputs, dtype=np.float32)).reshape(inputs, outputs)


def play(game, turn, batch, **moved):
    """The loss and the report of a turn on one device; `moved` are other parameters of roles."""
    value, report, _ = _play(game, turn, batch, moved)
    return value, report


def _play(game, turn, batch, moved):
    definitions = {role: define(b) for role, b in game.networks.items()}
    variables = {role: initialise(b, KEY) for role, b in game.networks.items()}
    variables |= {role: variables[role]._replace(params=params) for role, params in moved.items()}
    loss = next(t.loss for t in game.turns if t.name == turn)

    def run(batch):
        nets = Nets(definitions, variables, KEY, memory=game.memory)
        return *loss(nets, batch), {role: nets.variables[role].rest for role in game.networks}

    one = jax.vmap(run, axis_name=DEVICES)(jax.tree.map(lambda x: x[None], batch))
    return jax.tree.map(lambda x: x[0], one)


def gradients(game, turn, batch, *roles):
    """Of a turn's loss with respect to the parameters of roles."""
    params = {role: initialise(game.networks[role], KEY).params for role in roles}
    return jax.grad(lambda params: play(game, turn, batch, **params)[0])(params)


def sample(game, inputs):
    definitions = {role: define(b) for role, b in game.networks.items()}
    variables = {role: initialise(b, KEY) for role, b in game.networks.items()}
    return np.asarray(game.ask().do(Nets(definitions, variables), inputs))


def softplus(x):
    return np.log1p(np.exp(x))


X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0], [-2.0, 1.0]], np.float32)
Y = np.array([0, 2, 1, 2], np.int32)
Z = np.array([[0.5], [-1.0], [2.0], [0.25]], np.float32)
FAKE = Z.repeat(2, axis=1) + Y[:, None]
REAL_SCORE, FAKE_SCORE = (ROWS[Y] * X).sum(axis=1), (ROWS[Y] * FAKE).sum(axis=1)
BATCH = {"x": jnp.asarray(X), "y": jnp.asarray(Y), "z": jnp.asarray(Z), CLASS: jnp.array([1, 1, 0, 0])}

cgan = partial(standard, SPEC, Maker, Critic, loss=adversarial.wasserstein(), latent=1, conditional=True)


# CGAN


def test_in_training_fakes_have_the_labels_of_the_reals_they_are_paired_with():
    value, report = play(cgan(), "discriminator", BATCH)
    assert value == pytest.approx(FAKE_SCORE.mean() - REAL_SCORE.mean(), rel=1e-5)
    assert report["accuracy"] == pytest.approx((REAL_SCORE > FAKE_SCORE).mean())
    assert play(cgan(), "generator", BATCH)[0] == pytest.approx(-FAKE_SCORE.mean(), rel=1e-5)


def test_samples_have_the_class_that_is_asked_for():
    np.testing.assert_allclose(sample(cgan(), BATCH), Z.repeat(2, axis=1) + np.asarray(BATCH[CLASS])[:, None])


def test_games_without_labels_neither_draw_nor_offer_a_class():
    game = cgan(conditional=False)
    assert (game.labels, dict(game.controls), sorted(game.draw(KEY, 2))) == ("unused", {}, ["z"])
    assert (cgan().labels, sorted(cgan().draw(KEY, 2))) == ("all", [CLASS, "z"])


def test_classes_are_drawn_with_their_shares():
    shares = (0.5, 0.0, 0.3, 0.2)
    drawn = np.asarray(two_players.draw_classes(KEY, 20_000, Spec((2,), tuple("abcd"), shares)))
    assert drawn.dtype == np.int32
    assert not (drawn == 1).any()
    counts = np.bincount(drawn, minlength=4)[[0, 2, 3]]
    assert stats.chisquare(counts, 20_000 * np.array([0.5, 0.3, 0.2])).pvalue > 1e-3
    equal = np.bincount(np.asarray(two_players.draw_classes(KEY, 20_000, SPEC)))
    assert stats.chisquare(equal).pvalue > 1e-3


def test_the_class_of_sample_i_depends_on_seed_and_i_only():
    made = build.experiment(cgan_ring(), Spec((2,), SPEC.classes, (0.2, 0.3, 0.5)))
    few, many = (sampler.draw_many(made, 7, n) for n in (5, 300))
    for name in (CLASS, "z"):
        np.testing.assert_array_equal(few[name], many[name][:5])
    np.testing.assert_array_equal(many[CLASS], sampler.draw_many(made, 7, 300)[CLASS])
    assert (many[CLASS] != sampler.draw_many(made, 8, 300)[CLASS]).any()
    assert stats.chisquare(np.bincount(many[CLASS]), (60, 90, 150)).pvalue > 1e-3


def test_the_entropy_of_the_class():
    def entropy(*shares):
        return two_players.class_control(Spec((2,), tuple("abcd"), shares)).entropy

    assert entropy() == pytest.approx(np.log(4))
    assert entropy(0.25, 0.25, 0.25, 0.25) == pytest.approx(np.log(4))
    assert entropy(0.5, 0.0, 0.25, 0.25) == pytest.approx(1.5 * np.log(2))
    assert entropy(0.0, 1.0, 0.0, 0.0) == 0
    control = cgan().controls[CLASS]
    assert (control.categories, control.names) == (3, SPEC.classes)


# matching-aware


def test_mismatched_by_hand():
    shift = np.array([1, 2, 1, 1])
    others = (Y + shift) % 3
    game = cgan(loss=adversarial.non_saturating(), mismatched=0.3)
    value, report = play(game, "discriminator", {**BATCH, "shift": jnp.asarray(shift)})
    wrong = (ROWS[others] * X).sum(axis=1)
    right, fake = softplus(-REAL_SCORE).mean(), softplus(FAKE_SCORE).mean()
    assert value == pytest.approx(right + 0.7 * fake + 0.3 * softplus(wrong).mean(), rel=1e-5)
    assert report["wrong_score"] == pytest.approx(wrong.mean(), rel=1e-5)
    without, _ = play(cgan(loss=adversarial.non_saturating()), "generator", BATCH)
    assert play(game, "generator", BATCH)[0] == without  # of no concern to the generator


def test_the_wrong_label_is_never_the_right_one_and_each_other_as_often():
    spec = Spec((2,), tuple("abcde"), (0.6, 0.1, 0.1, 0.1, 0.1))
    game = standard(spec, Maker, Critic, loss=adversarial.hinge(), latent=1, conditional=True, mismatched=0.5)
    shift = np.asarray(game.draw(KEY, 20_000)["shift"])
    assert set(shift.tolist()) == {1, 2, 3, 4}
    assert stats.chisquare(np.bincount(shift)[1:]).pvalue > 1e-3
    for y in range(5):
        assert set(((y + shift) % 5).tolist()) == set(range(5)) - {y}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conditional": False, "mismatched": 0.5}, "it wants conditional = true"),
        ({"packing": 2}, "packing = 1 would do"),
    ],
)
def test_contradictions_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        cgan(**options)


def test_one_class_has_no_wrong_label():
    with pytest.raises(ValueError, match="wants at least two classes"):
        standard(
            Spec((2,), ("one",)), Maker, Critic, loss=adversarial.hinge(), latent=1, conditional=True, mismatched=0.5
        )


# penalties

NORMS = np.linalg.norm(ROWS[Y], axis=1)
PENALTIES = [
    (penalties.r1(gamma=4.0), 2 * (NORMS**2).mean()),
    (penalties.r2(gamma=4.0), 2 * (NORMS**2).mean()),
    (penalties.wgan_gp(weight=3.0), 3 * ((NORMS - 1) ** 2).mean()),
    (penalties.dragan(weight=3.0, target=2.0), 3 * ((NORMS - 2) ** 2).mean()),
    (penalties.zero_centred(weight=3.0), 3 * (NORMS**2).mean()),
]
SEEDED = {**BATCH, "seed": jnp.arange(4, dtype=jnp.uint32)}


@pytest.mark.parametrize(("penalty", "expected"), PENALTIES)
def test_penalties_are_of_the_score_under_the_examples_own_label(penalty, expected):
    value, report = play(cgan(penalties=(penalty,)), "discriminator", SEEDED)
    assert report["penalty"] == pytest.approx(expected, rel=1e-4)
    assert value == pytest.approx(FAKE_SCORE.mean() - REAL_SCORE.mean() + expected, rel=1e-4)
    lazy = cgan(penalties=(penalty._replace(every=4),))
    assert "penalty" not in play(lazy, "discriminator", SEEDED)[1]
    assert play(lazy, "penalty_4", SEEDED)[0] == pytest.approx(4 * expected, rel=1e-4)


def test_lazy_penalties_beside_a_head_leave_it_without_a_gradient():
    game = acgan(
        SPEC,
        Maker,
        Critic,
        Head,
        loss=adversarial.wasserstein(),
        latent=1,
        penalties=(penalties.r1(gamma=4.0, every=4),),
    )
    assert [turn.name for turn in game.turns] == ["discriminator", "penalty_4", "generator"]
    assert game.turns[0].trains == game.turns[1].trains == ("discriminator", "classifier")
    assert play(game, "penalty_4", SEEDED)[0] == pytest.approx(4 * 2 * np.square(ROWS[0]).sum(), rel=1e-5)
    moved = gradients(game, "penalty_4", SEEDED, "discriminator", "classifier")
    assert not np.any(moved["classifier"]["matrix"][...])
    np.testing.assert_allclose(moved["discriminator"]["rows"][...], 16 * ROWS * [[1], [0], [0]], rtol=1e-5)


# AC-GAN


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def error(x, y):
    """Cross-entropy of the head's verdict."""
    return -log_softmax(x @ head_matrix(2, 3))[np.arange(len(y)), y].mean()


auxiliary = partial(acgan, SPEC, Maker, Critic, Head, loss=adversarial.non_saturating(), latent=1)


def test_acgan_by_hand():
    game = auxiliary(real_class=0.5, fake_class=0.25, generator_class=2.0)
    real, fake = X @ ROWS[0], FAKE @ ROWS[0]  # D is given no label: Critic sees to that
    value, report = play(game, "discriminator", BATCH)
    source = softplus(-real).mean() + softplus(fake).mean()
    assert value == pytest.approx(source + 0.5 * error(X, Y) + 0.25 * error(FAKE, Y), rel=1e-5)
    verdicts = [log_softmax(x @ head_matrix(2, 3)).argmax(axis=1) for x in (X, FAKE)]
    assert report["real_class_accuracy"] == pytest.approx((verdicts[0] == Y).mean())
    assert report["fake_class_accuracy"] == pytest.approx((verdicts[1] == Y).mean())
    value, report = play(game, "generator", BATCH)
    assert value == pytest.approx(softplus(-fake).mean() + 2 * error(FAKE, Y), rel=1e-5)
    assert report["class_error"] == pytest.approx(error(FAKE, Y), rel=1e-5)


def test_acgan_gives_the_label_to_the_generator_only():
    game = auxiliary()
    ports = {role: game.networks[role].args[0] for role in ("generator", "discriminator")}
    assert {role: port.classes for role, port in ports.items()} == {"generator": 3, "discriminator": 0}
    assert (game.labels, game.turns[0].trains, game.turns[1].trains) == (
        "all",
        ("discriminator", "classifier"),
        ("generator",),
    )


def test_acgan_without_weights_is_the_game_without_a_classifier():
    weightless = auxiliary(real_class=0.0, fake_class=0.0, generator_class=0.0)
    options = two_players.Options(adversarial.non_saturating(), 1, "normal", label="generator")
    plain = two_players.play(options, SPEC, Maker, Critic)
    for turn in ("discriminator", "generator"):
        assert play(weightless, turn, BATCH)[0] == play(plain, turn, BATCH)[0]


def test_acgan_infers_log_probabilities():
    game = auxiliary()
    found = infer(game, X)
    assert sorted(found) == [CLASS]
    np.testing.assert_allclose(np.exp(found[CLASS]).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[CLASS], log_softmax(X @ head_matrix(2, 3)), rtol=1e-5)


def infer(game, x):
    definitions = {role: define(b) for role, b in game.networks.items()}
    variables = {role: initialise(b, KEY) for role, b in game.networks.items()}
    return jax.tree.map(np.asarray, game.infer(Nets(definitions, variables), jnp.asarray(x)))


def test_the_generator_of_acgan_learns_of_the_class_through_the_classifier():
    """A step down the difference of the gradients with and without the class makes the right classes more probable."""
    (with_class, without) = (
        gradients(auxiliary(generator_class=weight), "generator", BATCH, "generator")["generator"]
        for weight in (1.0, 0.0)
    )
    before = play(auxiliary(), "generator", BATCH)[1]["class_error"]
    weight = jax.tree.map(lambda a, b: 1.0 - 0.01 * (a - b), with_class, without)
    assert play(auxiliary(), "generator", BATCH, generator=weight)[1]["class_error"] < before


# codes


def made_codes(prior="uniform", learned_sd=False, categorical=(3, 2), continuous=2):
    return codes.Codes(codes.controls(categorical, continuous, prior), prior, learned_sd)


def test_names_widths_and_entropies_of_codes():
    made = made_codes()
    assert list(made.controls) == ["c0", "c1", "c2", "c3"]
    assert (made.width, made.outputs, made_codes(learned_sd=True).outputs) == (7, 7, 9)
    entropies = [control.entropy for control in made.controls.values()]
    assert entropies == pytest.approx([np.log(3), np.log(2), np.log(2), np.log(2)])
    assert made_codes("normal").controls["c3"].entropy == pytest.approx(stats.norm.entropy())
    assert made.controls["c3"].entropy == pytest.approx(stats.uniform(-1, 2).entropy())


def test_codes_are_drawn_from_their_priors_independently():
    drawn = {name: np.asarray(values) for name, values in made_codes().draw(KEY, 20_000).items()}
    assert drawn["c0"].dtype == drawn["c1"].dtype == np.int32
    for name, k in (("c0", 3), ("c1", 2)):
        assert stats.chisquare(np.bincount(drawn[name], minlength=k)).pvalue > 1e-3
    for name in ("c2", "c3"):
        assert stats.kstest(drawn[name], stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert stats.kstest(np.asarray(made_codes("normal").draw(KEY, 20_000)["c2"]), stats.norm.cdf).pvalue > 1e-3
    correlations = np.corrcoef([drawn[f"c{i}"] for i in range(4)])
    assert np.abs(correlations - np.eye(4)).max() < 0.03


def test_the_generators_input_is_latent_then_one_hot_categories_then_numbers():
    batch = {
        "z": jnp.array([[0.1, 0.2], [0.3, 0.4]]),
        "c0": jnp.array([2, 0]),
        "c1": jnp.array([0, 1]),
        "c2": jnp.array([0.5, -0.5]),
        "c3": jnp.array([-1.0, 1.0]),
    }
    expected = [[0.1, 0.2, 0, 0, 1, 1, 0, 0.5, -1], [0.3, 0.4, 1, 0, 0, 0, 1, -0.5, 1]]
    np.testing.assert_allclose(made_codes().beside(batch), expected, rtol=1e-6)


@pytest.mark.parametrize("learned_sd", [False, True])
def test_reading_what_the_recognition_network_gives(learned_sd):
    output = np.random.default_rng(0).normal(size=(4, 9 if learned_sd else 7)).astype(np.float32)
    found = made_codes(learned_sd=learned_sd).read(jnp.asarray(output))
    np.testing.assert_allclose(found["c0"], log_softmax(output[:, :3]), atol=1e-6)
    np.testing.assert_allclose(found["c1"], log_softmax(output[:, 3:5]), atol=1e-6)
    if learned_sd:
        np.testing.assert_array_equal(found["c2"], output[:, 5:7])
        np.testing.assert_array_equal(found["c3"], output[:, 7:9])
    else:
        np.testing.assert_array_equal(found["c2"], np.stack([output[:, 5], np.zeros(4)], axis=1))
        np.testing.assert_array_equal(found["c3"], np.stack([output[:, 6], np.zeros(4)], axis=1))


def test_log_likelihood_is_that_of_scipy():
    number = codes.NUMBERS["uniform"]
    found, values = jnp.array([[0.5, 0.0], [-1.0, -2.0]]), jnp.array([0.0, -0.9])
    expected = stats.norm.logpdf([0.0, -0.9], [0.5, -1.0], np.exp([0.0, -2.0]))
    np.testing.assert_allclose(codes.log_likelihood(number, found, values), expected, rtol=1e-5)


def test_bounds_of_ignorance_and_of_certainty():
    """Nothing known: 0 nats; right and sure: the entropy of categories; a Gaussian of sd 1 about the code itself."""
    made = made_codes()
    drawn = made.draw(KEY, 5000)
    blind = made.bounds(made.read(jnp.zeros((5000, 7))), drawn)
    assert blind["c0"] == pytest.approx(0, abs=1e-6)
    assert blind["c1"] == pytest.approx(0, abs=1e-6)
    ones = made.beside({**drawn, "z": jnp.zeros((5000, 0))})
    sure = made.bounds(made.read(ones * jnp.array([50.0] * 5 + [1.0] * 2)), drawn)
    assert sure["c0"] == pytest.approx(np.log(3), rel=1e-5)
    assert sure["c1"] == pytest.approx(np.log(2), rel=1e-5)
    assert sure["c2"] == pytest.approx(np.log(2) - 0.5 * np.log(2 * np.pi), rel=1e-4)
    assert sure["c2"] < -0.22  # as the docstring of `infogan` says
    normal = made_codes("normal", categorical=(), continuous=1)
    value = normal.draw(KEY, 5000)
    at_best = normal.bounds(normal.read(value["c0"][:, None]), value)["c0"]
    assert at_best == pytest.approx(0.5, rel=1e-4)


def test_a_gaussian_that_is_the_prior_says_nothing_and_one_of_a_noisy_channel_says_its_capacity():
    """x = c + s n, c and n ~ N(0, 1): I = ½ log(1 + 1 / s²), at the posterior N(x / (1 + s²), s² / (1 + s²))."""
    made = made_codes("normal", learned_sd=True, categorical=(), continuous=1)
    drawn = made.draw(KEY, 200_000)
    prior = made.bounds(made.read(jnp.zeros((200_000, 2))), drawn)["c0"]
    assert prior == pytest.approx(0, abs=0.01)
    s2 = 0.25
    x = drawn["c0"] + np.sqrt(s2) * jax.random.normal(jax.random.key(1), (200_000,))
    posterior = jnp.stack([x / (1 + s2), jnp.full_like(x, 0.5 * np.log(s2 / (1 + s2)))], axis=1)
    assert made.bounds(made.read(posterior), drawn)["c0"] == pytest.approx(0.5 * np.log(1 + 1 / s2), abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_of_categories_is_at_most_their_entropy(seed):
    made = made_codes(categorical=(7,), continuous=0)
    drawn = made.draw(jax.random.key(seed), 100)
    logits = 10.0**seed * jax.random.normal(jax.random.key(seed + 10), (100, 7))
    likely = logits + 10.0**seed * jax.nn.one_hot(drawn["c0"], 7)
    for output in (logits, likely):
        assert made.bounds(made.read(output), drawn)["c0"] <= np.log(7) + 1e-6


# InfoGAN

informed = partial(infogan, SPEC, Maker, Critic, Head, loss=adversarial.non_saturating(), latent=1)
CODES = {"c0": jnp.array([0, 1, 2, 0]), "c1": jnp.array([1, 1, 0, 0]), "c2": jnp.array([0.5, -0.5, 0.0, 1.0])}
INFORMED = {"x": BATCH["x"], "z": BATCH["z"], **CODES}
OPTIONS = {"categorical": (3, 2), "continuous": 1}
CODED = Z + 2 + np.asarray(CODES["c2"])[:, None]  # two categorical codes are 1 each in the sum
MADE = CODED.repeat(2, axis=1)


def bounds_by_hand(x, found=None):
    """L_I of c0, c1 and c2 with the head above and sd 1."""
    output = x @ head_matrix(2, 6) if found is None else found
    rows = np.arange(len(x))
    first = log_softmax(output[:, :3])[rows, np.asarray(CODES["c0"])].mean() + np.log(3)
    second = log_softmax(output[:, 3:5])[rows, np.asarray(CODES["c1"])].mean() + np.log(2)
    third = stats.norm.logpdf(np.asarray(CODES["c2"]), output[:, 5], 1).mean() + np.log(2)
    return first, second, third


def test_infogan_by_hand():
    game = informed(**OPTIONS, information=0.5, continuous_information=0.1)
    first, second, third = bounds_by_hand(MADE)
    real, fake = X @ ROWS[0], MADE @ ROWS[0]
    term = 0.5 * (first + second) + 0.1 * third
    value, _ = play(game, "discriminator", INFORMED)
    assert value == pytest.approx(softplus(-real).mean() + softplus(fake).mean() - term, rel=1e-5)
    value, report = play(game, "generator", INFORMED)
    assert value == pytest.approx(softplus(-fake).mean() - term, rel=1e-5)
    found = [float(report[f"information_{name}"]) for name in CODES]
    assert found == pytest.approx([first, second, third], rel=1e-4)
    assert report["information"] == pytest.approx(first + second, rel=1e-4)


def test_infogan_without_information_is_the_standard_game():
    game = informed(**OPTIONS, information=0.0, continuous_information=0.0)
    plain = standard(SPEC, Maker, Critic, loss=adversarial.non_saturating(), latent=1 + 6)
    inputs = made_codes(categorical=(3, 2), continuous=1).beside(INFORMED)
    for turn in ("discriminator", "generator"):
        assert play(game, turn, INFORMED)[0] == play(plain, turn, {"x": INFORMED["x"], "z": inputs})[0]


def test_recognition_moves_in_the_discriminators_turn_only():
    for game in (informed(), ssinfogan(SPEC, Maker, Critic, Head, loss=adversarial.hinge(), latent=1)):
        trained = {turn.name: turn.trains for turn in game.turns}
        assert trained == {"discriminator": ("discriminator", "recognition"), "generator": ("generator",)}


def test_infogan_draws_and_offers_its_codes_and_needs_no_label():
    game = informed(**OPTIONS)
    assert sorted(game.draw(KEY, 3)) == ["c0", "c1", "c2", "z"]
    assert list(game.controls) == ["c0", "c1", "c2"]
    assert game.labels == "unused"
    assert sorted(infer(game, X)) == ["c0", "c1", "c2"]


@pytest.mark.parametrize(("role", "turn"), [("generator", "generator"), ("recognition", "discriminator")])
def test_either_player_raises_the_bound(role, turn):
    with_information, without = (
        gradients(informed(**OPTIONS, information=weight, continuous_information=weight), turn, INFORMED, role)[role]
        for weight in (1.0, 0.0)
    )
    start = initialise(informed(**OPTIONS).networks[role], KEY).params
    moved = jax.tree.map(lambda p, a, b: p - 0.01 * (a - b), start, with_information, without)

    def total(**moved):
        report = play(informed(**OPTIONS), "generator", INFORMED, **moved)[1]
        return float(report["information"] + report["information_c2"])

    assert total(**{role: moved}) > total()


def test_infogan_without_codes_is_refused():
    with pytest.raises(ValueError, match="without codes is the standard game"):
        informed(categorical=(), continuous=0)


# ss-InfoGAN

HALF = partial(
    ssinfogan,
    SPEC,
    Maker,
    Critic,
    Head,
    loss=adversarial.non_saturating(),
    latent=1,
    categorical=(2,),
    continuous=1,
)
LABELLED_X, LABELLED_Y = X[::-1] * 0.5, np.array([1, 0, 2, 1])
# the class is the first code, of 3 categories; then c0 of 2, then c1, a number: the layout of InfoGAN's above
SEMI = {
    "x": BATCH["x"],
    "z": BATCH["z"],
    CLASS: CODES["c0"],
    "c0": CODES["c1"],
    "c1": CODES["c2"],
    "labelled_x": jnp.asarray(LABELLED_X),
    "labelled_y": jnp.asarray(LABELLED_Y),
}


def test_ssinfogan_by_hand():
    game = HALF(supervision=2.0, information=0.5, continuous_information=0.1)
    tied, second, third = bounds_by_hand(MADE)
    free = 0.5 * second + 0.1 * third
    real, fake = X @ ROWS[0], MADE @ ROWS[0]
    verdicts = log_softmax((LABELLED_X @ head_matrix(2, 6))[:, :3])
    right = verdicts[np.arange(4), LABELLED_Y].mean() + np.log(3)
    value, report = play(game, "discriminator", SEMI)
    assert report["labelled"] == pytest.approx(right, rel=1e-4)
    assert report["labelled_accuracy"] == pytest.approx((verdicts.argmax(axis=1) == LABELLED_Y).mean())
    assert value == pytest.approx(softplus(-real).mean() + softplus(fake).mean() - free - 2 * right, rel=1e-5)
    value, report = play(game, "generator", SEMI)
    assert value == pytest.approx(softplus(-fake).mean() - free - 2 * tied, rel=1e-5)
    assert report["information_class"] == pytest.approx(tied, rel=1e-4)
    assert report["information"] == pytest.approx(tied + second, rel=1e-4)


def test_the_class_code_is_read_off_labelled_examples_alone_by_its_network():
    """Q's column of a class has no gradient from fakes: with all free weights 0 and no supervision, none at all."""
    game = HALF(supervision=0.0, information=1.0, continuous_information=1.0)
    moved = gradients(game, "discriminator", SEMI, "recognition")["recognition"]["matrix"][...]
    assert not np.any(moved[:, :3])
    assert np.all(moved[:, 3:] != 0)


def test_ssinfogan_wants_few_labels_and_draws_the_class_with_equal_chances():
    uneven = Spec((2,), SPEC.classes, (0.8, 0.1, 0.1))
    game = ssinfogan(uneven, Maker, Critic, Head, loss=adversarial.hinge(), latent=1)
    assert game.labels == "some"
    assert stats.chisquare(np.bincount(np.asarray(game.draw(KEY, 6000)[CLASS]))).pvalue > 1e-3
    assert game.controls[CLASS].entropy == pytest.approx(np.log(3))
    assert list(game.controls) == [CLASS, "c0", "c1"]
    assert game.networks["discriminator"].args[0].classes == game.networks["generator"].args[0].classes == 0


def test_batch_statistics_are_those_of_all_examples_not_of_labelled_ones():
    normal = partial(mlp.mlp, hidden=(4,), norm="batch")
    game = ssinfogan(SPEC, Maker, normal, normal, loss=adversarial.hinge(), latent=1)
    batch = {**SEMI, "c0": jnp.zeros(4), "c1": jnp.zeros(4)}
    other = {**batch, "labelled_x": 100 + batch["labelled_x"]}
    (_, first, kept), (_, second, also) = (_play(game, "discriminator", b, {}) for b in (batch, other))
    assert first["labelled"] != second["labelled"]
    jax.tree.map(np.testing.assert_array_equal, kept, also)
    for role in ("discriminator", "recognition"):  # not for want of moving
        start = initialise(game.networks[role], KEY).rest
        assert any(np.any(a != b) for a, b in zip(jax.tree.leaves(start), jax.tree.leaves(kept[role]), strict=True))


# all together on the ring of eight Gaussians


def cgan_ring(*overrides):
    return build.resolve(recipe.read_tables(recipe.find_recipe("conditional/cgan_ring"), overrides), "cgan_ring.toml")


def share_at_own_mode(labels_of):
    """Of samples, how many lie within 0.25 of the mode of their class, after a brief training with these labels."""
    resolved = cgan_ring("train.steps=600", "data.n=4096", "networks.generator.hidden=[64]", "train.steps_per_call=600")
    source = datasets.load_data(resolved, Store.from_environment(None))
    everything = source.load(np.arange(source.size))
    relabelled = in_memory("ring", everything["x"], labels_of(everything["y"]), source.spec.classes)
    made = build.experiment(resolved, relabelled.spec)
    trainer = Trainer(made, datasets.feed(resolved, relabelled), jax.devices()[:1])
    state, _ = trainer.advance(trainer.place(initial_state(made, 0)), 0, 600)
    inputs = sampler.draw_many(made, 1, 800)
    made_samples = sampler.Sampler(made, 800, jax.devices()[:1])(jax.device_get(state.average), inputs)
    distances = np.linalg.norm(made_samples - source.mixture.means[inputs[CLASS]], axis=1)
    return np.mean(distances < 0.25)


@pytest.mark.slow
def test_a_class_comes_out_at_its_own_mode():
    assert share_at_own_mode(lambda y: y) > 0.9
    assert share_at_own_mode(np.random.default_rng(0).permutation) == pytest.approx(1 / 8, abs=0.08)
