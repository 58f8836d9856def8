"""Kernel and transport metrics against hand computation, enumeration, closed forms and scipy."""

import itertools
from functools import partial

import numpy as np
import pytest
from scipy.special import gamma
from scipy.stats import wasserstein_distance

from gan_cli.errors import InputError
from gan_cli.metrics import fid_infinity, find_metric, kernel, kid, mmd, sliced_wasserstein, wasserstein
from gan_cli.metrics.frechet import Statistics, frechet_distance, statistics
from gan_cli.metrics.kernel import between, gaussian, mmd2, mmd2_value, polynomial, within
from gan_cli.metrics.metric import Sample, Scope

NAMES = ("kid", "mmd", "wasserstein", "sliced-wasserstein")
KID = partial(polynomial, degree=3, coefficient=1.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def sample(x):
    x = np.asarray(x, np.float32)
    return Sample(statistics(x), {"features": x})


def taken(name, x, y, **options):
    return find_metric(name, **options).compute(sample(x), sample(y))


def normal(n, dim, seed, mean=0.0, sd=1.0):
    return rng(seed).normal(size=(n, dim)) * sd + mean


# kernels


def test_kernels_by_hand():
    x, y = np.array([[1.0, 2], [0, 0]]), np.array([[3.0, 4], [1, 0]])
    np.testing.assert_allclose(KID(x, y), [[6.5**3, 1.5**3], [1, 1]])
    np.testing.assert_allclose(polynomial(x, y, degree=1, coefficient=0.5), [[6, 1], [0.5, 0.5]])
    np.testing.assert_allclose(gaussian(x, y, width=2), np.exp([[-8 / 8, -4 / 8], [-25 / 8, -1 / 8]]))


def test_the_gaussian_kernel_keeps_its_digits_far_from_the_origin():
    """A common mean of 1e6 would leave none of a distance of 1e-3 in |x|² + |y|² - 2 x.y."""
    x, y = normal(5, 3, 0, sd=1e-3), normal(4, 3, 1, sd=1e-3)
    np.testing.assert_allclose(gaussian(x + 1e6, y + 1e6, width=1e-3), gaussian(x, y, width=1e-3), rtol=1e-5)


def test_kid_of_small_integers_by_hand():
    """In one dimension: k = (x y + 1)³, within {1, 2} 27, within {0, 3} 1, across 1, 64, 1, 343."""
    assert mmd2_value(KID, np.array([[1], [2]]), np.array([[0], [3]])) == 27 + 1 - 2 * (1 + 64 + 1 + 343) / 4
    unequal = 27 + (1 + 1 + (-3 + 1) ** 3) / 3 - 2 * (1 + 64 + 1 + 343 + 0 - 1) / 6
    assert mmd2_value(KID, np.array([[1], [2]]), np.array([[0], [3], [-1]])) == pytest.approx(unequal)


@pytest.mark.parametrize("tile", [1, 3, 100])
def test_sums_are_those_of_the_whole_matrix_in_any_tiles(monkeypatch, tile):
    monkeypatch.setattr(kernel, "TILE", tile)
    x, y = normal(7, 3, 0), normal(5, 3, 1)
    whole, cross = KID(x, x), KID(x, y)
    np.fill_diagonal(whole, 0)
    for found, matrix in ((within(KID, x), whole), (between(KID, x, y), cross)):
        np.testing.assert_allclose(found.rows, matrix.sum(1))
        np.testing.assert_allclose(found.columns, matrix.sum(0))
        assert found.squares == pytest.approx(np.square(matrix).sum())
        assert found.total == pytest.approx(matrix.sum())


# MMD² and its standard error


@pytest.mark.parametrize("k", [KID, partial(gaussian, width=0.7)])
def test_value_and_variance_are_unbiased_exactly(k):
    """All samples of 4 reals and 5 fakes that two laws on two points each can give, with their probabilities."""
    p, q, points_p, points_q = (0.3, 0.7), (0.6, 0.4), np.array([0.0, 1]), np.array([0.5, 2])
    weights, values, variances = [], [], []
    for i, j in itertools.product(itertools.product((0, 1), repeat=4), itertools.product((0, 1), repeat=5)):
        found = mmd2(k, points_p[list(i), None], points_q[list(j), None])
        weights.append(np.prod(np.take(p, i)) * np.prod(np.take(q, j)))
        values.append(found.value)
        variances.append(found.first + found.second)
    weights, values = np.array(weights), np.array(values)
    truth = sum(
        np.outer(a, b).ravel() @ k(x[:, None], y[:, None]).ravel() * sign
        for a, x, b, y, sign in (
            (p, points_p, p, points_p, 1),
            (q, points_q, q, points_q, 1),
            (p, points_p, q, points_q, -2),
        )
    )
    assert weights.sum() == pytest.approx(1)
    assert weights @ values == pytest.approx(truth, rel=1e-9)
    assert weights @ variances == pytest.approx(weights @ values**2 - truth**2, rel=1e-8)


def test_mmd_of_two_gaussians_is_the_closed_form():
    """N(0, I) and N(mu, I): 2 (s² / (s² + 2))^(d/2) (1 - exp(-|mu|² / (2 (s² + 2))))."""
    d, width, mean = 5, 1.5, 0.4
    truth = 2 * (width**2 / (width**2 + 2)) ** (d / 2) * (1 - np.exp(-d * mean**2 / (2 * (width**2 + 2))))
    found = mmd2(partial(gaussian, width=width), normal(1500, d, 0), normal(1200, d, 1, mean))
    assert found.value == pytest.approx(truth, abs=4 * found.error)
    assert found.error < 0.1 * truth


@pytest.mark.parametrize("k", [KID, partial(gaussian, width=2.0)])
@pytest.mark.parametrize(("mean", "most"), [(0.0, 1.5), (0.5, 1.15)])
def test_the_error_is_the_spread_over_draws_and_the_value_has_no_bias(k, mean, most):
    """Of equal laws the error may be somewhat too large, since the first part of its variance is 0 or more."""
    draws = [mmd2(k, normal(60, 6, 2 * s), normal(40, 6, 2 * s + 1, mean)) for s in range(300)]
    values = np.array([draw.value for draw in draws])
    spread = values.std(ddof=1)
    assert 0.87 < np.sqrt(np.mean([draw.error**2 for draw in draws])) / spread < most
    assert 0.85 < np.sqrt(np.mean([draw.first + draw.second for draw in draws])) / spread < 1.15
    if not mean:
        assert abs(values.mean()) < 3 * spread / np.sqrt(300)
        assert (values < 0).any()


def test_mmd_of_constant_features():
    """Equal: 0, surely. Two different points: 2 - 2 k, surely."""
    x = np.ones((6, 3))
    assert mmd2(partial(gaussian, width=1), x, x[:4]) == pytest.approx((0, 0, 0), abs=1e-12)
    found = mmd2(partial(gaussian, width=1), x, x[:4] + 1)
    assert found.value == pytest.approx(2 - 2 * np.exp(-1.5))
    assert found.error == pytest.approx(0, abs=1e-7)


def test_kid_takes_all_images_or_subsets():
    x, y = normal(90, 4, 0), normal(70, 4, 1, 0.3)
    whole = taken("kid", x, y)
    assert list(whole) == ["kid", "kid-error"]
    exact = mmd2(KID, x, y)
    assert list(whole.values()) == pytest.approx([exact.value, exact.error], rel=1e-5)
    subsets = taken("kid", x, y, subsets=200, subset_size=30)
    assert list(subsets) == ["kid", "kid-std"]
    assert subsets["kid"] == pytest.approx(whole["kid"], abs=3 * subsets["kid-std"] / np.sqrt(200))
    assert subsets == taken("kid", x, y, subsets=200, subset_size=30)
    values = kid.of_subsets(KID, x, y, 5, 30)
    assert len(set(values)) == 5
    assert kid.of_subsets(KID, x, y, 2, 70)[0] != pytest.approx(exact.value)  # 70 of the 90
    np.testing.assert_allclose(kid.of_subsets(KID, x[:70], y, 3, 70), mmd2_value(KID, x[:70], y))


def test_kid_options_are_those_of_the_kernel():
    x, y = normal(9, 2, 0), normal(8, 2, 1)
    found = taken("kid", x, y, degree=2, coefficient=0.5)["kid"]
    assert found == pytest.approx(mmd2_value(partial(polynomial, degree=2, coefficient=0.5), x, y), rel=1e-5)


def test_the_width_is_the_median_distance_or_given():
    """Distances of 0, 1, 3, 6 pooled: 1, 3, 6, 2, 5, 3; of the reals 0, 3: 3."""
    x, y = np.array([[0], [3]] * 2), np.array([[1], [6]] * 2)
    assert mmd.median_distance((x[:2], y[:2])) == 3
    assert mmd.median_distance((x[:2],)) == 3
    assert mmd.median_distance((y[:2],)) == 5
    assert taken("mmd", x, y)["mmd-width"] == mmd.median_distance((x, y))
    found = taken("mmd", x, y, width=2)
    exact = mmd2(partial(gaussian, width=2), x, y)
    assert found == pytest.approx({"mmd": exact.value, "mmd-error": exact.error, "mmd-width": 2})
    assert taken("mmd", x, y, width="median-real")["mmd-width"] == mmd.median_distance((x,))
    with pytest.raises(InputError, match="width"):
        find_metric("mmd", width="mean")
    with pytest.raises(InputError, match="width"):
        find_metric("mmd", width=0.0)


def test_a_median_of_0_is_replaced():
    x = np.array([[0.0]] * 9 + [[10]])
    assert mmd.median_distance((x,)) == pytest.approx(10 * 9 / 45)
    assert mmd.median_distance((x[:4], x[:4])) == 1
    assert taken("mmd", x[:4], x[:5])["mmd"] == pytest.approx(0, abs=1e-12)


# Wasserstein


def test_wasserstein_of_small_sets_by_hand():
    """(0, 0) goes to (0, 1), (3, 4) stays: 1/2. Crossed pairs on the line are uncrossed."""
    assert wasserstein.distance(np.array([[0, 0], [3, 4]]), np.array([[3, 4], [0, 1]])) == 0.5
    assert wasserstein.distance(np.array([[0], [10]]), np.array([[11], [2]])) == 1.5


def test_wasserstein_of_a_shift_is_its_length_in_any_order():
    x, shift = normal(40, 7, 0), np.arange(7) / 5
    order = rng(1).permutation(40)
    assert wasserstein.distance(x, x[order] + shift) == pytest.approx(np.linalg.norm(shift), rel=1e-12)
    assert wasserstein.distance(x, x[order]) == 0
    y = normal(40, 7, 2)
    assert wasserstein.distance(x[order], y) == pytest.approx(wasserstein.distance(x, y), rel=1e-12)


def test_wasserstein_on_the_line_is_scipys():
    x, y = rng(0).exponential(size=(50, 1)), normal(50, 1, 1)
    assert wasserstein.distance(x, y) == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]), rel=1e-12)


