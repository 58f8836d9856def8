"""Games that say how likely an example is, against distributions that are known: sums to 1, Gaussians, orders."""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats
from tiny import tiny_tables

from gan_cli import build
from gan_cli.data.levels import quantise
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.engine.sampler import Sampler, draw_many
from gan_cli.engine.state import initial_state
from gan_cli.errors import InputError
from gan_cli.games import vae as vaes
from gan_cli.games.autoregressive import autoregressive
from gan_cli.games.game import DENSITY, Game
from gan_cli.games.networks import Nets, Variables, bounded_by, define, initialise
from gan_cli.games.vae import vae
from gan_cli.layers.categorical import quantile
from gan_cli.layers.layers import formulation
from gan_cli.layers.masked import mask
from gan_cli.metrics.metric import NOTHING, Scope
from gan_cli.metrics.nll import nll
from gan_cli.nets import dcgan
from gan_cli.nets.mlp import mlp
from gan_cli.nets.pixelcnn import pixelcnn
from gan_cli.types import Ports, Spec

LINEAR = partial(mlp, hidden=())
SEEDS = np.random.default_rng(5).integers(0, 2**32, 4096, dtype=np.uint32)


def bound(game: Game, change: Any = lambda _role, params: params) -> Nets:
    """The game's networks in evaluation, with fresh weights or what `change(role, params)` makes of them."""
    definitions = {role: define(build) for role, build in game.networks.items()}
    variables = {}
    for role, make in game.networks.items():
        fresh = jax.jit(partial(initialise, make))(jax.random.key(1))
        variables[role] = Variables(change(role, fresh.params), fresh.rest)
    return Nets(definitions, variables)


def density(game: Game, nets: Nets, **batch: Any) -> np.ndarray:
    assert game.density is not None
    return np.asarray(jax.jit(lambda batch: game.density(nets, batch))(batch))


def louder(_role: str, params: Any) -> Any:
    """Weights so large that no distribution is nearly uniform."""
    return jax.tree.map(lambda x: 3 * x + 0.1, params)


# orders and sums


@pytest.mark.parametrize(("colours", "levels", "form"), [(1, 3, "lax"), (3, 2, "lax"), (3, 2, "cpu")])
def test_a_logit_depends_on_all_values_before_its_own_and_on_no_other(colours, levels, form):
    shape = (4, 4, colours)
    net = pixelcnn(Ports(shape, (*shape, levels)), nnx.Rngs(0), width=9, blocks=1)
    x = jax.random.normal(jax.random.key(0), (8, *shape))  # some ReLU is off in some of them
    with formulation(form):
        jacobian = jax.jit(jax.vmap(jax.jacrev(lambda x: net(x[None])[0][0])))(x)
    found = np.abs(jacobian).reshape(8, x[0].size, levels, x[0].size).max(axis=(0, 2))  # [value, seen]
    later = np.triu(np.ones_like(found)).astype(bool)
    assert found[later].max() <= (0 if form == "lax" else 1e-6)  # Winograd's sums cancel but for rounding
    assert found[~later].min() > 1e-6


