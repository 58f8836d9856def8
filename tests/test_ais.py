"""Annealed importance sampling against closed forms and quadrature, and the sides on which its bounds lie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from gan_cli.errors import InputError
from gan_cli.metrics import annealing, find_metric
from gan_cli.metrics.ais import bind, choose_width, forward, reverse, simulate
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.metrics.frechet import statistics
from gan_cli.metrics.metric import Decoder, Sample, Scope

KEY = jax.random.key(0)


def linear(weights, u):
    return u @ weights[0] + weights[1]


def principal(latent=5, dim=20, scale=0.2):
    """A linear decoder: x is Gaussian."""
    rng = np.random.default_rng(0)
    weights = scale * rng.normal(size=(latent, dim)), rng.normal(size=dim)
    return Decoder(Partial(linear, tuple(np.asarray(w, np.float32) for w in weights)), latent)


SMALL = principal(2, 12)
QUICK = {"n": 6, "width": 0.3, "steps": 40, "chains": 4, "leapfrog": 3, "simulated": 2}  # one program for all tests


def density(decoder, x, width):
    (w, b) = (np.asarray(part, np.float64) for part in decoder.mean.args[0])
    return multivariate_normal(b, w.T @ w + width**2 * np.eye(len(b))).logpdf(x)


def drawn(decoder, n, width, seed=0):
    return simulate(bind(decoder, 4, 3), n, width, jax.random.key(seed))[1]


def samples(decoder, x):
    """Real examples, and the fakes' decoder."""
    some = Sample(statistics(np.asarray(x)), {"features": np.asarray(x)})
    return some, some._replace(decoder=decoder)


def curved(u):
    """Two latents -> three numbers: posteriors bent, with narrow and wide parts."""
    a, b = u[..., 0], u[..., 1]
    return jnp.stack([jnp.sin(2 * a) + b**2 / 2, jnp.exp(0.8 * a) * b, jnp.tanh(3 * a)], -1)


def by_quadrature(x, width):
    grid = np.linspace(-6, 6, 481)
    u = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    means = np.asarray(curved(u), np.float64)
    prior = -np.square(u).sum(1) / 2 - np.log(2 * np.pi) + 2 * np.log(grid[1] - grid[0])
    constant = -3 * np.log(np.sqrt(2 * np.pi) * width)
    return np.array([logsumexp(prior - np.square(x_i - means).sum(1) / (2 * width**2)) for x_i in x]) + constant


CURVED = np.array([[0.8, 0.5, 0.9], [2.0, -1.0, -0.5], [0.0, 0.0, 0.0]], np.float32)


def test_linear_decoders_have_their_gaussian_density_and_a_small_gap():
    decoder, width, n = principal(), 0.3, 24
    x = drawn(decoder, n, width)
    values = find_metric("ais", n=n, width=width, steps=299, simulated=n).compute(*samples(decoder, x))
    assert values["ais"] == pytest.approx(density(decoder, x, width).mean(), abs=0.1)
    assert abs(values["ais-gap"]) < 0.1
    assert values["ais-gap-error"] < 0.05
    assert values["ais-error"] == pytest.approx(density(decoder, x, width).std(ddof=1) / np.sqrt(n), rel=0.05)
    assert values["ais-width"] == width
    assert 10 < values["ais-effective-chains"] <= 16
    assert 0.6 < values["ais-acceptance"] < 0.85  # the prior's longest step is accepted more often
    assert next(iter(values)) == "ais"


def test_images_one_by_one_are_near_their_densities():
    decoder, width = principal(), 0.3
    x = 1.2 * drawn(decoder, 24, width)  # such as the model would rather not make
    found = forward(bind(decoder, 16, 10), x, width, KEY, 299)
    np.testing.assert_allclose(found.log_evidence, density(decoder, x, width), atol=0.5)


def test_a_decoder_that_ignores_its_latent_is_exact():
    """Also where log p is of the order of 1e5, at which float32 would lose a tenth of a nat in a sum of 500 weights."""
    rng = np.random.default_rng(0)
    constant = rng.uniform(size=784).astype(np.float32)
    decoder = Decoder(Partial(lambda c, u: jnp.broadcast_to(c, (len(u), len(c))), constant), 2)
    x, width = rng.uniform(size=(24, 784)).astype(np.float32), 0.02
    exact = -np.square(x.astype(np.float64) - constant).sum(1) / (2 * width**2) - 784 * np.log(
        np.sqrt(2 * np.pi) * width
    )
    sampler = bind(decoder, 2, 1)
    lower = forward(sampler, x, width, KEY, 150)
    assert abs(exact).max() > 1e5
    np.testing.assert_allclose(lower.log_evidence, exact, rtol=1e-6)
    np.testing.assert_allclose(lower.effective, 2, rtol=1e-6)
    upper = reverse(sampler, x, width, KEY, np.zeros((24, 2), np.float32), lower.sizes)
    np.testing.assert_allclose(upper.log_evidence, lower.log_evidence, rtol=1e-9)


