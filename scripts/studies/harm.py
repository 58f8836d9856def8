"""Known harm to real images, by degrees: what the fakes of a generator with one fault would be like."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from gan_cli.errors import InputError

Generator = np.random.Generator
Duty = Literal["notice", "ignore", "copies"]


class Stock(NamedTuple):
    """What fakes are made of: real images that neither the reference nor the training set holds, and that set."""

    images: np.ndarray  # uint8 [M, H, W, C], in random order: the first n are the unharmed fakes
    labels: np.ndarray  # int [M]
    n: int  # fakes that are made, whatever the harm
    training: np.ndarray  # uint8 [T, H, W, C]: what a copying generator has memorised
    training_labels: np.ndarray  # int [T]

    @property
    def unharmed(self) -> np.ndarray:
        """Perfect fakes: real images, uint8 [n, H, W, C]."""
        return self.images[: self.n]


class Harm(NamedTuple):
    """One fault, by degrees."""

    unit: str  # of a degree
    degrees: tuple[float, ...]  # from mild to strong
    apply: Callable[[Stock, float, Generator], np.ndarray]  # fakes uint8 [n, H, W, C], as far as possible of one order
    duty: Duty = "notice"
    """What a metric should do: `notice` it; `ignore` it, as images that a person would take for as good; `copies`:
    only a metric that knows the training images can tell."""


def blur(images: np.ndarray, deviation: float) -> np.ndarray:
    """Each image [N, H, W, C] convolved with a Gaussian of this standard deviation, pixels; black lies around it."""
    from scipy.ndimage import gaussian_filter  # takes a second to import

    return _bytes(gaussian_filter(images.astype(np.float32), (0, deviation, deviation, 0), mode="constant"))


def pixel_noise(images: np.ndarray, deviation: float, rng: Generator) -> np.ndarray:
    """Independent Gaussian noise of this standard deviation, grey levels, cut off at black and white."""
    return _bytes(images + deviation * rng.standard_normal(images.shape, np.float32))


def salt_and_pepper(images: np.ndarray, share: float, rng: Generator) -> np.ndarray:
    """This share of the pixels of each image, to the nearest pixel, made black or white by a coin."""
    n, height, width, channels = images.shape
    pixels = height * width
    chosen = np.argsort(rng.random((n, pixels)), axis=1)[:, : round(share * pixels)]  # [N, k]
    harmed = images.reshape(n, pixels, channels).copy()
    coins = rng.integers(0, 2, chosen.shape, dtype=np.uint8) * np.uint8(255)
    harmed[np.arange(n)[:, None], chosen] = coins[..., None]
    return harmed.reshape(images.shape)


def block(images: np.ndarray, side: int, rng: Generator) -> np.ndarray:
    """A black square of `side` pixels at a random place wholly within each image."""
    n, height, width, _ = images.shape
    rows, columns = (rng.integers(0, length - side + 1, n)[:, None] for length in (height, width))
    covers_row, covers_column = (
        (np.arange(length) >= start) & (np.arange(length) < start + side)
        for length, start in ((height, rows), (width, columns))
    )
    covered = covers_row[:, :, None] & covers_column[:, None, :]  # [N, H, W]
    return np.where(covered[..., None], np.uint8(0), images)


def keep_classes(stock: Stock, keep: int, rng: Generator) -> np.ndarray:
    """n images of so many random classes, with the shares that these have; raises InputError if there are not n."""
    kept = rng.permutation(np.unique(stock.labels))[:keep]
    found = stock.images[np.isin(stock.labels, kept)]
    if len(found) < stock.n:
        raise InputError(
            f"there are {len(found)} spare images of {keep} classes, and {stock.n} are wanted: set n lower"
        )
    return found[: stock.n]


def duplicate(images: np.ndarray, times: int) -> np.ndarray:
    """As many images [N, ...], of which the first N / times, rounded up, come that often; the last ones less often."""
    n = len(images)
    return images[np.arange(n) % -(-n // times)]


def mix(images: np.ndarray, others: np.ndarray, share: float, rng: Generator) -> np.ndarray:
    """This share of images [N, ...], to the nearest image, replaced by the first of the others, at random places."""
    count = round(share * len(images))
    mixed = images.copy()
    mixed[rng.permutation(len(images))[:count]] = others[:count]
    return mixed


def noise_images(shape: tuple[int, ...], rng: Generator) -> np.ndarray:
    """Images of uniform noise: uint8 [N, H, W, C]."""
    return rng.integers(0, 256, shape, dtype=np.uint8)


def generated(training: np.ndarray, labels: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """Samples of a real, if simple, generator: a Gaussian for each class, fitted to its training images: [n, H, W, C].

    Mean and covariance are the class's own: Σ z_i (x_i - mean) / √(m - 1), z standard normal, over its m images has
    that covariance exactly, without its root. Values are cut off at black and white and rounded.
    """
    wanted: np.ndarray = labels[rng.integers(0, len(labels), n)]  # the data's shares
    samples = np.empty((n, *training.shape[1:]), np.uint8)
    flat = training.reshape(len(training), -1)
    for label in np.unique(wanted):
        own = flat[labels == label].astype(np.float32)  # [m, D]
        mean, places = own.mean(axis=0), np.flatnonzero(wanted == label)
        z = rng.standard_normal((len(places), len(own)), np.float32)
        values = mean + z @ (own - mean) / np.sqrt(max(len(own) - 1, 1))
        samples[places] = _bytes(values).reshape(-1, *training.shape[1:])
    return samples


def shift(images: np.ndarray, most: int, rng: Generator) -> np.ndarray:
    """Each image moved by -most to most pixels, any whole number alike, down and to the right; black comes in."""
    n, height, width, _ = images.shape
    padded = np.pad(images, [(0, 0), (most, most), (most, most), (0, 0)])
    down, right = rng.integers(0, 2 * most + 1, (2, n, 1))  # where each image is cut out
    rows, columns = down + np.arange(height), right + np.arange(width)
    cut: np.ndarray = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut


def rotate(images: np.ndarray, most: float, rng: Generator) -> np.ndarray:
    """Each image turned about its middle, by up to `most` degrees either way, by cubic splines; black comes in."""
    from scipy.ndimage import rotate as turned

    angles = rng.uniform(-most, most, len(images))
    pairs = zip(images.astype(np.float32), angles, strict=True)
    return _bytes(np.stack([turned(image, angle, axes=(0, 1), reshape=False) for image, angle in pairs]))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _copies(stock: Stock, share: float, rng: Generator) -> np.ndarray:
    return mix(stock.unharmed, stock.training[rng.permutation(len(stock.training))[: stock.n]], share, rng)


def _noise_mixed(stock: Stock, share: float, rng: Generator) -> np.ndarray:
    return mix(stock.unharmed, noise_images(stock.unharmed.shape, rng), share, rng)


def generated_mixed(stock: Stock, share: float, rng: Generator) -> np.ndarray:
    """This share of samples of the fitted Gaussians among real images: what is like a half-trained generator's."""
    return mix(stock.unharmed, generated(stock.training, stock.training_labels, stock.n, rng), share, rng)


