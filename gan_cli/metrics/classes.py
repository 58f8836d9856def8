"""Which class an independent judge sees in an example: a classifier for images, the nearest component for toys."""

import numpy as np

from gan_cli.data.source import Mixture
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.metrics.metric import Sample
from gan_cli.types import Spec

FEW = 5  # names of classes that a message shows, besides the last


def fits(features: Features, spec: Spec, mixture: Mixture | None) -> bool:
    """Whether there is such a judge: a classifier of exactly the data's classes, or the mixture of a toy."""
    return mixture is not None or (bool(features.classes) and features.classes == spec.classes)


def check_fits(metric: str, features: Features, spec: Spec, mixture: Mixture | None) -> None:
    """Raise InputError, which names `metric`, unless there is a judge that `fits`."""
    if fits(features, spec, mixture):
        return
    sees = f"tells {listed(features.classes)} apart" if features.classes else "is no classifier"
    raise InputError(
        f"{metric} asks an independent classifier, and {features.name} {sees}, while the classes of the data are "
        f"{listed(spec.classes) or 'not known'}: choose a classifier of exactly these with [eval] features or "
        "--features, or take a metric that needs none"
    )


def needed(features: Features) -> str:
    """The output of the features that `classify` reads."""
    return "logits" if features.classes else "features"


def classify(features: Features, sample: Sample, mixture: Mixture | None) -> Sample:
    """The sample with `classified` set: the most probable class, or the nearest component in standard deviations.

    The judge must be one that `fits`, and the sample's outputs must hold what is `needed`.
    """
    outputs = sample.outputs[needed(features)]  # [N, classes] or [N, D]
    seen = outputs.argmax(axis=1) if mixture is None else mahalanobis(mixture, outputs).argmin(axis=1)
    return sample._replace(classified=seen)


def mahalanobis(mixture: Mixture, points: np.ndarray) -> np.ndarray:
    """Distance of points [N, D] from each component's centre in units of its standard deviation: [N, K] float64."""
    return np.linalg.norm(points.astype(np.float64)[:, None] - mixture.means, axis=2) / mixture.sds


def listed(names: tuple[str, ...]) -> str:
    """The first few names of classes and the last: "0, 1, 2, 3, 4 .. 9"."""
    return ", ".join(names[:FEW]) + (f" .. {names[-1]}" if len(names) > FEW else "")