def test_a_curved_decoder_agrees_with_quadrature():
    x, width = np.repeat(CURVED, 32, axis=0), 0.3
    found = forward(bind(Decoder(curved, 2), 16, 10), x, width, KEY, 200).log_evidence.reshape(3, 32)
    exact = by_quadrature(CURVED, width)
    np.testing.assert_allclose(found.mean(1), exact, atol=0.08)


def test_bounds_lie_on_their_sides():
    """Few steps, so that they are loose: by more than three standard errors over many draws."""
    decoder, width, n = principal(), 0.3, 72
    sampler = bind(decoder, 16, 10)
    u, x = simulate(sampler, n, width, KEY)
    exact = density(decoder, x, width)
    errors = {}
    for steps in (20, 99):
        lower = forward(sampler, x, width, jax.random.key(1), steps)
        upper = reverse(sampler, x, width, jax.random.key(2), u, lower.sizes)
        errors[steps] = exact - lower.log_evidence, upper.log_evidence - exact
    for loose, tight in zip(errors[20], errors[99], strict=True):
        assert loose.mean() > 3 * loose.std() / np.sqrt(n)
        assert abs(tight.mean()) < loose.mean() / 3


def test_weights_have_the_evidence_as_their_mean():
    """The estimate itself, not its logarithm, is unbiased: steering does not look at the chains that count."""
    x, width, copies = np.repeat(CURVED[:1], 480, axis=0), 0.3, 480
    found = forward(bind(Decoder(curved, 2), 16, 10), x, width, KEY, 60).log_evidence
    ratio = np.exp(found - by_quadrature(CURVED[:1], width))
    assert abs(ratio.mean() - 1) < 3 * ratio.std() / np.sqrt(copies)
    assert found.mean() < by_quadrature(CURVED[:1], width)[0]


def test_schedule_and_weights_by_hand():
    betas = annealing.schedule(3)
    s = 1 / (1 + np.exp(-np.array([-4.0, -2, 0, 2, 4])))
    np.testing.assert_allclose(betas, (s - s[0]) / (s[4] - s[0]), atol=1e-7)
    assert (betas[0], betas[2], betas[4]) == (0, 0.5, 1)
    one_chain, _ = annealing.estimate(np.array([[[1.0, 2, 3]]]), np.array([0, 0.5, 0.75, 1]))
    np.testing.assert_allclose(one_chain, [1.75])
    weights = np.array([[1.0, 3.0], [2, 2], [1, 1e-30]])
    log_mean, effective = annealing.estimate(np.log(weights)[..., None] + 1e4, np.array([0.0, 1]))
    assert log_mean == pytest.approx(np.log(weights.mean(1)) + 1e4)
    assert effective == pytest.approx([16 / 10, 2, 1])


