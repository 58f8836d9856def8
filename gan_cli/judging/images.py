"""`gan eval --fake`: images at hand against others; and statistics of them in a file."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_cli.data.order import order
from gan_cli.data.pairs import partners
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.files import make_folder
from gan_cli.judging.evaluator import COMMAND_LINE, Evaluator, Verdict, batches, lens
from gan_cli.judging.image_sets import Fit, ImageSet, open_set
from gan_cli.judging.reference import Reference
from gan_cli.judging.requirements import Subject
from gan_cli.metrics import cache
from gan_cli.metrics.frechet import check_n
from gan_cli.metrics.metric import NOTHING, Sample
from gan_cli.metrics.protocol import in_words
from gan_cli.recipe import Eval
from gan_cli.types import Spec

ALL = sys.maxsize  # images


class Sides(NamedTuple):
    """What is compared."""

    fake: ImageSet
    real: ImageSet | None
    training: ImageSet | None  # what the fakes' model was trained on, for metrics that tell copies
    fitted: str  # what was done to the images, in words


def sides(fake: str, real: str | None, training: str | None, store: Store, fit: Fit) -> Sides:
    """The sets of images that a person names, each as in `image_sets.open_set`.

    `training`: what the fakes' model was trained on. Raises InputError, also where they cannot be compared.
    """
    judged = open_set(fake, store, fit)
    others = [open_set(text, store, fit) if text is not None else None for text in (real, training)]
    given = [judged, *(one for one in others if one)]
    _common_spec(given)
    return Sides(judged, others[0], others[1], _fitted_words(given, fit))


def judge(
    given: Sides, options: Eval, store: Store, seed: int, *, outside: bool, note: Callable[[str], None]
) -> Verdict:
    """The metrics of `options` of images at hand: fakes are a random subset, by `seed`, in random order.

    `outside`: see `evaluator.lens`. Raises InputError for a metric that does not fit.
    """
    fake, real, training, fitted = given
    spec = _common_spec([one for one in (fake, real) if one])
    seen = lens(options, spec, outside=outside, where=COMMAND_LINE)
    if training and not any(metric.needs_training for metric in seen.metrics):
        raise InputError(f"--train {training.called}: is for metrics that tell copies: --metric memorisation")
    reference = Reference(real.called, real.source, real.stored) if real else Reference()
    if training:
        reference = reference._replace(training=training.source, trained=training.called)
    n = fake.n(options.n)
    pairs = _pairs(fake, real) if any(metric.pair for metric in seen.metrics) else None
    statistics = fake.called if fake.stored else ""
    subject = Subject(spec, n, is_model=False, statistics=statistics, has_truth=pairs is not None)
    evaluator = Evaluator(subject, seen, options, reference, store, fitted)
    notices = list(evaluator.notices)
    if fake.stored:
        notices += cache.check_made_by(fake.stored, evaluator.features, (evaluator.fitted,), fake.called)
    else:
        if real and real.source and fake.source and real.source.fingerprint == fake.source.fingerprint:
            notices.append("real and fake images are the same ones")
        others = f"{n}" if pairs is not None else f"{evaluator.plan.n_real or 'statistics of'}"
        real_side = f" against {others} real ones" if evaluator.needs.real or pairs is not None else ""
        notices.append(f"compiling, then judging {evaluator.plan.n_fake} images{real_side}")
    for message in notices:
        note(message)
    if fake.stored:
        return evaluator.verdict(evaluator.real(), Sample(fake.stored.statistics), None)
    assert fake.source is not None
    chosen = order(seed, fake.source.size, 0)[:n]
    images = (one["x"] for one in batches(fake.source, chosen, evaluator.batch))
    sample = evaluator.fake(images) if evaluator.needs.fakes else NOTHING
    compared = ""
    if pairs is not None and real:
        sample = sample._replace(pairs=_compared(evaluator, fake, real, chosen, pairs[chosen]))
        compared = f"{n} pairs with {real.called}"
    return evaluator.verdict(evaluator.real(), sample, seed if n < fake.source.size else None, compared)


def _pairs(fake: ImageSet, real: ImageSet | None) -> np.ndarray | None:
    """For each fake the number of the real image that it should be, by their files' names, or by their order.

    None: there are no real images. Raises InputError where some have no partner.
    """
    if not (real and real.source and fake.source):
        return None
    names = {f"--fake {fake.called}": fake.source.names, f"--real {real.called}": real.source.names}
    if all(names.values()):
        return partners(names)
    if any(names.values()) or fake.source.size != real.source.size:
        mixed = ", and only one of them names its files" if any(names.values()) else ""
        raise InputError(
            "pairs are files of the same names in two folders, or example i of two archives of as many; "
            f"{fake.called} holds {fake.source.size} and {real.called} {real.source.size}{mixed}"
        )
    return np.arange(fake.source.size)


def _compared(
    evaluator: Evaluator, fake: ImageSet, real: ImageSet, chosen: np.ndarray, partner: np.ndarray
) -> dict[str, np.ndarray]:
    """By metric of pairs its number for each of the chosen fakes beside its partner, [n]."""
    assert fake.source is not None
    assert real.source is not None
    sides = (
        batches(source, which, evaluator.batch) for source, which in ((fake.source, chosen), (real.source, partner))
    )
    found: dict[str, list[np.ndarray]] = {name: [] for name in evaluator.pairs}
    for results, truths in zip(*sides, strict=True):
        for name, compare in evaluator.pairs.items():
            found[name].append(np.asarray(compare(results["x"], truths["x"])))
    return {name: np.concatenate(parts) for name, parts in found.items()}


class Saved(NamedTuple):
    """Statistics that were written."""

    n: int  # images
    features: Features
    rules: str  # what was done to an image, in words
    notices: tuple[str, ...]


def save_statistics(
    given: ImageSet, fit: Fit, store: Store, out: Path, *, features: str, n: int | None, batch: int
) -> Saved:
    """Write the statistics of a set's features, which a person has named, to an .npz file: see `cache.save_statistics`.

    `fit`: by which the set was opened. `n`: of more images a fixed random subset of this size; None: of all of them.
    `batch`: images at once. Raises InputError.
    """
    if given.source is None:
        raise InputError(f"{given.called}: holds statistics already")
    spec, fitted = _common_spec([given]), _fitted_words([given], fit)
    options = Eval(features=features, n=n or ALL, batch=batch)
    seen = lens(options, spec, outside=True, where=COMMAND_LINE)
    subject = Subject(spec, given.n(options.n), is_model=False)
    evaluator = Evaluator(subject, seen._replace(metrics=()), options, Reference(), store, fitted)
    notices = (*evaluator.notices, *check_n(subject.n, evaluator.plan.dim, "given"))
    make_folder(out.parent)
    chosen = order(0, given.source.size, 0)[: options.n]
    sample = evaluator.fake(one["x"] for one in batches(given.source, chosen, evaluator.batch))
    try:
        cache.save_statistics(out, sample.statistics, evaluator.features, fitted)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None
    return Saved(sample.n, evaluator.features, in_words(evaluator.features, fitted), notices)


def _common_spec(given: list[ImageSet]) -> Spec:
    """What all sets of images look like; raises InputError when they are of different sizes or kinds.

    Where only statistics are there, they are of vectors, or of images of any size.
    """
    specs = [(one.called, one.source.spec) for one in given if one.source]
    if not specs:
        stored = [one.stored for one in given if one.stored]
        vectors = any(one.features == "points" for one in stored)
        return Spec((stored[0].statistics.mean.size,)) if vectors else Spec((1, 1, 1))
    first, spec = specs[0]
    for called, other in specs[1:]:
        if len(spec.shape) != len(other.shape) or (len(spec.shape) == 1 and spec.shape != other.shape):
            raise InputError(f"{first} holds examples of shape {spec.shape} and {called} of {other.shape}: not alike")
        if spec.shape[:2] != other.shape[:2]:
            size, others_size = ("x".join(map(str, one.shape[:2])) for one in (spec, other))
            sizes = f"{first} are {size} pixels and those of {called} {others_size}"
            raise InputError(f"the images of {sizes}: bring both to one size with --size {spec.shape[0]}")
        if spec.shape != other.shape:
            channels = f"{first} have {spec.shape[2]} channels and those of {called} {other.shape[2]}"
            raise InputError(f"the images of {channels}: bring both to one number with --channels 1 or 3")
    return spec


def _fitted_words(given: list[ImageSet], fit: Fit) -> str:
    """What is done to the images before a feature network sees them, in words."""
    composited = sorted({one.composited for one in given})
    return ", ".join(filter(None, (str(fit), *composited)))