def test_masks_of_one_colour_are_those_of_the_paper():
    np.testing.assert_array_equal(mask((3, 3, 1, 1), 1, itself=False)[..., 0, 0], [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(mask((3, 3, 1, 1), 1, itself=True)[..., 0, 0], [[1, 1, 1], [1, 1, 0], [0, 0, 0]])


def test_the_probabilities_of_all_binary_images_sum_to_one():
    game = autoregressive(Spec((4, 4, 1), levels=2), partial(pixelcnn, width=4, blocks=1))
    bits = (np.arange(2**16)[:, None] >> np.arange(16)) & 1
    with formulation("lax"):
        found = density(game, bound(game, louder), x=2.0 * bits.reshape(-1, 4, 4, 1) - 1)
    assert float(np.exp(found).sum()) == pytest.approx(1, abs=1e-4)
    assert float(found.max() - found.min()) > 5


def test_a_value_is_drawn_at_the_quantile_of_its_conditional():
    spec = Spec((3, 3, 1), levels=4)
    game = autoregressive(spec, partial(pixelcnn, width=4, blocks=1))
    nets, u = bound(game, louder), jax.random.uniform(jax.random.key(2), (5, 9))
    with formulation("lax"):
        x = jax.jit(lambda u: game.asks["sample"].do(nets, {"u": u}))(u)
        p = jax.nn.softmax(jax.jit(lambda x: nets["model"](x)[0])(x)).reshape(5, 9, 4)
    number = np.round((np.asarray(x).reshape(5, 9) + 1) * 1.5).astype(int)
    until = np.concatenate([np.zeros((5, 9, 1)), np.cumsum(p, axis=-1)], axis=-1)
    below, above = (np.take_along_axis(until, number[..., None] + i, -1)[..., 0] for i in (0, 1))
    assert (below <= u + 1e-5).all()
    assert (u <= above + 1e-5).all()
    assert len(np.unique(number)) == 4


def test_quantiles_are_those_of_scipy():
    p = np.array([0.1, 0.0, 0.6, 0.3])
    u = np.linspace(0.001, 1, 50, dtype=np.float32)
    found = quantile(jnp.broadcast_to(jnp.log(p), (50, 4)), u)
    np.testing.assert_array_equal(found, stats.rv_discrete(values=(range(4), p)).ppf(u.astype(float)))


# VAEs

D, L, SD = 5, 2, 0.4
W = np.linalg.qr(np.random.default_rng(0).normal(size=(D, L)))[0] * [1.5, 0.7]  # orthogonal: q can be the posterior
B = np.linspace(-1, 1, D)
PRECISION = (W**2).sum(axis=0) + SD**2  # of z given x, in units of 1 / SD²


def ppca(role: str, params: Any, wrong: float = 0.0) -> Any:
    """The exact decoder and posterior of probabilistic PCA; its log sd is `wrong`."""
    back = W / PRECISION  # [D, L]
    zeros = np.zeros((D, L))
    kernels = {"decoder": W.T, "encoder": np.concatenate([back, zeros], axis=1)}
    biases = {"decoder": B, "encoder": np.concatenate([-B @ back, np.log(SD / np.sqrt(PRECISION)) + wrong])}
    own = {2: kernels[role], 1: biases[role]}
    return jax.tree.map(lambda x: jnp.asarray(own[x.ndim], jnp.float32), params)


def gaussian_data(n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (rng.normal(size=(n, L)) @ W.T + B + SD * rng.normal(size=(n, D))).astype(np.float32)


def exact(x: np.ndarray) -> np.ndarray:
    return stats.multivariate_normal(B, W @ W.T + SD**2 * np.eye(D)).logpdf(x)


def test_with_the_posterior_the_bound_is_the_likelihood_of_probabilistic_pca():
    game = vae(Spec((D,)), LINEAR, LINEAR, latent=L, width=SD, importance=3)
    x = gaussian_data(50)
    found = density(game, bound(game, ppca), x=x, seed=SEEDS[:50])
    np.testing.assert_allclose(found, exact(x), atol=1e-4)


def test_with_another_posterior_it_is_below_and_rises_with_draws():
    x, wrong = gaussian_data(1000), partial(ppca, wrong=0.4)

    def mean_density(importance: int) -> float:
        game = vae(Spec((D,)), LINEAR, LINEAR, latent=L, width=SD, importance=importance)
        return float(density(game, bound(game, wrong), x=x, seed=SEEDS[:1000]).mean())

    game = vae(Spec((D,)), LINEAR, LINEAR, latent=L, width=SD)
    nets = bound(game, wrong)
    _, report = jax.jit(lambda batch: game.turn("vae").loss(nets, batch))({"x": x, "seed": SEEDS[:1000]})
    bounds = [float(report["elbo"]), *map(mean_density, (2, 200))]
    gap = L * ((np.exp(0.8) - 1) / 2 - 0.4)  # KL from q to the posterior: its variance is exp(0.8) times as large
    assert bounds[0] == pytest.approx(exact(x).mean() - gap, abs=0.1)
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(exact(x).mean(), abs=0.02)


@pytest.mark.parametrize("levels", [0, 17])
def test_densities_of_stored_levels_sum_to_one(levels):
    """A Gaussian's counts per level; the mean is mid-grey, so that little of it is beyond black and white."""
    spec = Spec((1, 1, 1), levels=levels)
    game = vae(spec, LINEAR, LINEAR, latent=1, width=0.1, importance=1)
    nets = bound(game, lambda _role, params: jax.tree.map(jnp.zeros_like, params))
    x = np.linspace(-1, 1, levels or 256).reshape(-1, 1, 1, 1)
    found = density(game, nets, x=x, seed=SEEDS[: len(x)])
    assert float(np.exp(found).sum()) == pytest.approx(1, abs=1e-3)


def test_a_bernoulli_has_a_likelihood_of_binary_images_alone():
    options: dict[str, Any] = {"latent": 2, "observation": "bernoulli"}
    assert vae(Spec((2, 1, 1)), LINEAR, LINEAR, **options).density is None
    game = vae(Spec((2, 1, 1), levels=2), LINEAR, LINEAR, **options)
    x = np.array(list(itertools.product([-1.0, 1.0], repeat=2))).reshape(4, 2, 1, 1)
    nets = bound(game, lambda role, params: jax.tree.map(jnp.zeros_like, params) if role == "encoder" else params)
    found = density(game, nets, x=x, seed=np.repeat(SEEDS[:1], 4))  # of the same draws of z
    assert float(np.exp(found).sum()) == pytest.approx(1, rel=1e-5)
    with pytest.raises(ValueError, match="not for points"):
        vae(Spec((2,)), LINEAR, LINEAR, **options)


@pytest.mark.parametrize("output", ["tanh", "sigmoid", "linear"])
def test_a_bernoulli_wants_logits_without_bounds(output):
    decoder = partial(mlp, hidden=(4,), output=output)
    options: dict[str, Any] = {"latent": 2, "observation": "bernoulli"}
    if output == "linear":
        assert bounded_by(partial(decoder, Ports((2,), (8, 8, 1))), (2,)) == ""
        vae(Spec((8, 8, 1)), LINEAR, decoder, **options)
    else:
        with pytest.raises(ValueError, match=r"at its end .*output = \"linear\""):
            vae(Spec((8, 8, 1)), LINEAR, decoder, **options)
    images = partial(dcgan.generator, Ports((2,), (8, 8, 1)), width=4)
    assert bounded_by(images, (2,)) == "tanh"


def test_the_weight_of_the_divergence_rises():
    game = vae(Spec((D,)), LINEAR, LINEAR, latent=L, beta=2.0, ramp=10)
    nets, batch = bound(game), {"x": gaussian_data(4), "seed": SEEDS[:4]}
    for step, weight in ((0, 0.2), (4, 1.0), (9, 2.0), (99, 2.0)):
        nets.step = step
        value, report = game.turn("vae").loss(nets, batch)
        assert float(value) == pytest.approx(float(weight * report["kl"] - report["fit"]), rel=1e-5)


@pytest.mark.slow
def test_trained_it_finds_probabilistic_pca():
    """The exact log-likelihood to 0.1 nat, of a linear VAE from random weights."""
    import optax

    game = vae(Spec((D,)), LINEAR, LINEAR, latent=L, width=SD)
    definitions = bound(game)._definitions
    params, descent, x = {r: v.params for r, v in bound(game).variables.items()}, optax.adam(1e-2), gaussian_data(4000)

    def step(carry, i):
        params, state = carry
        key = jax.random.fold_in(jax.random.key(3), i)
        chosen = jax.random.randint(key, (256,), 0, len(x))
        batch = {"x": jnp.asarray(x)[chosen], "seed": jax.random.bits(key, (256,))}

        def loss(params):
            nets = Nets(definitions, {r: v._replace(params=params[r]) for r, v in bound(game).variables.items()})
            return game.turn("vae").loss(nets, batch)[0]

        updates, state = descent.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.jit(lambda p: jax.lax.scan(step, (p, descent.init(p)), jnp.arange(2000)))(params)
    trained = bound(game, lambda role, _: params[role])
    found = float(density(game, trained, x=x, seed=SEEDS[: len(x)]).mean())
    assert found == pytest.approx(exact(x).mean(), abs=0.1)


# what they are to a run

IMAGES = {"source": "digits", "split": "all", "size": 8, "channels": 1}
RUNS = {
    "vae": {
        "networks": {"encoder": {"net": "mlp", "hidden": [8]}, "decoder": {"net": "mlp", "hidden": [8]}},
        "game": {"play": "vae", "latent": 2, "importance": 3},
        "optimisers": {"vae": {"name": "adam", "learning_rate": 1e-3}},
    },
    "autoregressive": {
        "data": {**IMAGES, "levels": 17},
        "networks": {"model": {"net": "pixelcnn", "width": 2, "blocks": 1}},
        "game": {"play": "autoregressive"},
        "optimisers": {"model": {"name": "adam", "learning_rate": 1e-3}},
    },
}


def prepared(name: str) -> build.Prepared:
    tables = {**tiny_tables(train={"convolutions": "lax"}), **RUNS[name]}
    return build.prepare(tables, "tiny.toml", Store())


@pytest.mark.parametrize("name", RUNS)
def test_what_is_asked_about_an_example_is_the_same_in_batches_of_any_size(name):
    made = prepared(name)
    weights = initial_state(made.experiment, 0).average
    x = made.source.load(np.arange(7))["x"]
    for ask in [DENSITY, *made.experiment.game.asks]:
        found = []
        for batch in (2, 5):
            inputs = {**draw_many(made.experiment, 3, 7), "x": x}
            found.append(Sampler(made.experiment, batch, ask=ask)(weights, inputs))
        np.testing.assert_allclose(found[0].astype(float), found[1].astype(float), rtol=1e-5, err_msg=ask)


def test_a_model_of_levels_wants_values_of_finitely_many_kinds():
    with pytest.raises(ValueError, match="images or tokens, and these are points"):
        autoregressive(Spec((2,)), pixelcnn)
    text = autoregressive(Spec((6,), medium="tokens", words=("a", "b", "c")), LINEAR)
    ports = text.networks["model"].args[0]
    assert (ports.outputs, ports.words) == ((6, 3), 3)


def test_pixelcnn_refuses_what_it_cannot_do():
    for ports, words in (
        (Ports((5,), (5, 2)), "has images"),
        (Ports((4, 4, 1), ()), "logits of the values"),
        (Ports((4, 4, 3), (4, 4, 3, 2)), "less than the 3 channels"),
    ):
        with pytest.raises(InputError, match=words):
            pixelcnn(ports, nnx.Rngs(0), width=2)


# levels

GREYS = np.arange(256, dtype=np.uint8).repeat(64).reshape(-1, 64, 1, 1)  # [256, 64, 1, 1]: an image of each grey


def source_of(x: np.ndarray) -> Any:
    return in_memory("greys", x)


def test_levels_are_greys_of_their_own_and_the_nearest():
    few = quantise(source_of(GREYS), levels=17)
    x = few.load(np.arange(256))["x"][:, 0, 0, 0]
    np.testing.assert_array_equal(np.unique(x), np.round(np.arange(17) * 255 / 16))
    assert np.abs(x.astype(int) - np.arange(256)).max() <= 8  # half of what lies between two
    assert few.spec.levels == 17
    assert few.fingerprint != source_of(GREYS).fingerprint
    again = quantise(few, levels=17).load(np.arange(256))["x"]
    np.testing.assert_array_equal(again[:, 0, 0, 0], x)


def test_thresholds_and_chances():
    sharp = quantise(source_of(GREYS), binarise="threshold").load(np.array([127, 128, 0, 255]))["x"]
    assert [set(image.ravel()) for image in sharp] == [{0}, {255}, {0}, {255}]
    drawn = quantise(source_of(GREYS.repeat(16, axis=1)), binarise="sample")
    x = drawn.load(np.arange(256))["x"]
    assert set(np.unique(x)) == {0, 255}
    share = (x > 0).mean(axis=(1, 2, 3))
    assert share[0] == 0
    assert share[255] == 1
    assert np.abs(share - np.arange(256) / 255).max() < 0.07  # 4.5 standard errors
    np.testing.assert_array_equal(drawn.load(np.array([100, 7]))["x"], x[[100, 7]])  # an image's chance is its own
    assert drawn.spec.levels == 2


def test_levels_that_cannot_be_are_refused():
    assert quantise(source_of(GREYS)).load is not None
    with pytest.raises(InputError, match="binarise makes 2 levels, and levels = 4"):
        quantise(source_of(GREYS), levels=4, binarise="sample")
    with pytest.raises(InputError, match="are for images, and these are points"):
        quantise(source_of(np.zeros((3, 2), np.float32)), levels=4)


def test_nll_in_nats_and_bits():
    metric = nll()
    metric.check(Scope(n_real=4, n_fake=0, dim=1, shape=(2, 2, 1)))
    found = metric.compute(NOTHING._replace(density=np.log([0.5, 0.5, 0.25, 0.25]), numbers=4), NOTHING)
    assert found["nll"] == pytest.approx(1.5 * np.log(2))
    assert found["nll-bits"] == pytest.approx(1.5 / 4)
    assert found["nll-error"] == pytest.approx(np.log(2) / np.sqrt(3) / 2)
    with pytest.raises(InputError, match="2 real examples"):
        metric.check(Scope(n_real=1, n_fake=0, dim=1))


def test_the_seed_of_an_example_decides_its_draws():
    one, two = vaes.normal(jnp.asarray(SEEDS[:3]), (4,)), vaes.normal(jnp.asarray(SEEDS[2:3]), (4,))
    np.testing.assert_array_equal(one[2:], two)
