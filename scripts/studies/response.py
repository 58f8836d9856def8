"""How metrics respond to harm: their values on unharmed and on harmed fakes, over draws, and what they tell apart."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from harm import Harm, Stock, generated_mixed, stream

from gan_cli import features, metrics
from gan_cli.data.source import Source
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.lab import Note
from gan_cli.metrics.collect import IMAGES, collect
from gan_cli.metrics.frechet import statistics
from gan_cli.metrics.metric import Metric, Sample, Scope

BATCH = 250  # images
CAP = 1000.0  # the largest |z| that is reported: more, or a change of what does not vary at all
CERTAIN = 0.9  # this share of the draws of harmed fakes must be told from unharmed ones
MIXTURE = 0.5  # share of generated images among the fakes of which metrics are given few
MIDDLE = 1  # the degree, counted from 0, at which all harms are compared
LARGE, SMALL, SHOWN = 0, 1, 2  # first numbers of the streams of random numbers

COMPARE = (
    *("fid", "fid-infinity", "kid", "mmd", "wasserstein", "sliced-wasserstein", "one-nn"),
    *("precision-recall", "density-coverage", "memorisation"),
)
METRICS = {  # by feature network; MS-SSIM is of the images themselves
    "digits": (*COMPARE, "inception-score", "mode-score", "class-coverage"),
    "pixels": (*COMPARE, "parzen", "ms-ssim"),
}
PARTS = {  # values beside a headline that say something of their own; of all of them higher is better
    "precision-recall": ("precision-recall-precision", "precision-recall-recall"),
    "density-coverage": ("density-coverage-density",),
    "class-coverage": ("class-coverage-top-probability",),
    "memorisation": ("memorisation-ct",),
}
DIVIDES = ("wasserstein", "parzen")  # metrics that divide the reference in two: they are given twice as many
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "one-nn": {"permutations": 1},  # its p-value is not used
    "mmd": {"width": "median-real"},  # one kernel whatever the harm
}


class Data(NamedTuple):
    """Real images: those that no training has seen, and those that a copying generator has."""

    images: np.ndarray  # uint8 [N, H, W, C]
    labels: np.ndarray  # int [N]
    training: np.ndarray  # uint8 [T, H, W, C]
    training_labels: np.ndarray  # int [T]


def load(held_out: Source, training: Source, most: tuple[int, int]) -> Data:
    """Held-out and training images, at most so many of each: the first ones."""
    sources = zip((held_out, training), most, strict=True)
    one, other = (source.load(np.arange(min(size, source.size))) for source, size in sources)
    return Data(one["x"], one["y"], other["x"], other["y"])


class Row(NamedTuple):
    """One value, through one feature network."""

    lens: str
    key: str  # "fid", "precision-recall-recall"
    worse: int  # 1: the higher the worse; -1: the lower

    @property
    def name(self) -> str:
        """As in tables: digits fid."""
        return f"{self.lens} {self.key}"


class Lens(NamedTuple):
    """A feature network, the metrics that are taken through it, and its outputs for all real images."""

    network: Features
    metrics: tuple[Metric, ...]
    held_out: Sample  # of all of `Data.images`
    training: Sample

    @property
    def rows(self) -> tuple[Row, ...]:
        """The values that it gives."""
        lens = self.network.name
        rows: list[Row] = []
        for metric in self.metrics:
            rows += [Row(lens, metric.name, 1 if metric.lower_is_better else -1)]
            rows += [Row(lens, key, -1) for key in PARTS.get(metric.name, ())]
        return tuple(rows)

    def judge(self, reference: np.ndarray, fakes: np.ndarray) -> np.ndarray:
        """The rows' values of fakes uint8 [n, H, W, C] against reference images, int [2n] by number: [rows]."""
        both = part(self.held_out, reference)
        half = part(self.held_out, reference[: len(fakes)])._replace(training=self.training)
        fake = collect(self.network, _batches(fakes), keep=tuple(both.outputs))
        values: dict[str, float] = {}
        for metric in self.metrics:
            values |= metric.compute(both if metric.name in DIVIDES else half, fake)
        return np.array([values[row.key] for row in self.rows])