def test_wasserstein_matches_as_many_as_leave_a_floor():
    x, y = normal(21, 3, 0), normal(30, 3, 1, 5)
    found = taken("wasserstein", x, y)
    assert found["wasserstein-n"] == 10
    assert found["wasserstein"] > 3 * found["wasserstein-floor"] > 0
    assert taken("wasserstein", x, y, most=4)["wasserstein-n"] == 4
    assert taken("wasserstein", x, y[:3])["wasserstein-n"] == 3
    assert taken("wasserstein", x[:2], y[:1])["wasserstein-n"] == 1


def test_the_floor_is_of_other_real_images():
    """Two halves that are apart by no choice: 10 at 0 and 10 at 1, so that the floor is the excess of one kind."""
    x = np.repeat([[0.0], [1]], 10, axis=0)
    found = taken("wasserstein", x, x)
    assert 0 <= found["wasserstein-floor"] < 1
    assert (found["wasserstein-floor"] * 10) % 2 == pytest.approx(0, abs=1e-9)


# sliced Wasserstein


def test_couplings_of_unequal_numbers_by_hand():
    """Two points to three: a third stays with the first, a sixth of each meets in the middle."""
    of_x, of_y, weights = sliced_wasserstein.couple(2, 3)
    assert (of_x.tolist(), of_y.tolist()) == ([0, 0, 1, 1], [0, 1, 1, 2])
    np.testing.assert_allclose(weights, [1 / 3, 1 / 6, 1 / 6, 1 / 3])
    of_x, of_y, weights = sliced_wasserstein.couple(3, 3)
    assert of_x.tolist() == of_y.tolist() == [0, 1, 2]
    assert sliced_wasserstein.couple(1, 2)[2].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("m", "n"), [(6, 6), (6, 4), (1, 5), (7, 3)])
