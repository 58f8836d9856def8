"""Metrics of toys and pixels against hand computation, closed forms and scikit-learn; stacked digits against MNIST."""

import math

import jax
import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from gan_cli import build, recipe
from gan_cli.data import stacked_mnist, toy
from gan_cli.data.mnist import mnist
from gan_cli.data.source import Mixture
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import initial_state
from gan_cli.errors import InputError
from gan_cli.features import find_network as find_features
from gan_cli.features.digits import digits
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.judging.reference import Reference
from gan_cli.metrics import find_metric, modes, parzen
from gan_cli.metrics.collect import NotFiniteError, check_outputs, collect, kept_by
from gan_cli.metrics.frechet import statistics
from gan_cli.metrics.metric import Sample, Scope

rng = np.random.default_rng(0)


def sample(points, mixture=None, name="features"):
    points = np.asarray(points, np.float32)
    return Sample(statistics(points), {name: points}, mixture)


def measured(points, mixture):
    points = np.asarray(points, np.float32)
    return find_metric("modes").compute(sample(points, mixture), sample(points))


def drawn(make, n, **options):
    """n points of a toy, and what they are points of."""
    source = make(Store(), n=n, **options)
    return source.load(np.arange(n))["x"], source.mixture


THREE = Mixture(np.array([[0.0, 0], [10, 0], [0, 10]]), np.array([1.0, 2, 0.5]))
SQUARE = Mixture(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.full(4, 0.01))

# mixture, points, then by hand: modes, share of high quality, reverse KL
BY_HAND = {
    "by distance in standard deviations": (
        THREE,
        # of mode 0; of mode 0; 5 away from both 0 and 1, which is wider; 3.2 deviations of mode 2; exactly 3 of mode 0
        [(0, 0), (0, -2.9), (5, 0), (0, 8.4), (-3, 0)],
        (2, 3 / 5, 2 / 3 * math.log(2 / 3 * 3) + 1 / 3 * math.log(1 / 3 * 3)),
    ),
    "bad samples do not count as any mode's": (
        SQUARE,
        [(0, 0)] * 3 + [(1, 1)] + [(0.5, 0.4)] * 4,
        (2, 4 / 8, 3 / 4 * math.log(3) + 1 / 4 * math.log(1)),
    ),
    "one good sample captures a mode": (
        SQUARE,
        [(0, 0)] * 97 + [(0, 1), (1, 0), (1, 1)],
        (4, 1, 0.97 * math.log(0.97 * 4) + 0.03 * math.log(0.01 * 4)),
    ),
    "all alike": (SQUARE, SQUARE.means, (4, 1, 0)),
    "collapse": (SQUARE, [(1, 0)] * 9, (1, 1, math.log(4))),
    "nothing captured": (SQUARE, [(0.5, 0.5)] * 9, (0, 0, math.log(4))),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_modes_by_hand(name):
    mixture, points, (captured, quality, kl) = BY_HAND[name]
    expected = {"modes": captured, "modes-high-quality": quality, "modes-reverse-kl": kl}
    assert measured(points, mixture) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("make", "k"), [(toy.ring, 8), (toy.grid, 25)])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_a_perfect_model_of_the_plane_has_its_ceiling_and_not_more(make, k, scale):
    n, share = 50_000, 1 - math.exp(-4.5)  # P(chi-square of 2 degrees of freedom < 9) = 98.89%
    values = measured(*drawn(make, n, seed=7, scale=scale))
    assert values["modes"] == k
    assert abs(values["modes-high-quality"] - share) < 4 * math.sqrt(share * (1 - share) / n)
    assert values["modes-reverse-kl"] < 3 * (k - 1) / (2 * n)  # whose expectation is (K - 1) / 2N
    assert "modes-kl" not in values


@pytest.mark.parametrize("real", [None, sample([(0, 0)] * 3)])
def test_data_without_a_known_mixture_are_refused(real):
    with pytest.raises(InputError, match="known mixture of Gaussians"):
        find_metric("modes").compute(real, sample([(0, 0)] * 3))


LINE = Mixture(np.array([[-1.0], [2.0]]), np.array([0.5, 0.2]))