def part(sample: Sample, chosen: np.ndarray) -> Sample:
    """The sample of some of the images, by number."""
    outputs = {name: values[chosen] for name, values in sample.outputs.items()}
    return Sample(statistics(outputs["features"]), outputs)


def lenses(data: Data) -> tuple[Lens, ...]:
    """Both feature networks with all their metrics."""
    made = []
    for name, wanted in METRICS.items():
        network = features.find_network(name)
        keep = ("features", *(("logits",) if network.classes else (IMAGES,)))
        held_out = collect(network, _batches(data.images), keep=keep)
        training = collect(network, _batches(data.training), keep=("features",))
        found = tuple(metrics.find_metric(key, **OPTIONS.get(key, {})) for key in wanted)
        made.append(Lens(network, found, held_out, training))
    return tuple(made)


def fitting(lens: Lens, n: int) -> tuple[Lens, dict[str, str]]:
    """The lens with those of its metrics that n images a side are enough for; and why the others are not."""
    shape = lens.held_out.outputs[IMAGES].shape[1:] if IMAGES in lens.held_out.outputs else ()
    dim = lens.held_out.outputs["features"].shape[1]
    fits, refused = [], {}
    for metric in lens.metrics:
        try:
            metric.check(Scope(n * (2 if metric.name in DIVIDES else 1), n, dim, shape))
        except InputError as error:
            refused[f"{lens.network.name} {metric.name}"] = str(error)
        else:
            fits.append(metric)
    return lens._replace(metrics=tuple(fits)), refused


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    return (images[start : start + BATCH] for start in range(0, len(images), BATCH))