def test_couplings_transport_as_scipy_does(m, n):
    x, y = np.sort(rng(0).normal(size=m)), np.sort(rng(1).normal(size=n))
    of_x, of_y, weights = sliced_wasserstein.couple(m, n)
    assert np.abs(x[of_x] - y[of_y]) @ weights == pytest.approx(wasserstein_distance(x, y), rel=1e-12)
    np.testing.assert_allclose(np.bincount(of_x, weights), 1 / m)
    np.testing.assert_allclose(np.bincount(of_y, weights), 1 / n)


def test_squared_distances_on_the_axes_by_hand():
    """Projections 0, 1 to 3, 2 and 0, 4 to 0, 0; then 0, 1 to 0, 2, 2 in sixths."""
    x, y = np.array([[1, 0], [0, 4]]), np.array([[2, 0], [3, 0]])
    np.testing.assert_allclose(sliced_wasserstein.squares(x, y, np.eye(2)), [4, 8])
    found = sliced_wasserstein.squares(np.array([[0], [1]]), np.array([[2], [0], [2]]), np.eye(1))
    assert found == pytest.approx([(0 * 2 + 4 * 1 + 1 * 1 + 1 * 2) / 6])


def test_sliced_wasserstein_of_a_shift_is_its_length_by_the_root_of_the_dimension():
    """E <u, m>² = |m|² / d; and the directions agree with E |<u, m>| = |m| Γ(d/2) / (√π Γ((d + 1)/2))."""
    x, shift, d = normal(50, 8, 0), np.arange(8.0), 8
    length = np.linalg.norm(shift)
    found = taken("sliced-wasserstein", x, x + shift, directions=4000)
    assert found["sliced-wasserstein"] == pytest.approx(
        length / np.sqrt(d), abs=3 * found["sliced-wasserstein-error"] + 1e-4
    )
    along = np.abs(sliced_wasserstein.draw_directions(4000, d) @ shift)
    mean = length * gamma(d / 2) / (np.sqrt(np.pi) * gamma((d + 1) / 2))
    assert along.mean() == pytest.approx(mean, abs=3 * along.std() / np.sqrt(4000))