def slow_histogram(x, width=0.02):
    """KL(p || q) and the chi-square of LINE, bin after bin, with the error function."""
    low, high = min(-1 - 5.0, 2 - 2.0), max(-1 + 5.0, 2 + 2.0)

    def below(t):
        return sum(0.5 * (1 + math.erf((t - m) / (s * math.sqrt(2)))) for m, s in ((-1, 0.5), (2, 0.2))) / 2

    kl = chi_square = 0.0
    for i in range(math.ceil((high - low) / width - 1e-9)):
        a, b = low + i * width, low + (i + 1) * width
        q = max(below(b) - below(a), 1e-10)
        p = np.mean((x >= a) & (x < b))
        kl += p * math.log(p / q) if p else 0.0
        chi_square += (p - q) ** 2 / (p + q)
    return kl, chi_square


def test_histogram_equals_an_independent_one():
    x = np.random.default_rng(1).normal(0.3, 0.9, 4000)
    found = modes.histogram(LINE, x)
    assert (found["modes-kl"], found["modes-chi-square"]) == pytest.approx(slow_histogram(x), rel=1e-6)


def test_histogram_of_exact_samples_is_near_zero():
    values = measured(*drawn(toy.mixture, 400_000, seed=3))
    assert 0 < values["modes-kl"] < 3e-3  # bins in use / 2N is 1e-3
    assert 0 < values["modes-chi-square"] < 3e-3
    assert values["modes"] == 5
    # P(|N(0, 1)| < 3), and the tail that each of the first two modes has in the other one's reach
    assert values["modes-high-quality"] == pytest.approx(0.9973 + 2 / 5 * 0.00135, abs=2e-4)


def test_histogram_of_a_missing_mode():
    """Four of five modes: p = 1/4 where q = 1/5, and nothing where q = 1/5."""
    x, mixture = drawn(toy.mixture, 400_000, seed=3)
    values = measured(x[x[:, 0] < 95], mixture)
    assert values["modes-kl"] == pytest.approx(math.log(5 / 4), abs=5e-3)
    assert values["modes-chi-square"] == pytest.approx(4 * 0.05**2 / 0.45 + 0.2, abs=5e-3)


def test_histogram_counts_what_is_far_away():
    values = measured([[1e30], [-1e30]], LINE)
    assert values["modes-kl"] == pytest.approx(math.log(0.5 / 1e-10))
    assert values["modes-chi-square"] == pytest.approx(2)
    assert values["modes"] == 0


@pytest.mark.parametrize("width", [0.1, 0.37, 1.0])
@pytest.mark.parametrize(("n", "dim"), [(3, 1), (1203, 20)])
def test_log_likelihoods_are_those_of_scikit_learn(n, dim, width):
    x, centres = rng.uniform(size=(n, dim)), rng.uniform(size=(200, dim))
    expected = KernelDensity(bandwidth=width, leaf_size=1000).fit(centres).score_samples(x)  # in trees it rounds
    np.testing.assert_allclose(parzen.log_likelihoods(x, centres, [width])[0], expected, rtol=1e-6)


def test_parzen_chooses_its_width_on_the_first_thousand_and_judges_the_rest():
    centres = rng.normal(size=(300, 2)) * 0.1
    first, rest = rng.normal(size=(1000, 2)) * 0.25, rng.normal(size=(60, 2))
    candidates = [10 ** (-1 + i / 9) for i in range(10)]

    def score(x, width):
        return (
            KernelDensity(bandwidth=width, leaf_size=1000)
            .fit(centres.astype(np.float32))
            .score_samples(x.astype(np.float32))
        )

    best = max(candidates, key=lambda width: score(first, width).mean())
    assert best not in (min(candidates), max(candidates), max(candidates, key=lambda w: score(rest, w).mean()))
    expected = score(rest, best)
    assert find_metric("parzen").compute(sample(np.concatenate([first, rest])), sample(centres)) == pytest.approx(
        {"parzen": expected.mean(), "parzen-error": expected.std(ddof=1) / math.sqrt(60), "parzen-width": best}
    )


def test_parzen_wants_images_beside_those_that_choose_the_width():
    check = find_metric("parzen").check
    for n in (1, 1000, 1001):  # of a single image there is no standard error
        with pytest.raises(InputError, match=f"1002 real images or more, and there are {n}"):
            check(Scope(n, 10_000, 784))
    assert check(Scope(1002, 10, 784)) == ()


