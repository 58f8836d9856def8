"""Whether a metric means anything of a model, its data and a feature network: asked before anything is computed."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gan_cli.data.source import Source
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.metrics import classes
from gan_cli.metrics.collect import check_outputs, kept_by
from gan_cli.metrics.metric import Metric, Plan
from gan_cli.recipe import Eval
from gan_cli.types import CLASS, Control, Spec

MOST_FEATURES = 10_000  # numbers of an image: a covariance of them takes 0.75 GiB
SPREAD = 3  # standard deviations below its expected number that a class may be drawn


class Needs(NamedTuple):
    """What all metrics together need of a pass over the samples and of one over the real examples."""

    real: bool
    one_by_one: bool  # more of the real examples than their statistics, which a cache could hold
    recognition: bool  # by the game, of samples
    recognition_real: bool
    classified: bool  # by an independent classifier, both
    keep: tuple[str, ...]  # outputs of the features, of samples
    keep_real: tuple[str, ...]


def needs(metrics: Sequence[Metric], experiment: Experiment, features: Features, source: Source | None) -> Needs:
    """What these metrics need together; what is classified is there for all of them where a classifier fits."""
    one_by_one = bool(kept_by(metrics, real=True)) or any(metric.needs_labels for metric in metrics)
    classified = any(metric.needs_labels or metric.needs_classifier for metric in metrics) and (
        classes.fits(features, experiment.spec, source.mixture if source else None)
    )
    own = (classes.needed(features),) if classified else ()
    return Needs(
        real=any(metric.needs_real for metric in metrics),
        one_by_one=one_by_one,
        recognition=any(metric.needs_recognition for metric in metrics),
        recognition_real=any(metric.needs_recognition_real for metric in metrics),
        classified=classified,
        keep=tuple({*kept_by(metrics), *own}),
        keep_real=tuple({*kept_by(metrics, real=True), *own}) if one_by_one else (),
    )


def plan(
    experiment: Experiment, features: Features, source: Source | None, options: Eval, recognised: Mapping[str, Control]
) -> Plan:
    """What the metrics of `options` would be taken of; `recognised`: the controls that the game infers."""
    spec = experiment.spec
    n_real = min(source.size, options.n_real) if source else 0
    real = source if labelled(experiment, source) else None
    return Plan(
        n_real=n_real,
        n_fake=options.n,
        dim=features.dim or math.prod(spec.shape),
        shape=spec.shape,
        real_by_class=_by_class(real.spec, n_real, whole=n_real == real.size) if real else (),
        fake_by_class=_by_class(spec, options.n) if CLASS in experiment.game.controls else (),
        recognised=recognised,
    )


def _by_class(spec: Spec, n: int, whole: bool = False) -> tuple[int, ...]:
    """How many of n examples are of each class, at the least; exactly, when n is the `whole` data set."""
    shares = np.array(spec.shares or [1 / len(spec.classes)] * len(spec.classes))
    if whole:
        return tuple(np.round(n * shares).astype(int).tolist())
    least = n * shares - SPREAD * np.sqrt(n * shares * (1 - shares))
    return tuple(np.floor(least).clip(0).astype(int).tolist())


def labelled(experiment: Experiment, source: Source | None) -> bool:
    """Whether the data have labels, and these are of the classes that the model was trained on."""
    return source is not None and _has_labels(source) and source.spec.classes == experiment.spec.classes


def _has_labels(source: Source) -> bool:
    return bool(source.spec.classes) and "y" in source.load(np.arange(1))


def check(
    metrics: Sequence[Metric], planned: Plan, experiment: Experiment, features: Features, source: Source | None
) -> tuple[str, ...]:
    """Notices about all metrics; raises InputError for one that does not fit."""
    for metric in metrics:
        _check_data(metric, experiment, source)
        _check_game(metric, experiment, planned)
        _check_features(metric, experiment, features, source)
    if planned.dim > MOST_FEATURES:
        raise InputError(
            f"[eval] features = {features.name!r}: {planned.dim:,} numbers an image, whose covariance would take "
            f"{8 * planned.dim**2 / 2**30:.0f} GiB; {MOST_FEATURES:,} are the most"
        )
    checks = [metric.check(planned) for metric in metrics]
    check_outputs(features, kept_by(metrics))
    return tuple(dict.fromkeys(notice for found in checks for notice in found))


def _check_data(metric: Metric, experiment: Experiment, source: Source | None) -> None:
    """Raise InputError for a metric that needs what is not known of the data."""
    if metric.needs_real and source is None:
        raise InputError(f"{metric.name} compares with real examples, and the run's data set is not at hand")
    if metric.needs_mixture and (source is None or source.mixture is None):
        raise InputError(f"{metric.name} needs data whose mixture of Gaussians is known, and these are no such toy")
    if not metric.needs_labels or labelled(experiment, source):
        return
    if source is None or not _has_labels(source):
        raise InputError(f"{metric.name} needs data with labels, and these have none")
    raise InputError(
        f"{metric.name}: the model was trained on the classes {', '.join(experiment.spec.classes) or '(none)'}, and "
        f"{source.name} has {', '.join(source.spec.classes)}: judge it with data of the same classes"
    )


def _check_game(metric: Metric, experiment: Experiment, planned: Plan) -> None:
    """Raise InputError for a metric that needs what the game does not do."""
    if metric.needs_class and CLASS not in experiment.game.controls:
        raise InputError(
            f"{metric.name} compares with the class that was asked for, and this model cannot be asked for one: "
            "it is for conditional games"
        )
    if (metric.needs_recognition or metric.needs_recognition_real) and not planned.recognised:
        raise InputError(
            f"{metric.name} needs a network that recognises codes or classes, and this game has none: "
            "it is for games such as InfoGAN and AC-GAN"
        )


def _check_features(metric: Metric, experiment: Experiment, features: Features, source: Source | None) -> None:
    """Raise InputError for a metric that means nothing through these features."""
    if metric.features and features.name not in metric.features:
        mend = f"set [eval] features = {metric.features[0]!r}"
        raise InputError(
            f"{metric.name} is not taken through {features.name}: {mend}, or --features {metric.features[0]}"
        )
    if metric.needs_classifier:
        classes.check_fits(metric.name, features, experiment.spec, source.mixture if source else None)