def test_sliced_wasserstein_in_one_dimension_is_exact():
    """Both directions, 1 and -1, see the same: no error over directions."""
    found = taken("sliced-wasserstein", [[0], [1]], [[2], [4]], directions=10)
    assert found["sliced-wasserstein"] == pytest.approx(np.sqrt((4 + 9) / 2))
    assert found["sliced-wasserstein-error"] == pytest.approx(0, abs=1e-12)
    assert found["sliced-wasserstein-floor"] == 1


def test_sliced_wasserstein_does_not_see_the_order_or_copies():
    x, y = normal(30, 5, 0), normal(20, 5, 1)
    base = taken("sliced-wasserstein", x, y)["sliced-wasserstein"]
    other = taken("sliced-wasserstein", np.repeat(x, 2, axis=0)[::-1], y[::-1])["sliced-wasserstein"]
    assert other == pytest.approx(base, rel=1e-6)
    same = taken("sliced-wasserstein", x, np.repeat(x, 3, axis=0))
    assert (same["sliced-wasserstein"], same["sliced-wasserstein-error"]) == (0, 0)


def test_directions_are_of_length_1_and_always_the_same():
    lines = sliced_wasserstein.draw_directions(2000, 3)
    np.testing.assert_allclose(np.linalg.norm(lines, axis=1), 1)
    np.testing.assert_allclose(lines.T @ lines / 2000, np.eye(3) / 3, atol=0.03)
    np.testing.assert_array_equal(lines[:5], sliced_wasserstein.draw_directions(5, 3))
    assert sliced_wasserstein.distance(np.array([4.0])) == (2, 0)
    assert sliced_wasserstein.distance(np.array([1.0, 7])) == pytest.approx((2, np.sqrt(18) / np.sqrt(2) / 4))


# FID at infinitely many fakes


def test_distances_of_subsets_are_the_frechet_distances():
    x, y = normal(90, 6, 0) @ rng(3).normal(size=(6, 6)), normal(80, 6, 1, 0.5)
    real, subsets = statistics(x), [np.arange(80), np.arange(10, 30)]
    expected = [frechet_distance(real, statistics(y[chosen])) for chosen in subsets]
    np.testing.assert_allclose(fid_infinity.distances(real, y, subsets), expected, rtol=1e-8)