def test_pixels_run_from_zero_to_one_in_order():
    images = np.array([0, 51, 102, 255], np.uint8).reshape(1, 2, 2, 1)
    found = collect(find_features("pixels"), [images], keep=["features"]).outputs["features"]
    np.testing.assert_allclose(found, [[0, 0.2, 0.4, 1]], atol=1e-6)
    as_floats = images.astype(np.float32) / 127.5 - 1
    floats = collect(find_features("pixels"), [as_floats], keep=["features"]).outputs["features"]
    np.testing.assert_allclose(floats, found, atol=1e-6)


def test_points_are_taken_as_they_are():
    points = np.array([[-7.25, 1e6], [0.1, -3e-9]], np.float32)
    found = collect(find_features("points"), [points], keep=["features"])
    np.testing.assert_array_equal(found.outputs["features"], points)
    with pytest.raises(NotFiniteError, match="image 1 has features that are not finite"):
        collect(find_features("points"), [np.array([[0, 0], [np.inf, 0]], np.float32)])
    with pytest.raises(InputError, match="'points' has no logits"):
        collect(find_features("points"), [points], keep=["logits"])


def logits_of(triples):
    """Sure logits [N, 30] of triples of digits [N, 3]."""
    return np.concatenate([9.0 * np.eye(10)[np.asarray(triples)[:, colour]] for colour in range(3)], axis=1)


EVERY = np.array([(a, b, c) for a in range(10) for b in range(10) for c in range(10)])
STACKED = [
    ([(3, 1, 4)] * 5, 1, math.log(1000)),
    ([(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 1)], 3, 0.5 * math.log(500) + 2 * 0.25 * math.log(250)),
    (EVERY, 1000, 0),
    (np.repeat(EVERY[::2], 3, axis=0), 500, math.log(2)),
]


@pytest.mark.parametrize(("triples", "captured", "kl"), STACKED)
def test_stacked_modes_by_hand(triples, captured, kl):
    values = find_metric("stacked-modes").compute(None, sample(logits_of(triples), name="digit_logits"))
    assert values == pytest.approx({"stacked-modes": captured, "stacked-modes-kl": kl}, abs=1e-9)


def test_stacked_modes_of_equal_shares_have_the_floor_that_is_documented():
    triples = np.random.default_rng(2).integers(10, size=(26_000, 3))
    values = find_metric("stacked-modes").compute(None, sample(logits_of(triples), name="digit_logits"))
    assert values["stacked-modes"] == 1000
    assert values["stacked-modes-kl"] == pytest.approx(999 / (2 * 26_000), rel=0.15)


def test_stacked_modes_refuse_one_digit_an_image():
    with pytest.raises(InputError, match="stacked_digits"):
        find_metric("stacked-modes").compute(None, sample(np.zeros((5, 10)), name="digit_logits"))