def test_transitions_leave_the_posterior_as_it_is():
    """From exact samples, at beta = 1, with the posterior of a linear decoder."""
    w, x, width, n = np.array([[1.0], [0.5]]), 0.7, 0.4, 4000
    precision = np.eye(2) + w @ w.T / width**2
    mean = np.linalg.solve(precision, w[:, 0] * x / width**2)
    rng = np.random.default_rng(0)
    u = rng.multivariate_normal(mean, np.linalg.inv(precision), size=(8, n // 8)).astype(np.float32)

    def log_likelihood(u):
        return -jnp.square(x - u @ w)[..., 0] / (2 * width**2)

    betas, sizes = np.ones(20, np.float32), np.full((8, 20), 0.3, np.float32)
    chains, trace = jax.jit(
        lambda u: annealing.anneal(
            log_likelihood,
            annealing.Chains(u, jnp.full(8, annealing.LONGEST)),
            jax.random.split(KEY, 8),
            betas,
            sizes,
            0,
            leapfrog=5,
        )
    )(u)
    after = np.asarray(chains.u).reshape(n, 2)
    assert 0.2 < trace.acceptance.mean() < 0.99
    assert abs(after - u.reshape(n, 2)).mean() > 0.2
    np.testing.assert_allclose(after.mean(0), mean, atol=4 * 0.9 / np.sqrt(n))
    np.testing.assert_allclose(np.cov(after.T), np.linalg.inv(precision), atol=0.06)


@pytest.mark.parametrize(("width", "wrong"), [(0.5, 0), (0.1, 0), (0.1, 3)])
def test_the_width_is_that_of_the_data(width, wrong):
    """Also where the model is far from them."""
    x = drawn(SMALL, 16, width, seed=3) + np.float32(wrong)
    chosen = choose_width(bind(SMALL, 4, 3), x, KEY, 99)
    candidates = 2.0 ** (np.arange(-24, 13) / 4)
    best = candidates[np.argmax([density(SMALL, x, each).mean() for each in candidates])]
    assert chosen == pytest.approx(best, rel=0.2)  # a rung up or down, with so few steps
    assert chosen in candidates


def test_images_that_choose_the_width_are_not_judged():
    x = drawn(SMALL, 30, 0.25)
    metric = find_metric("ais", **{**QUICK, "width": "validation", "validation": 8})
    values = metric.compute(*samples(SMALL, x))
    assert values == metric.compute(*samples(SMALL, x[:14]))  # nor are all that there are
    judged_alone = find_metric("ais", **{**QUICK, "width": values["ais-width"]}).compute(*samples(SMALL, x[:6]))
    assert judged_alone == values


def test_a_number_is_reproducible_and_its_draws_follow_the_seed():
    x = drawn(SMALL, 70, 0.3)
    first, again, other = (find_metric("ais", **QUICK, seed=seed).compute(*samples(SMALL, x)) for seed in (0, 0, 1))
    assert first == again
    assert first["ais"] != other["ais"]
    sampler = bind(SMALL, 4, 3)
    whole, part = (forward(sampler, x[:rows], 0.3, KEY, 40).log_evidence for rows in (70, 7))
    np.testing.assert_allclose(whole[:7], part, rtol=1e-5)  # blocks do not matter


@pytest.mark.parametrize("x", [np.zeros((1, 12)), np.ones((3, 12))])
def test_images_that_are_all_alike_have_a_width(x):
    chosen = choose_width(bind(SMALL, 4, 3), x.astype(np.float32), KEY, 99)
    candidates = 2.0 ** (np.arange(-24, 13) / 4)
    best = candidates[np.argmax([density(SMALL, x, each).mean() for each in candidates])]
    assert chosen == pytest.approx(best, rel=0.2)


def test_a_second_checkpoint_compiles_nothing():
    traced = []

    def mean(weights, u):
        traced.append(u.shape)
        return linear(weights, u)

    def judge(steps, scale):
        weights = principal(2, 12, scale).mean.args[0]
        options = {**QUICK, "width": "validation", "validation": 6, "steps": steps}
        find_metric("ais", **options).compute(*samples(Decoder(Partial(mean, weights), 2), drawn(SMALL, 12, 0.3)))
        return len(traced)

    assert judge(20, 0.2) == judge(110, 0.3) == judge(200, 0.1)


def test_too_few_real_images_are_refused():
    check = find_metric("ais", n=50, validation=10).check
    assert check(Scope(60, 1, 784)) == ()
    with pytest.raises(
        InputError, match="judges 50 real images and chooses its width with 10 others, and there are 59"
    ):
        check(Scope(59, 1, 784))
    assert find_metric("ais", n=50, width=0.1).check(Scope(50, 1, 784)) == ()
    with pytest.raises(InputError, match="judges 50 real images, and there are 49: set n_real to 50 or more"):
        find_metric("ais", n=50, width=0.1).check(Scope(49, 1, 784))


@pytest.mark.parametrize("options", [{"n": 1}, {"width": 0}, {"width": "best"}, {"simulated": 1}, {"steps": 0}])
def test_options_out_of_their_range_are_refused(options):
    with pytest.raises(InputError):
        find_metric("ais", **options)


def test_weights_that_are_not_finite_are_named():
    broken = SMALL._replace(mean=Partial(linear, tuple(w * np.float32(np.nan) for w in SMALL.mean.args[0])))
    with pytest.raises(NotFiniteError, match="likelihood of an image is not finite"):
        find_metric("ais", **QUICK).compute(*samples(broken, drawn(SMALL, 6, 0.3)))


def test_a_plain_function_is_a_decoder():
    x = drawn(SMALL, 6, 0.3)
    plain = Decoder(lambda u: SMALL.mean(u), 2)
    expected = find_metric("ais", **QUICK).compute(*samples(SMALL, x))
    assert find_metric("ais", **QUICK).compute(*samples(plain, x)) == pytest.approx(expected, rel=1e-3)


def test_more_images_than_a_block():
    assert bind(principal(), 16, 1).rows == 24
