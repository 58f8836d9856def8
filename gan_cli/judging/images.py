"""`gan eval --fake`: images at hand against others; and statistics of them in a file."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_cli.data.pipeline import order
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.files import make_folder
from gan_cli.judging.evaluator import COMMAND_LINE, Evaluator, Verdict, batches, lens
from gan_cli.judging.image_sets import Fit, Set, open_set
from gan_cli.judging.reference import Reference
from gan_cli.judging.requirements import Subject
from gan_cli.metrics import cache
from gan_cli.metrics.collect import Images
from gan_cli.metrics.frechet import check_n
from gan_cli.metrics.metric import Sample
from gan_cli.metrics.protocol import in_words
from gan_cli.recipe import Eval
from gan_cli.types import Spec

ALL = sys.maxsize  # images


class Sides(NamedTuple):
    """What is compared."""

    fake: Set
    real: Set | None
    training: Set | None  # what the fakes' model was trained on, for metrics that tell copies
    fitted: str  # what was done to the images, in words


def sides(fake: str, real: str | None, training: str | None, store: Store, fit: Fit) -> Sides:
    """The sets that a person names; raises InputError, also where they cannot be compared."""
    judged = open_set(fake, store, fit)
    others = [open_set(text, store, fit) if text is not None else None for text in (real, training)]
    given = [judged, *(one for one in others if one)]
    _check_alike(given)
    return Sides(judged, others[0], others[1], _in_words(given, fit))


def judge(
    given: Sides, options: Eval, store: Store, seed: int, *, outside: bool, note: Callable[[str], None]
) -> Verdict:
    """The metrics of `options` of images at hand: fakes are a random subset, by `seed`, in random order.

    `outside`: see `evaluator.lens`. Raises InputError for a metric that does not fit.
    """
    fake, real, training, fitted = given
    spec = _check_alike([one for one in (fake, real) if one])
    seen = lens(options, spec, outside=outside, where=COMMAND_LINE)
    if training and not any(metric.needs_training for metric in seen.metrics):
        raise InputError(f"--train {training.called}: is for metrics that tell copies: --metric memorisation")
    reference = Reference()
    if real:
        reference = Reference(real.called, real.source, real.stored)
    if training:
        reference = reference._replace(training=training.source, trained=training.called)
    n = fake.n(options.n)
    subject = Subject(spec, n, is_model=False, statistics=fake.called if fake.stored else "")
    evaluator = Evaluator(subject, seen, options, reference, store, fitted)
    for message in (*evaluator.notices, *_notices(evaluator, fake, real)):
        note(message)
    if fake.stored:
        return evaluator.verdict(evaluator.real(), Sample(fake.stored.statistics), None)
    assert fake.source is not None
    chosen = order(seed, fake.source.size, 0)[:n]
    sample = evaluator.fake(_images(fake.source, chosen, evaluator.batch))
    return evaluator.verdict(evaluator.real(), sample, seed if n < fake.source.size else None)


class Saved(NamedTuple):
    """Statistics that were written."""

    n: int  # images
    features: Features
    rules: str  # what was done to an image, in words
    notices: tuple[str, ...]


def wanted(features: str, n: int | None, batch: int) -> Eval:
    """Options for statistics alone; n = None: of all images."""
    return Eval(features=features, n=n or ALL, batch=batch)


def save_statistics(given: Set, options: Eval, store: Store, fit: Fit, out: Path) -> Saved:
    """Write the statistics of a set's features, which a person has named, to an .npz file: see `cache.save_statistics`.

    Of more images than `options.n` a fixed random subset. Raises InputError.
    """
    if given.source is None:
        raise InputError(f"{given.called}: holds statistics already")
    spec, fitted = _check_alike([given]), _in_words([given], fit)
    seen = lens(options, spec, outside=True, where=COMMAND_LINE)
    subject = Subject(spec, given.n(options.n), is_model=False)
    evaluator = Evaluator(subject, seen._replace(metrics=()), options, Reference(), store, fitted)
    notices = (*evaluator.notices, *check_n(subject.n, evaluator.plan.dim, "given"))
    make_folder(out.parent)
    sample = evaluator.fake(_images(given.source, order(0, given.source.size, 0)[: options.n], evaluator.batch))
    try:
        cache.save_statistics(out, sample.statistics, evaluator.features, fitted)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None
    return Saved(sample.n, evaluator.features, in_words(evaluator.features, fitted), notices)


def _images(source: Source, chosen: np.ndarray, batch: int) -> Iterator[Images]:
    return (examples["x"] for examples in batches(source, chosen, batch))


def _notices(evaluator: Evaluator, fake: Set, real: Set | None) -> tuple[str, ...]:
    """What a person should know of both sides; raises InputError for statistics made otherwise."""
    if fake.stored:
        return cache.check_made_by(fake.stored, evaluator.features, (evaluator.fitted,), fake.called)
    against = f" against {evaluator.plan.n_real or 'statistics of'} real ones" if evaluator.needs.real else ""
    same = real and real.source and fake.source and real.source.fingerprint == fake.source.fingerprint
    alike = ("real and fake images are the same ones",) if same else ()
    return (*alike, f"compiling, then judging {evaluator.plan.n_fake} images{against}")


def _check_alike(given: list[Set]) -> Spec:
    """What all sets of images look like; raises InputError when they are of different sizes or kinds."""
    specs = [(one.called, one.source.spec) for one in given if one.source]
    if not specs:
        return _of_statistics(given)
    first, spec = specs[0]
    for called, other in specs[1:]:
        if len(spec.shape) != len(other.shape) or (len(spec.shape) == 1 and spec.shape != other.shape):
            raise InputError(f"{first} holds examples of shape {spec.shape} and {called} of {other.shape}: not alike")
        if spec.shape[:2] != other.shape[:2]:
            sizes = f"{first} are {_size(spec)} pixels and those of {called} {_size(other)}"
            raise InputError(f"the images of {sizes}: bring both to one size with --size {spec.shape[0]}")
        if spec.shape != other.shape:
            channels = f"{first} have {spec.shape[2]} channels and those of {called} {other.shape[2]}"
            raise InputError(f"the images of {channels}: bring both to one number with --channels 1 or 3")
    return spec


def _of_statistics(given: list[Set]) -> Spec:
    """What examples look like of which only statistics are there: vectors, or images of any size."""
    stored = [one.stored for one in given if one.stored]
    vectors = any(one.features == "points" for one in stored)
    return Spec((stored[0].statistics.mean.size,)) if vectors else Spec((1, 1, 1))


def _size(spec: Spec) -> str:
    return f"{spec.shape[0]}x{spec.shape[1]}"


def _in_words(given: list[Set], fit: Fit) -> str:
    """What is done to the images before a feature network sees them."""
    composited = sorted({one.composited for one in given})
    return ", ".join(filter(None, (str(fit), *composited)))