def test_numbers_of_fakes():
    assert fid_infinity.sizes(50_000, 2048, 15).tolist()[::14] == [5000, 50_000]
    assert len(fid_infinity.sizes(50_000, 2048, 15)) == 15
    assert fid_infinity.sizes(1000, 64, 3).tolist() == [128, 564, 1000]
    with pytest.raises(InputError, match="fid-infinity needs 256 fake images or more for features of dimension 64"):
        fid_infinity.sizes(255, 64, 15)


def test_the_line_is_found_in_distances_that_lie_on_one(monkeypatch):
    monkeypatch.setattr(fid_infinity, "distances", lambda _, y, s: np.array([3 + 50 / len(chosen) for chosen in s]))
    x = normal(100, 2, 0)
    found = taken("fid-infinity", x, x)
    assert found == pytest.approx({"fid-infinity": 3, "fid-infinity-error": 0, "fid-infinity-slope": 50}, abs=1e-6)


def test_the_intercept_is_nearer_to_the_truth_than_fid():
    """N(0, I) against N(mu, s² I): |mu|² + d (1 - s)², for each of ten draws: few fakes, so that FID's bias is large.

    Where chance is larger than the bias the intercept is nearer on average only.
    """
    d, mean, sd = 20, 0.1, 1.1
    truth = d * mean**2 + d * (1 - sd) ** 2
    real = Sample(Statistics(np.zeros(d), np.eye(d), 100_000))
    metric = find_metric("fid-infinity")
    gaps, plain = [], []
    for seed in range(10):
        fake = sample(normal(250, d, seed, mean, sd))
        gaps.append(metric.compute(real, fake)["fid-infinity"] - truth)
        plain.append(frechet_distance(real.statistics, fake.statistics) - truth)
    assert all(np.abs(gaps) < np.abs(plain))
    assert abs(np.mean(gaps)) < 0.2 * np.mean(plain)


def test_fid_infinity_of_constant_images_is_the_distance_of_means():
    found = taken("fid-infinity", np.zeros((20, 2)), np.full((20, 2), 2.0))
    assert found == pytest.approx({"fid-infinity": 8, "fid-infinity-error": 0, "fid-infinity-slope": 0}, abs=1e-9)


# what a user is told


@pytest.mark.parametrize("name", ["mmd", "kid"])
def test_too_few_for_an_error_are_refused(name):
    assert find_metric(name).check(Scope(4, 4, 9)) == ()
    with pytest.raises(InputError, match=f"{name} needs 4 real images at least, and there are 3"):
        find_metric(name).check(Scope(3, 4, 9))
    with pytest.raises(InputError, match="fake images"):
        find_metric(name).check(Scope(4, 3, 9))
    assert np.isfinite(list(taken(name, normal(4, 9, 0), normal(4, 9, 1)).values())).all()


def test_subsets_larger_than_the_set_are_refused():
    assert find_metric("kid", subsets=10).check(Scope(1000, 1000, 9)) == ()
    with pytest.raises(InputError, match="kid needs 1000 fake images in a subset, and there are 999"):
        find_metric("kid", subsets=10).check(Scope(1000, 999, 9))


@pytest.mark.parametrize("name", ["wasserstein", "sliced-wasserstein"])
def test_one_real_image_has_no_floor(name):
    assert find_metric(name).check(Scope(2, 1, 9)) == ()
    with pytest.raises(InputError, match=f"{name} needs two real images or more, and there are 1"):
        find_metric(name).check(Scope(1, 9, 9))
    assert np.isfinite(list(taken(name, [[0.0], [1]], [[5.0]]).values())).all()


def test_fid_infinity_says_what_it_does_not_mend():
    check = find_metric("fid-infinity").check
    assert check(Scope(640, 256, 64)) == ()
    assert "640 or more" in check(Scope(639, 256, 64))[0]
    assert "not known" in check(Scope(0, 256, 64))[0]
    with pytest.raises(InputError, match="256 fake images"):
        check(Scope(640, 255, 64))
    with pytest.raises(InputError, match="64 real images are too few"):
        check(Scope(64, 300, 64))


@pytest.mark.parametrize("name", [*NAMES, "fid-infinity"])
def test_numbers_are_reproducible_and_better_for_better_fakes(name):
    """And the arrays given are left as they are."""
    x, near, far = (normal(60, 3, s, mean).astype(np.float32) for s, mean in ((0, 0), (1, 0.2), (2, 2)))
    kept = x.copy()
    found = taken(name, x, near)
    assert found == taken(name, x, near)
    assert found[name] < taken(name, x, far)[name]
    np.testing.assert_array_equal(x, kept)
