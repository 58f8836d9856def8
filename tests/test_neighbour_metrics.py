"""Metrics of nearest neighbours against hand computation, slow formulas, closed forms and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import betabinom, mannwhitneyu
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import KernelDensity, KNeighborsClassifier

from gan_cli.errors import InputError
from gan_cli.metrics import density_coverage, find_metric, memorisation, neighbours, one_nn, parzen
from gan_cli.metrics.frechet import statistics
from gan_cli.metrics.metric import Sample, Scope
from gan_cli.metrics.neighbours import distinct, held, nearest, none_yet, radii

rng = np.random.default_rng(0)


def sample(points, **others):
    points = np.asarray(points, np.float32)
    points = points if points.ndim == 2 else points[:, None]
    return Sample(statistics(points), {"features": points}, **others)


def measured(name, real, fake, **options):
    return find_metric(name, **options).compute(sample(real), sample(fake))


def normal(n, dim=3, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (n, dim)).astype(np.float32)


def grid(n, seed=0):
    """Points with many copies and many equal distances."""
    return np.random.default_rng(seed).integers(0, 4, (n, 2)).astype(np.float32)


def slow_squares(x, y):
    return np.square(x[:, None].astype(np.float64) - y[None]).sum(axis=2)


KINDS = {"normal": normal, "grid": grid, "far from 0": lambda n, seed=0: normal(n, 5, seed) * 1e-3 + 1e4}


@pytest.fixture(params=["whole", "in blocks"])
def _blocks(request, monkeypatch):
    """Everything in one block, or in blocks of a few vectors."""
    if request.param == "in blocks":
        monkeypatch.setattr(neighbours, "BLOCK_BYTES", 700)
        monkeypatch.setattr(neighbours, "MOST_ROWS", 7)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 4])
def test_nearest_are_exactly_those_of_a_slow_search(kind, k):
    queries, known = distinct(KINDS[kind](40, seed=1)), distinct(np.concatenate([KINDS[kind](50), KINDS[kind](9)]))
    found = nearest(queries, known, k)
    all_squares = slow_squares(queries.rows(slice(None)), known.rows(slice(None)))
    expected = np.argsort(all_squares, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.numbers, expected)
    np.testing.assert_array_equal(found.squares, np.take_along_axis(all_squares, expected, axis=1))


def test_nearest_of_few_are_filled_up():
    x, y = normal(3), normal(2, seed=1)
    found = none_yet(3, 4).add(x, y, np.array([7, 5]))
    assert np.isfinite(found.squares).sum(axis=1).tolist() == [2, 2, 2]
    assert (np.sort(found.numbers[:, :2]) == [5, 7]).all()
    assert (found.numbers[:, 2:] == -1).all()
    more = found.add(x, x, np.array([10, 11, 12]))
    assert more.numbers[:, 0].tolist() == [10, 11, 12]
    assert (more.squares[:, 0] == 0).all()
    assert np.isfinite(more.squares).all()


def test_copies_are_at_distance_zero_and_near_copies_are_told_from_them():
    """Here |x|² is 1e18 times the square of the difference: a float64 product knows nothing of it."""
    x = normal(20, 300, seed=3) * 1e4
    near = x.copy()
    near[:, 0] = np.nextafter(near[:, 0], np.inf)  # one bit of one coordinate
    queries = distinct(x)
    found = nearest(queries, distinct(np.concatenate([near, x])), 2).squares[queries.which]
    difference = (near[:, 0].astype(np.float64) - x[:, 0]) ** 2
    np.testing.assert_array_equal(found, np.stack([np.zeros(20), difference], axis=1))


def test_distinct_vectors_are_counted():
    x = np.array([[0.0, 1], [-0.0, 1], [1, 0], [0, 1], [2, 2]], np.float32)
    vectors = distinct(x)
    assert sorted(vectors.counts) == [1, 1, 3]
    np.testing.assert_array_equal(x[vectors.first][vectors.which], x)
    assert vectors.counts[vectors.which].tolist() == [3, 3, 1, 3, 1]


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 3, 6])
def test_radii_count_copies(kind, k):
    x = np.concatenate([KINDS[kind](30), KINDS[kind](6)])
    vectors = distinct(x)
    expected = np.sort(slow_squares(x, x), axis=1)[:, k]
    np.testing.assert_array_equal(radii(vectors, k)[vectors.which], expected)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closed", [True, False])
def test_points_in_balls_are_exactly_those_of_a_slow_count(kind, closed):
    """Some points are copies of the neighbours to which the balls reach: on their surface."""
    x, y = KINDS[kind](40), np.concatenate([KINDS[kind](30, seed=1), KINDS[kind](15)])
    centres, points = distinct(x), distinct(y)
    limits = radii(centres, 3)
    squares, reach = slow_squares(x, y), limits[centres.which][:, None]
    inside = squares <= reach if closed else squares < reach
    found = held(centres, limits, points, closed=closed)
    np.testing.assert_array_equal(found.balls, inside.sum(axis=0))
    np.testing.assert_array_equal(found.points, inside.sum(axis=1))


# real, fake, then by hand the accuracy among real and among fake images
ONE_NN = {
    "disjoint": ([0, 1, 2], [10, 11, 12], 1, 1),
    "copies": ([0, 5, 9], [0, 5, 9], 0, 0),
    "alternating": ([0, 2.1, 4.3], [1, 3.1, 5.4], 0, 0),
    "one of each is misled": ([0, 1, 9.5], [9, 11, 12], 2 / 3, 2 / 3),
    "collapsed beside real images": ([0, 4, 8], [0.5, 0.5, 0.5], 1 / 3, 1),
    "collapsed on a real image": ([0, 4, 7], [0, 0, 0], 2 / 3, 2 / 3),
    "all alike": ([1, 1, 1], [1, 1, 1], 2 / 5, 2 / 5),
    "next to several": ([0, 1, 1], [2.5, 1, 9], (2 / 3 + 1 / 2 + 1 / 2) / 3, (1 / 3 + 0 + 1) / 3),
    "halves that average out": ([0, 1, 10, 11], [0.5, 0.5, 10.5, 10.5], 0, 1),
}


@pytest.mark.parametrize("name", ONE_NN)
def test_one_nn_by_hand(name):
    real, fake, of_real, of_fake = ONE_NN[name]
    found = measured("one-nn", real, fake, permutations=20)
    assert found["one-nn-real"] == pytest.approx(of_real)
    assert found["one-nn-fake"] == pytest.approx(of_fake)
    assert found["one-nn-accuracy"] == pytest.approx((of_real + of_fake) / 2)
    assert found["one-nn"] == pytest.approx(0.5 + (abs(of_real - 0.5) + abs(of_fake - 0.5)) / 2)


def test_one_nn_of_one_law_cannot_tell_and_of_others_can():
    same = measured("one-nn", normal(400), normal(400, seed=1), permutations=99)
    assert abs(same["one-nn-accuracy"] - 399 / 799) < 0.06
    assert same["one-nn-p"] > 0.05
    assert same["one-nn"] == pytest.approx(same["one-nn-expected"], abs=0.05)
    moved = measured("one-nn", normal(400), normal(400, seed=1, shift=0.7), permutations=99)
    assert moved["one-nn-p"] == 1 / 100
    copied = measured("one-nn", normal(400), normal(400), permutations=99)
    assert copied["one-nn-accuracy"] == 0
    assert (copied["one-nn"], copied["one-nn-p"]) == (1, 1 / 100)


def test_one_nn_is_leave_one_out_of_scikit_learn():
    real, fake = normal(150, 4), normal(150, 4, seed=1) * 1.2
    x, y = np.concatenate([real, fake]), np.arange(300) >= 150
    right = np.array(
        [
            KNeighborsClassifier(1).fit(np.delete(x, i, 0), np.delete(y, i)).predict(x[i : i + 1])[0] == y[i]
            for i in range(300)
        ]
    )
    found = measured("one-nn", real, fake, permutations=1)
    assert found["one-nn-real"] == pytest.approx(right[:150].mean())
    assert found["one-nn-fake"] == pytest.approx(right[150:].mean())


def test_one_nn_p_is_the_share_of_all_labellings():
    real, fake = normal(4, 2, seed=5), normal(4, 2, seed=6, shift=1.0)
    graph = one_nn.neighbours(np.concatenate([real, fake]))
    labellings = [np.isin(np.arange(8), chosen) for chosen in itertools.combinations(range(8), 4)]
    scores = np.array([one_nn.headline(*one_nn.accuracies(graph, labels)) for labels in labellings])
    exact = np.mean(scores >= one_nn.headline(*one_nn.accuracies(graph, np.arange(8) >= 4)) - 1e-12)
    assert 0.05 < exact < 0.95
    found = measured("one-nn", real, fake, permutations=3000)
    assert found["one-nn-p"] == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 3000))
    assert found["one-nn-expected"] == pytest.approx(scores.mean(), abs=0.02)


def test_one_nn_p_is_honest():
    """Under the null hypothesis p <= 0.1 one time in ten, though neighbours are shared and there are copies."""
    draws = np.random.default_rng(9)
    sides = [(draws.integers(0, 9, (12, 2)), draws.integers(0, 9, (12, 2))) for _ in range(300)]
    p = [measured("one-nn", real, fake, permutations=19)["one-nn-p"] for real, fake in sides]
    assert np.mean(np.array(p) <= 0.1) < 0.1 + 3 * math.sqrt(0.09 / 300)


def test_one_nn_knows_neither_order_nor_kind():
    real, fake = grid(30), grid(30, seed=1)
    one, other = measured("one-nn", real, fake), measured("one-nn", fake[::-1], real[rng.permutation(30)])
    for a, b in (("real", "fake"), ("fake", "real"), ("accuracy", "accuracy")):
        assert one[f"one-nn-{a}"] == pytest.approx(other[f"one-nn-{b}"])


def test_one_nn_takes_equal_numbers():
    check = find_metric("one-nn").check
    assert check(Scope(10, 10, 3)) == ()
    assert check(Scope(10, 7, 3)) == ("one-nn: of 10 real and 7 fake images 7 each are compared",)
    with pytest.raises(InputError, match="two real and two fake images, and there are 10 and 1"):
        check(Scope(10, 1, 3))
    found = measured("one-nn", normal(900), normal(300, seed=1), permutations=1)
    assert abs(found["one-nn-accuracy"] - 0.5) < 0.07  # with all of them it would be 0.62
    assert abs(found["one-nn-real"] - found["one-nn-fake"]) < 0.15


# real and fake images on a line, k = 1: shares by hand
PRECISION_RECALL = [
    ([0, 1, 10], [0.5, 10, 30], 2 / 3, 1),  # radii 1, 1, 9 and 9.5, 9.5, 20
    ([0, 1, 10], [20, 30, 40], 0, 1 / 3),  # reals: up to 19; fakes: from 10, closed
    ([0, 1, 2], [50, 51, 52], 0, 0),
    ([0, 1, 2], [1, 1, 1], 1, 1 / 3),  # fakes on each other have balls without extent, which hold their copy
    ([0, 1, 3], [-1, 5, 6], 2 / 3, 1),  # radii 1, 1, 2: -1 and 5 are on the surface; fakes' 6, 1, 1
]


@pytest.mark.parametrize(("real", "fake", "precision", "recall"), PRECISION_RECALL)
def test_precision_and_recall_by_hand(real, fake, precision, recall):
    mean = 2 * precision * recall / (precision + recall) if precision + recall else 0
    found = measured("precision-recall", real, fake, k=1)
    assert found == pytest.approx(
        {"precision-recall": mean, "precision-recall-precision": precision, "precision-recall-recall": recall}
    )


def test_precision_and_recall_equal_the_formula():
    real, fake = normal(120, 4), normal(90, 4, seed=1) * 0.8 + 0.5
    within_real = np.sort(euclidean_distances(real), axis=1)[:, 3]
    within_fake = np.sort(euclidean_distances(fake), axis=1)[:, 3]
    between = euclidean_distances(real, fake)
    found = measured("precision-recall", real, fake)
    assert found["precision-recall-precision"] == pytest.approx((between <= within_real[:, None]).any(axis=0).mean())
    assert found["precision-recall-recall"] == pytest.approx((between <= within_fake).any(axis=1).mean())
    assert 0 < found["precision-recall-recall"] < found["precision-recall-precision"] < 1


def test_precision_and_recall_of_the_same_images_are_one():
    assert set(measured("precision-recall", normal(50), normal(50)).values()) == {1.0}
    assert set(measured("precision-recall", np.ones((9, 2)), np.ones((9, 2))).values()) == {1.0}


def test_precision_and_recall_need_neighbours():
    check = find_metric("precision-recall").check
    assert check(Scope(4, 4, 3)) == ()
    assert "5 real and 4 fake images" in check(Scope(5, 4, 3))[0]
    with pytest.raises(InputError, match="k = 3 needs 4 images of each kind, and there are 3"):
        check(Scope(10, 3, 3))
    with pytest.raises(InputError, match="k = 4"):
        find_metric("precision-recall", k=4).check(Scope(10, 4, 3))


# the same with k = 1 and open balls: coverage, then balls that hold a fake, on average
DENSITY_COVERAGE = [
    ([0, 1, 10], [0.5, 10, 30], 1, (2 + 1 + 0) / 3),
    ([0, 1, 10], [20, 30, 40], 0, 0),
    ([0, 1, 3], [-1, 5, 6, 2], 1 / 3, 1 / 4),  # -1 and 5 are on the surface; 2 is on that of 1, and in that of 3
    ([0, 1, 2], [1, 1], 1 / 3, 1),  # on the surfaces of 0's and of 2's
    ([0, 0, 1], [0, 0], 0, 0),  # copies have balls without a point; 0 is on the surface of 1's
]


@pytest.mark.parametrize(("real", "fake", "coverage", "density"), DENSITY_COVERAGE)
def test_density_and_coverage_by_hand(real, fake, coverage, density):
    found = measured("density-coverage", real, fake, k=1)
    assert found["density-coverage"] == pytest.approx(coverage)
    assert found["density-coverage-density"] == pytest.approx(density)


def test_density_and_coverage_equal_the_formula():
    real, fake = normal(120, 4), normal(90, 4, seed=1) * 0.8 + 0.5
    reach = np.sort(euclidean_distances(real), axis=1)[:, 5]
    between = euclidean_distances(real, fake)
    found = measured("density-coverage", real, fake)
    assert found["density-coverage"] == pytest.approx((between.min(axis=1) < reach).mean())
    assert found["density-coverage-density"] == pytest.approx((between < reach[:, None]).sum(axis=0).mean() / 5)


def test_density_and_coverage_of_one_law_are_as_expected():
    found = [measured("density-coverage", normal(60, 2, seed), normal(40, 2, 1000 + seed)) for seed in range(60)]
    for name, expected in (("", found[0]["density-coverage-expected"]), ("-density", 1.0)):
        values = np.array([f[f"density-coverage{name}"] for f in found])
        assert values.mean() == pytest.approx(expected, abs=3.5 * values.std() / math.sqrt(len(values)))


def test_expected_coverage():
    assert density_coverage.expected_coverage(10**6, 10**6, 5) == pytest.approx(1 - 2**-5, abs=1e-5)
    assert density_coverage.expected_coverage(2, 1, 1) == pytest.approx(1 / 2)  # the fake or the other real image
    assert density_coverage.expected_coverage(4, 2, 2) == pytest.approx(1 - 3 / 5 * 2 / 4)
    with pytest.raises(InputError, match="k = 5 needs 6 real images, and there are 5"):
        find_metric("density-coverage").check(Scope(5, 1, 3))
    assert find_metric("density-coverage").check(Scope(6, 1, 3)) == ()


def remembered(held_out, fake, training, **options):
    real = sample(held_out, training=sample(training))
    return find_metric("memorisation", **options).compute(real, sample(fake))


def test_memorisation_by_hand():
    """Distances of held-out images 1, 2, 3, 4; the closest half is up to 2. Two of three fakes are."""
    found = remembered([1, 8, 13, 24], [0, 12, 17], [0, 10, 20], quantile=0.5)
    assert found["memorisation"] == pytest.approx(2 / 3)
    assert found["memorisation-expected"] == 1 / 2
    assert found["memorisation-copies"] == pytest.approx(1 / 3)
    assert found["memorisation-threshold"] == 2
    # of 7 images 4 are close; at most 2 of them held-out: 1 - P(3 or 4 of the 4 held-out ones)
    assert found["memorisation-p"] == pytest.approx(1 - (4 * 3 + 1) / 35)
    # fakes 0, 2, 3 against 1, 2, 3, 4: (0) + (1 + .5) + (2 + .5) = 4 of 12, with two pairs of ties
    deviation = math.sqrt(12 / 12 * (8 - 2 * (8 - 2) / (7 * 6)))
    assert found["memorisation-ct"] == pytest.approx((4 - 6) / deviation)


def test_memorisation_of_new_images_is_the_quantile():
    draws = [normal(n, 4, seed) for seed, n in enumerate((500, 1000, 800))]
    found = remembered(draws[1], draws[2], draws[0], quantile=0.05)
    assert found["memorisation"] == pytest.approx(0.05, abs=0.03)
    assert found["memorisation-expected"] == 0.05
    assert found["memorisation-p"] > 0.01
    assert abs(found["memorisation-ct"]) < 3


def test_memorisation_finds_a_few_copies_among_many():
    training, held_out, fake = (normal(n, 4, seed) for seed, n in enumerate((500, 1000, 1000)))
    fake[:50] = training[:50]
    found = remembered(held_out, fake, training)
    assert found["memorisation"] == pytest.approx(0.06, abs=0.015)
    assert found["memorisation-copies"] == 0.05
    assert found["memorisation-p"] < 1e-6
    assert found["memorisation-ct"] < 0
    assert remembered(held_out, training[:300], training)["memorisation-ct"] < -20
    assert remembered(held_out, held_out + 9, training)["memorisation-ct"] > 20


def test_memorisation_of_data_with_duplicates():
    """A third of the held-out images are training images, too: so many copies of a model mean nothing."""
    training, new, other = (normal(300, 4, seed) for seed in range(3))
    held_out = np.concatenate([training[:100], new[:200]])
    honest = remembered(held_out, np.concatenate([training[100:200], other[:200]]), training)
    assert (honest["memorisation"], honest["memorisation-expected"]) == (1 / 3, 1 / 3)
    assert honest["memorisation-p"] > 0.4
    assert abs(honest["memorisation-ct"]) < 3
    copies = remembered(held_out, training, training)
    assert copies["memorisation"] == 1
    assert copies["memorisation-p"] < 1e-20
    assert copies["memorisation-ct"] < -15
    with pytest.raises(InputError, match="100% of the held-out images are among the training images"):
        remembered(training, training[:7], training)


@pytest.mark.parametrize("levels", [None, 30])
def test_memorisation_p_is_honest(levels):
    """Of distances of one law, with and without ties, p <= 0.1 at most one time in ten."""
    draws = np.random.default_rng(4)
    p = []
    for _ in range(2000):
        x = draws.uniform(size=160)
        x = x if levels is None else np.floor(x * levels)
        p.append(memorisation.compare(x[:100], x[100:], 0.1)["memorisation-p"])
    assert np.mean(np.array(p) <= 0.1) < 0.1 + 3 * math.sqrt(0.09 / 2000)
    assert np.mean(np.array(p) <= 0.3) > 0.1  # and it is not so by being useless


def test_memorisation_p_is_that_of_places_among_held_out_images():
    """How many of m fakes come before the (j + 1)-th of n held-out images is beta-binomial."""
    held_out, fakes = np.arange(40.0), np.concatenate([np.full(7, 2.5), np.full(13, 60.0)])
    found = memorisation.compare(held_out, fakes, 0.1)  # threshold 3: j = 4
    assert found["memorisation-p"] == pytest.approx(betabinom.sf(7 - 1, 20, 4 + 1, 40 - 4))


@pytest.mark.parametrize("ties", [False, True])
def test_rank_z_is_that_of_scipy(ties):
    a, b = rng.normal(size=40), rng.normal(0.4, 1, size=55)
    if ties:
        a, b = np.round(a * 2), np.round(b * 2)
    z = memorisation.rank_z(a, b)
    p = mannwhitneyu(a, b, alternative="less", method="asymptotic", use_continuity=False).pvalue
    assert 0.5 * math.erfc(-z / math.sqrt(2)) == pytest.approx(p, rel=1e-9)
    assert memorisation.rank_z(b, a) == pytest.approx(-z)


def test_memorisation_needs_as_many_held_out_images_as_the_quantile_divides():
    with pytest.raises(InputError, match=r"closest 1.00% of 99 held-out images are less than one"):
        find_metric("memorisation").check(Scope(99, 10, 3, n_training=1000))
    assert find_metric("memorisation").check(Scope(100, 10, 3, n_training=1000)) == ()
    assert find_metric("memorisation").needs_training


def test_parzen_in_many_dimensions_is_that_of_scikit_learn():
    x, centres = (np.random.default_rng(seed).uniform(size=(120, 784)).astype(np.float32) for seed in range(2))
    centres[:10] = x[:10]
    for width in (0.1, 0.215, 1.0):
        expected = KernelDensity(bandwidth=width, leaf_size=1000).fit(centres.astype(np.float64))
        found = parzen.log_likelihoods(x, centres, [width])[0]
        np.testing.assert_allclose(found, expected.score_samples(x.astype(np.float64)), rtol=1e-6)


@pytest.mark.parametrize(("spread", "edge"), [(0.01, -1.0), (0.3, None), (3.0, 1.0)])
def test_parzen_says_when_its_width_is_at_an_end(spread, edge):
    """Of one law in a plane the best width is near the spread itself."""
    x, centres = normal(1100, 2) * spread, normal(100, 2, seed=1) * spread
    found = measured("parzen", x, centres)
    assert found.get("parzen-edge") == edge
    wide = measured("parzen", x, centres, narrowest=spread / 50, widest=spread * 50, widths=40)
    assert "parzen-edge" not in wide
    assert wide["parzen"] >= found["parzen"] - 0.05
    one = measured("parzen", x, centres, narrowest=0.3, widest=0.3, widths=1)
    assert (one["parzen-width"], "parzen-edge" in one) == (0.3, False)


def test_parzen_refuses_widths_that_do_not_rise():
    with pytest.raises(InputError, match=r"narrowest = 2\.0 is not below widest = 1\.0"):
        find_metric("parzen", narrowest=2.0)
