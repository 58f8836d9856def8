"""Whether a metric means anything of what is judged, its real side and a feature network: asked before computing."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gan_cli import media
from gan_cli.data.source import Source
from gan_cli.errors import InputError
from gan_cli.features import Features, photos
from gan_cli.judging.reference import Reference
from gan_cli.metrics import classes
from gan_cli.metrics.classes import listed
from gan_cli.metrics.collect import IMAGES, check_outputs, kept_by
from gan_cli.metrics.metric import Metric, Scope, needs_fakes
from gan_cli.recipe import Eval
from gan_cli.text import size
from gan_cli.types import CLASS, Control, Spec

ONLY_MOMENTS = (
    "{} needs the {} images themselves, and {} holds only the mean and covariance of their features: fid can be taken "
    "of it"
)
MOST_FEATURES = 10_000  # numbers of an image: a covariance of them takes 0.75 GiB
SPREAD = 3  # standard deviations below its expected number that a class may be drawn


class Subject(NamedTuple):
    """What is judged: a generator, or images that are at hand."""

    spec: Spec
    n: int  # samples or images; 0: statistics that do not say of how many they are
    is_model: bool = True  # False: images
    controls: Mapping[str, Control] = {}  # what a generator can be asked for
    recognised: Mapping[str, Control] = {}  # the controls that its game infers from images
    decodes: bool = False  # it is a generator of a latent alone
    statistics: str = ""  # only the statistics of its images are there: the file's name
    ask: str = ""  # what makes them: the name of one of the game's asks
    has_truth: bool = False  # what each of them should be is known
    given: bool = False  # they are made from examples
    labels_given: bool = False  # they are made from labelled examples
    classifies: bool = False  # one of the game's asks is for labels
    has_density: bool = False


class Needs(NamedTuple):
    """What all metrics together need of a pass over the samples and of one over the real examples."""

    fakes: bool  # a look at samples through features
    pairs: bool  # samples beside what they should be
    answers: bool
    density: bool
    samples: bool  # themselves, of both sides
    real: bool
    one_by_one: bool  # more of the real examples than their statistics, which a cache could hold
    training: bool  # all that was trained on, besides real examples that are held out of it
    recognition: bool  # by the game, of samples
    recognition_real: bool
    classified: bool  # by an independent classifier, both
    decoder: bool
    keep: tuple[str, ...]  # outputs of the features, of samples
    keep_real: tuple[str, ...]


def needs(metrics: Sequence[Metric], spec: Spec, features: Features, reference: Reference) -> Needs:
    """What these metrics need together.

    Where one of them wants samples classified and a classifier fits the images, that is there for all of them.
    """
    one_by_one = any(metric.keeps_real or metric.needs_labels for metric in metrics)
    classified = any(metric.needs_labels or metric.needs_classifier for metric in metrics) and (
        classes.fits(features, spec, reference.mixture)
    )
    own = (classes.needed(features),) if classified else ()
    return Needs(
        fakes=any(needs_fakes(metric) for metric in metrics),
        pairs=any(metric.pair is not None for metric in metrics),
        answers=any(metric.needs_answers for metric in metrics),
        density=any(metric.needs_density for metric in metrics),
        samples=any(metric.needs_samples for metric in metrics),
        real=any(metric.needs_real for metric in metrics),
        one_by_one=one_by_one,
        training=any(metric.needs_training for metric in metrics),
        recognition=any(metric.needs_recognition for metric in metrics),
        recognition_real=any(metric.needs_recognition_real for metric in metrics),
        classified=classified,
        decoder=any(metric.needs_decoder for metric in metrics),
        keep=tuple({*kept_by(metrics), *own}),
        keep_real=tuple({*kept_by(metrics, real=True), *own}) if one_by_one else (),
    )


def plan(subject: Subject, features: Features, reference: Reference, options: Eval) -> Scope:
    """The sizes of what the metrics would be taken of, by class where classes are known; nothing is computed."""
    spec = subject.spec
    source = reference.source
    n_real = min(source.size, options.n_real) if source else (reference.stored.statistics.n if reference.stored else 0)
    real = source if labelled(spec, source) else None
    return Scope(
        n_real=n_real,
        n_fake=subject.n,
        dim=features.dim or math.prod(spec.shape),
        shape=spec.shape,
        real_by_class=_by_class(real.spec, n_real, whole=n_real == real.size) if real else (),
        fake_by_class=_by_class(spec, subject.n) if CLASS in subject.controls else (),
        recognised=subject.recognised,
        n_training=reference.training.size if reference.training else 0,
    )


def _by_class(spec: Spec, n: int, whole: bool = False) -> tuple[int, ...]:
    """Number of examples of each class among n, at the least; exactly that many when n is the `whole` data set."""
    shares = np.array(spec.shares or [1 / len(spec.classes)] * len(spec.classes))
    if whole:
        return tuple(np.round(n * shares).astype(int).tolist())
    least = n * shares - SPREAD * np.sqrt(n * shares * (1 - shares))
    return tuple(np.floor(least).clip(0).astype(int).tolist())


def labelled(spec: Spec, source: Source | None) -> bool:
    """Whether the real examples have labels of the same classes as what is judged."""
    if source is None or not source.spec.classes or "y" not in source.load(np.arange(1)):
        return False
    return source.spec.classes == spec.classes


def check_metrics(
    metrics: Sequence[Metric], planned: Scope, subject: Subject, features: Features, reference: Reference
) -> tuple[str, ...]:
    """Notices about all metrics, each once; raises InputError for a metric or features that do not fit."""
    for metric in metrics:
        _check_subject(metric, subject)
        _check_data(metric, subject, reference)
        if metric.features and features.name not in metric.features:
            mend = f"set [eval] features = {metric.features[0]!r}"
            raise InputError(
                f"{metric.name} is not taken through {features.name}: {mend}, or --features {metric.features[0]}"
            )
        if metric.needs_classifier:
            classes.check_fits(metric.name, features, subject.spec, reference.mixture)
    if planned.dim > MOST_FEATURES and any(map(needs_fakes, metrics)):
        raise InputError(
            f"[eval] features = {features.name!r}: {planned.dim:,} numbers an image, whose covariance would take "
            f"{size(8 * planned.dim**2)}; {MOST_FEATURES:,} are the most"
        )
    checks = [metric.check(planned) for metric in metrics]
    check_outputs(features, kept_by(metrics))
    looked_through = not metrics or any(needs_fakes(metric) and metric.keeps != (IMAGES,) for metric in metrics)
    strange = _warn_of_features(subject.spec, features, reference) if looked_through else ()
    return tuple(dict.fromkeys([*strange, *(notice for found in checks for notice in found)]))


def _warn_of_features(spec: Spec, features: Features, reference: Reference) -> tuple[str, ...]:
    """A notice where the network was made for other images, by what can be known of these."""
    specs = [spec, *([reference.source.spec] if reference.source else [])]
    other = next((one for one in specs if len(spec.shape) == 3 and not features.suits(one)), None)
    if other is None:
        return ()
    colours = {1: "grey", 3: "RGB"}.get(other.shape[2], f"of {other.shape[2]} channels")
    of = f", of the classes {listed(other.classes)}" if other.classes else ""
    small = "pixels, " if math.prod(spec.shape) <= MOST_FEATURES else ""
    install = "" if photos.installed() else "; pip install 'gan-cli[photos]'"
    return (
        f"WARNING: {features.name} was made for {features.made_for}, and these images are {colours}{of}: its numbers "
        "may compare runs, but do not tell quality. [eval] features, or --features, takes photos (made for "
        f"photographs{install}), inception (FID's own; gan features import), {small}or a network of one's own",
    )


def _check_data(metric: Metric, subject: Subject, reference: Reference) -> None:
    """Raise InputError for a metric that needs what is not known of the real side."""
    source, classes_judged = reference.source, subject.spec.classes
    if (metric.needs_real and source is None and reference.stored is None) or (metric.needs_samples and source is None):
        raise InputError(f"{metric.name} compares with real examples: give some, or the data set that was trained on")
    if reference.stored and (metric.keeps_real or metric.needs_labels or metric.needs_recognition_real):
        raise InputError(ONLY_MOMENTS.format(metric.name, "real", reference.called))
    if subject.statistics and metric.keeps:
        raise InputError(ONLY_MOMENTS.format(metric.name, "fake", subject.statistics))
    if metric.needs_mixture and reference.mixture is None:
        raise InputError(f"{metric.name} needs data whose mixture of Gaussians is known, and these are no such toy")
    if metric.needs_log_likelihood and (source is None or source.log_likelihood is None):
        raise InputError(f"{metric.name} needs data whose distribution is known, and these are no such: oracle is")
    if "given" in metric.wants and not subject.given:
        raise InputError(f"{metric.name} looks at what results were made from, and these were made from nothing")
    if "reads" in metric.wants and (source is None or source.reads is None):
        raise InputError(
            f"{metric.name} reads off each pixel what it shows, and of these images that cannot be known: it can of "
            'source = "facades", as they are made'
        )
    if metric.needs_sequences and media.name_of(subject.spec) != "tokens":
        raise InputError(f"{metric.name} is of sequences of tokens, and these are {media.of(subject.spec).many}")
    if metric.needs_training and reference.training is None:
        raise InputError(
            f"{metric.name} compares with held-out and with training images, and there is only one kind: judge a "
            "model against a split that it was not trained on (--split test), or give both, --real and --train"
        )
    if metric.needs_training and source and reference.training and source.fingerprint == reference.training.fingerprint:
        raise InputError(f"{metric.name}: the held-out images, {reference.called}, are the training images themselves")
    if metric.needs_labels and not labelled(subject.spec, source):
        if source is None or not labelled(source.spec, source):
            raise InputError(
                f"{metric.name} needs data with labels, and these have none (a folder has them by a .toml file with "
                "[data] labels = true)"
            )
        raise InputError(
            f"{metric.name}: the model was trained on the classes {', '.join(classes_judged) or '(none)'}, and "
            f"{source.name} has {', '.join(source.spec.classes)}: judge it with data of the same classes"
        )


def _check_subject(metric: Metric, subject: Subject) -> None:
    """Raise InputError for a metric that needs what the generator or its game does not do."""
    if metric.pair and not subject.has_truth and not subject.is_model:
        raise InputError(
            f"{metric.name} compares images with what they should be: name those with --real, files of the same names "
            "or an archive with as many"
        )
    of_a_game = metric.needs_answers or metric.needs_density or metric.needs_given_labels or metric.needs_samples
    recognition = metric.needs_recognition or metric.needs_recognition_real
    generator = of_a_game or metric.needs_class or recognition or metric.needs_decoder
    if generator and not subject.is_model:
        raise InputError(f"{metric.name} is taken of a generator, not of images: give a run, --ckpt RUN")
    if metric.needs_class and CLASS not in subject.controls:
        raise InputError(
            f"{metric.name} compares with the class that was asked for, and this model cannot be asked for one: "
            "it is for conditional games"
        )
    if recognition and not subject.recognised:
        raise InputError(
            f"{metric.name} needs a network that recognises codes or classes, and this game has none: "
            "it is for games such as InfoGAN and AC-GAN"
        )
    if metric.needs_decoder and not subject.decodes:
        raise InputError(f"{metric.name} is of a generator whose only input is a latent, and this game's has more")
    if metric.pair and not subject.has_truth:
        what = f"what it makes when asked to {subject.ask}" if subject.ask else "what it makes"
        raise InputError(
            f"{metric.name} compares a result with what it should be, and of {what} that is not known: it is for games "
            "that are given examples with an input; or set [eval] paired = true where example i of one stream belongs "
            "to example i of the other, or [eval] beside to another ask whose results of the same draws they should be"
        )
    if metric.needs_given_labels and not subject.labels_given:
        raise InputError(f"{metric.name} is of results that are made from labelled examples, and these are not")
    if metric.needs_answers and not subject.classifies:
        raise InputError(
            f"{metric.name} is of a game that classifies examples, and this one does not; class-agreement asks a "
            "classifier that had no part in the training about samples"
        )
    if metric.needs_density and not subject.has_density:
        raise InputError(
            f"{metric.name} is of a game that says how likely an example is, and this one does not; ais or parzen "
            "estimates that of a generator"
        )