def test_stacked_digits_look_at_each_colour_by_itself():
    images = np.random.default_rng(3).uniform(-1, 1, (4, 28, 28, 3)).astype(np.float32)
    features = find_features("stacked_digits")
    found = features.apply(images)
    each = [digits().apply(images[..., colour : colour + 1]) for colour in range(3)]
    for name, own, width in (("features", "features", features.dim // 3), ("digit_logits", "logits", 10)):
        assert found[name].shape == (4, 3 * width)
        for colour in range(3):
            block = found[name][:, colour * width : (colour + 1) * width]
            np.testing.assert_allclose(block, each[colour][own], rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="not of 1 channels"):
        features.apply(images[..., :1])


@pytest.fixture(scope="module")
def stacked(mnist_dir):
    """Stacked digits of the test split, and the digits that they are made of."""
    store = Store(data_dir=mnist_dir, download=False)
    return stacked_mnist.stacked_mnist(store, split="test", n=3000), mnist(store, split="test"), store


def test_labels_are_the_digits_in_red_green_and_blue(stacked):
    source, single, _ = stacked
    everything = single.load(np.arange(single.size))
    label = {image.tobytes(): y for image, y in zip(everything["x"][..., 0], everything["y"], strict=True)}
    assert len(label) == single.size
    examples = source.load(np.arange(200))
    assert (examples["x"].shape, examples["x"].dtype, examples["y"].dtype) == ((200, 28, 28, 3), np.uint8, np.int32)
    for image, y in zip(examples["x"], examples["y"], strict=True):
        red, green, blue = (label[np.ascontiguousarray(image[..., colour]).tobytes()] for colour in range(3))
        assert source.spec.classes[y] == f"{red}{green}{blue}"


def test_stacked_digits_come_up_with_equal_chances_and_are_recognised(stacked):
    source, _, _ = stacked
    y = source.load(np.arange(source.size))["y"]
    for place in (100, 10, 1):
        shares = np.bincount(y // place % 10, minlength=10) / len(y)
        assert abs(shares - 0.1).max() < 0.03
    chosen = source.load(np.arange(300))
    logits = collect(find_features("stacked_digits"), [chosen["x"]], keep=["digit_logits"]).outputs["digit_logits"]
    seen = logits.reshape(-1, 3, 10).argmax(axis=2) @ [100, 10, 1]
    assert (seen == chosen["y"]).mean() > 0.95


def test_stacked_mnist_is_a_pure_function_of_its_seed_and_of_the_index(stacked):
    source, _, store = stacked
    again = stacked_mnist.stacked_mnist(store, split="test", n=3000)
    other = stacked_mnist.stacked_mnist(store, split="test", n=3000, seed=1)
    assert source.fingerprint == again.fingerprint != other.fingerprint
    whole, part = source.load(np.arange(50)), again.load(np.array([49, 7]))
    np.testing.assert_array_equal(part["x"], whole["x"][[49, 7]])
    np.testing.assert_array_equal(part["y"], whole["y"][[49, 7]])
    assert (source.size, source.spec.shape, len(source.spec.classes)) == (3000, (28, 28, 3), 1000)


def toy_run(*overrides):
    """An experiment on a toy, untrained, and its data."""
    small = ("networks.generator.hidden=[8]", "networks.discriminator.hidden=[8]", "data.n=500", *overrides)
    tables = recipe.read_tables(recipe.find_recipe("ring"), small)
    return build.prepare(tables, "ring", Store(download=False))


def judge_of(prepared, metric, store, source=None, **options):
    options = recipe.Eval(metric=metric, n=300, n_real=200, batch=100, **options)
    return ModelEvaluator(prepared.experiment, options, Reference("toy all", source or prepared.source), store, seed=5)


def test_the_judge_takes_modes_of_the_samples_that_gan_sample_writes(tmp_path):
    prepared = toy_run("data.sd=0.5")
    average = initial_state(prepared.experiment, 0).average
    verdict = judge_of(prepared, "modes", Store(cache_dir=tmp_path))(average)
    samples = sampler.Sampler(prepared.experiment, 300)(average, sampler.draw_many(prepared.experiment, 5, 300))
    assert verdict.values == measured(samples, prepared.source.mixture)
    assert 0 < verdict.values["modes-high-quality"] <= 1
    assert str(verdict.protocol) == ("features points none, 200 real (toy all), 300 fake, seed 5, vectors, as they are")
    again = judge_of(prepared, "modes", Store(cache_dir=tmp_path))(average)  # real statistics come from the cache now
    assert again.values == verdict.values


def test_the_judge_takes_histograms_on_the_line(tmp_path):
    prepared = toy_run("data.source=toy.mixture")
    verdict = judge_of(prepared, "modes", Store(cache_dir=tmp_path))(initial_state(prepared.experiment, 0).average)
    assert {"modes", "modes-kl", "modes-chi-square"} <= verdict.values.keys()
    assert all(math.isfinite(value) for value in verdict.values.values())


def test_a_metric_of_one_classifier_is_refused_where_there_are_three():
    with pytest.raises(InputError, match="'stacked_digits' has no logits"):
        check_outputs(find_features("stacked_digits"), kept_by([find_metric("class-coverage")]))


def test_the_judge_refuses_what_cannot_be_taken_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "jit", None)
    prepared, store = toy_run(), Store(cache_dir=tmp_path)
    with pytest.raises(InputError, match="modes needs data whose mixture of Gaussians is known"):
        judge_of(prepared, "modes", store, prepared.source._replace(mixture=None))
    with pytest.raises(InputError, match=r"stacked-modes is not taken through points: set .* 'stacked_digits'"):
        judge_of(prepared, "stacked-modes", store)
    with pytest.raises(InputError, match="parzen needs 1002 real images or more, and there are 200"):
        judge_of(prepared, "parzen", store)
