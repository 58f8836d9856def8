"""Sliced Wasserstein-2 distance of real and fake features: by their projections onto many directions."""

import numpy as np
from pydantic import PositiveInt

from gan_cli.data.order import order
from gan_cli.metrics.metric import Metric, Sample, require_images

HALVES = 1  # seed of the two halves of the real images
AT_ONCE = 100  # directions


def sliced_wasserstein(
    *,
    directions: PositiveInt = 1000,  # random ones, always the same
) -> Metric:
    """Sliced Wasserstein-2 distance of real and fake features, in the features' units; 0 is best.

    The root of the mean, over directions uniform on the sphere, of the squared Wasserstein-2 distance of the features'
    projections; all images of both sides, which may differ in number. https://arxiv.org/abs/1804.01947 has its square;
    the root is POT's convention. Biased upwards by few images, much less than `wasserstein`: `sliced-wasserstein-floor`
    is the distance between two random halves of the real images, above what perfect fakes get, since each half has half
    as many images. `sliced-wasserstein-error` is the standard error over the choice of directions alone.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        x, y = real.outputs["features"], fake.outputs["features"]
        lines = draw_directions(directions, x.shape[1])
        value, error = distance(squares(x, y, lines))
        first, second = np.array_split(order(HALVES, len(x), 0), 2)
        floor, _ = distance(squares(x[first], x[second], lines))
        return {
            "sliced-wasserstein": value,
            "sliced-wasserstein-error": error,
            "sliced-wasserstein-floor": floor,
        }

    return Metric(
        name="sliced-wasserstein",
        lower_is_better=True,
        one_line="sees differences of the features' distributions that show along single directions, of any number of "
        "images; cannot see what no projection shows clearly, nor memorised training images",
        paper="https://arxiv.org/abs/1804.01947",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        keeps_real=("features",),
        check=lambda plan: require_images(
            plan.n_real, 2, "sliced-wasserstein needs two real images or more", ": set n_real"
        ),
    )


def draw_directions(n: int, dim: int) -> np.ndarray:
    """Directions uniform on the sphere: [n, dim] float64 of length 1, always the same ones.

    From the bits of Philox, whose stream NumPy promises to keep.
    """
    from scipy.special import ndtri

    bits = np.random.Philox(np.random.SeedSequence(0)).random_raw(n * dim).reshape(n, dim)
    normal = ndtri(((bits >> np.uint64(11)) + 0.5) / 2**53)
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def squares(x: np.ndarray, y: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Squared Wasserstein-2 distance of the projections of x [M, D] and y [N, D] onto each direction [L, D]: [L]."""
    of_x, of_y, weights = couple(len(x), len(y))
    found = []
    for start in range(0, len(directions), AT_ONCE):
        lines = directions[start : start + AT_ONCE].T
        one, other = (np.sort((part @ lines).T, axis=1) for part in (x, y))  # [AT_ONCE, M], [AT_ONCE, N]
        found.append(np.square(one[:, of_x] - other[:, of_y]) @ weights)
    return np.concatenate(found)


def couple(m: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The optimal coupling of m sorted points of weight 1/m with n of weight 1/n: indices, indices and weights [P].

    The quantile functions are constant between multiples of 1/m and of 1/n; these are counted in units of 1/(m n), so
    that equal levels are equal.
    """
    levels = np.union1d(np.arange(m + 1) * n, np.arange(n + 1) * m)
    starts = levels[:-1]
    return starts // n, starts // m, np.diff(levels) / (m * n)


def distance(squares: np.ndarray) -> tuple[float, float]:
    """Root of the mean of `squares` over directions [L], and its standard error.

    The error is 0 where there is one direction or no distance.
    """
    root = float(np.sqrt(squares.mean()))
    if len(squares) < 2 or root == 0:
        return root, 0.0
    return root, float(squares.std(ddof=1) / np.sqrt(len(squares)) / (2 * root))