class Responses(NamedTuple):
    """What metrics made of harm."""

    rows: tuple[Row, ...]
    unharmed: np.ndarray  # float64 [draws, rows]
    harmed: dict[str, np.ndarray]  # of each harm [degrees, draws, rows]

    def z(self, harm: str) -> np.ndarray:
        """By how many standard deviations of unharmed draws each row's mean is worse: [degrees, rows]."""
        sign = np.array([row.worse for row in self.rows])
        moved = sign * (self.harmed[harm].mean(axis=1) - self.unharmed.mean(axis=0))
        spread = self.unharmed.std(axis=0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(np.isclose(moved, 0, atol=1e-12), 0, moved / spread)
        return z.clip(-CAP, CAP)

    def told(self, harm: str, better: bool = False) -> np.ndarray:
        """Whether nearly all draws are worse than every unharmed one (or better than every one): [degrees, rows]."""
        return power(self.rows, self.unharmed, self.harmed[harm], better) >= CERTAIN

    def first(self, harm: str) -> np.ndarray:
        """The least degree from which on the harm is told at all degrees, as its number from 1: [rows].

        One more than there are degrees where it is not.
        """
        return least(self.told(harm)) + 1


def power(rows: tuple[Row, ...], unharmed: np.ndarray, harmed: np.ndarray, better: bool = False) -> np.ndarray:
    """Share of draws [..., draws, rows] that are worse (better) than every unharmed one [draws, rows]: [..., rows]."""
    sign = np.array([row.worse for row in rows]) * (-1 if better else 1)
    return np.mean(sign * harmed > (sign * unharmed).max(axis=0), axis=-2)


def least(told: np.ndarray) -> np.ndarray:
    """The place from which on all are true [places, ...]: int [...], the number of places where the last is not."""
    return len(told) - np.cumprod(told[::-1], axis=0).sum(axis=0)


def respond(
    data: Data, views: tuple[Lens, ...], harms: Mapping[str, Harm], n: int, unharmed: int, draws: int, note: Note
) -> Responses:
    """Values on some draws of unharmed fakes, and on the first of these draws harmed in every way and degree."""
    rows = tuple(row for view in views for row in view.rows)
    perfect: list[np.ndarray] = []
    harmed = {name: np.empty((len(harm.degrees), draws, len(rows))) for name, harm in harms.items()}
    for i in range(unharmed):
        reference, stock = draw(data, n, LARGE, i)
        perfect.append(_judge(views, reference, stock.unharmed))
        for number, (name, harm) in enumerate(harms.items() if i < draws else ()):
            for place, degree in enumerate(harm.degrees):
                fakes = harm.apply(stock, degree, stream(LARGE, i, number, place))
                harmed[name][place, i] = _judge(views, reference, fakes)
        note(f"draw {i + 1} of {unharmed}{', harmed in every way' if i < draws else ''}")
    return Responses(rows, np.stack(perfect), harmed)


def discriminate(
    data: Data, views: tuple[Lens, ...], sizes: tuple[int, ...], draws: int, note: Note
) -> dict[str, np.ndarray]:
    """Of each row's name how often few fakes, half of them generated, are told from as many real ones: [sizes].

    nan where a metric refuses so few.
    """
    found: dict[str, np.ndarray] = {}
    for place, n in enumerate(sizes):
        fits = tuple(fitting(_without_training(view), n)[0] for view in views)
        rows = tuple(row for view in fits for row in view.rows)
        values = np.empty((2, draws, len(rows)))
        for i in range(draws):
            reference, stock = draw(data, n, SMALL, n, i)
            mixed = generated_mixed(stock, MIXTURE, stream(SMALL, n, i, 0))
            values[:, i] = [_judge(fits, reference, fakes) for fakes in (stock.unharmed, mixed)]
        for row, share in zip(rows, power(rows, *values), strict=True):
            found.setdefault(row.name, np.full(len(sizes), np.nan))[place] = share
        note(f"{draws} draws of {n} images")
    return found


def _without_training(view: Lens) -> Lens:
    return view._replace(metrics=tuple(metric for metric in view.metrics if not metric.needs_training))


def _judge(views: tuple[Lens, ...], reference: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    return np.concatenate([view.judge(reference, fakes) for view in views])


def draw(data: Data, n: int, *numbers: int) -> tuple[np.ndarray, Stock]:
    """2n reference images, by number, and what fakes are made of, which has none of them."""
    order = stream(*numbers).permutation(len(data.images))
    rest = order[2 * n :]
    if len(rest) < n:
        raise InputError(f"{len(data.images)} held-out images are too few for 3 times {n}: set n lower")
    return order[: 2 * n], Stock(data.images[rest], data.labels[rest], n, data.training, data.training_labels)


class Found(NamedTuple):
    """All that was measured."""

    harms: Mapping[str, Harm]
    responses: Responses
    sizes: tuple[int, ...]
    power: dict[str, np.ndarray]  # see `discriminate`
    refused: dict[str, str]  # metrics that the number of images is too small for, and their words
    pictures: dict[str, np.ndarray]  # of each harm nine fakes at the middle degree: uint8 [9, H, W, C]


def measure(
    data: Data, harms: Mapping[str, Harm], n: int, unharmed: int, draws: int, sizes: tuple[int, ...], note: Note
) -> Found:
    """All values of all metrics that n images are enough for; raises InputError where the data are too few for n."""
    whole = lenses(data)
    views, refusals = zip(*(fitting(lens, n) for lens in whole), strict=True)
    refused = {name: why for refusal in refusals for name, why in refusal.items()}
    responses = respond(data, views, harms, n, unharmed, draws, note)
    power_of = discriminate(data, whole, sizes, unharmed, note)
    return Found(harms, responses, sizes, power_of, refused, _show(data, harms))


def _show(data: Data, harms: Mapping[str, Harm]) -> dict[str, np.ndarray]:
    """Nine fakes of each harm, from among 36 in random order."""
    few = min(36, len(data.images) // 3)
    _, stock = draw(data, few, SHOWN)
    places = stream(SHOWN).permutation(few)[:9]
    return {name: harm.apply(stock, harm.degrees[MIDDLE], stream(SHOWN, 1))[places] for name, harm in harms.items()}