def _each(harm: Callable[..., np.ndarray], *, whole: bool = False) -> Callable[[Stock, float, Generator], np.ndarray]:
    """What is done to each image by itself; whole: by a whole number."""
    return lambda stock, degree, rng: harm(stock.unharmed, int(degree) if whole else degree, rng)


HARMS: dict[str, Harm] = {
    "blur": Harm("σ, pixels", (0.5, 0.75, 1.5), lambda stock, degree, _: blur(stock.unharmed, degree)),
    "noise": Harm("σ, grey levels", (5, 20, 60), _each(pixel_noise)),
    "salt_and_pepper": Harm("share of pixels", (0.005, 0.02, 0.1), _each(salt_and_pepper)),
    "block": Harm("side, pixels", (4, 7, 12), _each(block, whole=True)),
    "noise_images": Harm("share of images", (0.01, 0.05, 0.3), _noise_mixed),
    "generated": Harm("share of images", (0.1, 0.3, 1), generated_mixed),
    "fewer_classes": Harm("classes left", (9, 7, 3), lambda stock, keep, rng: keep_classes(stock, int(keep), rng)),
    "duplicates": Harm("times each", (2, 5, 20), lambda stock, times, _: duplicate(stock.unharmed, int(times))),
    "copies": Harm("share of images", (0.1, 0.3, 1), _copies, "copies"),
    "shift": Harm("at most, pixels", (1, 2, 4), _each(shift, whole=True), "ignore"),
    "rotation": Harm("at most, degrees", (5, 10, 20), _each(rotate), "ignore"),
}


def stream(*numbers: int) -> Generator:
    """Random numbers of their own for each tuple of numbers."""
    return np.random.default_rng(numbers)
