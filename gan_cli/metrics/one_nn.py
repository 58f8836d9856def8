"""Whether the nearest neighbour of an image gives away that it is real or fake."""

from typing import NamedTuple

import numpy as np
from pydantic import PositiveInt

from gan_cli.data.order import order
from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope
from gan_cli.metrics.neighbours import distinct, nearest


def one_nn(
    *,
    permutations: PositiveInt = 1000,  # of the labels, for the p-value, which is 1 / (permutations + 1) at the least
) -> Metric:
    """How far the 1-nearest-neighbour classifier of real and fake is from guessing: 0.5 (best) to 1.

    https://arxiv.org/abs/1610.06545, as in https://arxiv.org/abs/1806.07755: each of n real and n fake images is given
    the kind of its nearest neighbour among the other 2n - 1. `one-nn-accuracy` is the share that is right: 0.5 for
    samples of one law (to be exact (n - 1) / (2n - 1)), 1 for disjoint ones and 0 where each fake is the only copy of a
    real image. `one-nn-real` and `one-nn-fake` are the shares among real and among fake images.

    Both 1 and 0 are bad, and a collapsed generator's halves can be 0 and 1, whose mean is 0.5. So the headline is 0.5 +
    the mean of |half - 0.5| over the two halves. It has noise of its own: `one-nn-expected` is its mean for one law.

    Departures: `one-nn-p` comes from a permutation test of the headline instead of a binomial test of the accuracy,
    because decisions that share neighbours are not independent: labels are permuted over the same neighbours, and p =
    (1 + as bad or worse) / (1 + permutations). Equal vectors at the least distance are all neighbours and count in
    shares; among different ones at the same distance, one is taken by an order that does not depend on the kinds. Where
    there are more images of one kind, a fixed random n of them are used.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        sides = real.outputs["features"], fake.outputs["features"]
        n = min(map(len, sides))
        graph = neighbours(np.concatenate([side[order(0, len(side), 0)[:n]] for side in sides]))
        is_fake = np.arange(2 * n) >= n
        halves = accuracies(graph, is_fake)
        permuted = (is_fake[order(0, 2 * n, 1 + i)] for i in range(permutations))
        drawn = np.array([headline(*accuracies(graph, labels)) for labels in permuted])  # [permutations]
        as_bad = int((drawn >= headline(*halves) - 1e-12).sum())  # sums of shares round
        return {
            "one-nn": headline(*halves),
            "one-nn-accuracy": sum(halves) / 2,
            "one-nn-real": halves[0],
            "one-nn-fake": halves[1],
            "one-nn-expected": float(drawn.mean()),
            "one-nn-p": (1 + as_bad) / (1 + permutations),
        }

    def check(plan: Scope) -> tuple[str, ...]:
        n = min(plan.n_real, plan.n_fake)
        if n < 2:
            raise InputError(
                f"one-nn needs two real and two fake images, and there are {plan.n_real} and {plan.n_fake}"
            )
        if plan.n_real != plan.n_fake:
            return (f"one-nn: of {plan.n_real} real and {plan.n_fake} fake images {n} each are compared",)
        return ()

    return Metric(
        name="one-nn",
        lower_is_better=True,
        one_line="sees any difference of the two kinds that neighbourhoods show: bad images, missing kinds and copies "
        "of the real images it is given; cannot see copies of other training images",
        paper="https://arxiv.org/abs/1610.06545",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        keeps_real=("features",),
        check=check,
    )


class Neighbours(NamedTuple):
    """The nearest neighbours of each of 2n images: one, or several equal ones, whatever kind they are of."""

    which: np.ndarray  # int64 [2n]: the distinct vector that each image is
    nearest: np.ndarray  # int64 [2n]: the distinct vector that is nearest to each, its own if it has a copy
    others: np.ndarray  # int64 [2n]: number of other images that are equal to that vector


def headline(real: float, fake: float) -> float:
    """0.5 plus the mean distance of the two accuracies from 0.5."""
    return 0.5 + (abs(real - 0.5) + abs(fake - 0.5)) / 2


def neighbours(features: np.ndarray) -> Neighbours:
    """The nearest neighbours of each of features [2n, D]."""
    vectors = distinct(features)
    places = np.arange(len(vectors.first))
    chosen = places.copy()
    if len(places) > 1:
        found = nearest(vectors, vectors, 2).numbers  # [U, 2]: itself, at distance 0, and the nearest other
        chosen = np.where(vectors.counts > 1, places, found[:, 1])
    others = vectors.counts[chosen] - (chosen == places)
    return Neighbours(vectors.which, chosen[vectors.which], others[vectors.which])


def accuracies(graph: Neighbours, is_fake: np.ndarray) -> tuple[float, float]:
    """Shares of real and of fake images whose nearest neighbour is of their own kind; is_fake: bool [2n]."""
    fakes = np.bincount(graph.which, weights=is_fake)[graph.nearest]  # [2n]: of the images that are the nearest vector
    fakes -= is_fake & (graph.nearest == graph.which)
    share = fakes / graph.others
    return float(1 - share[~is_fake].mean()), float(share[is_fake].mean())
