"""Which class an independent judge sees in an example: a classifier in images, the nearest component in toys."""

from gan_cli.data.source import Mixture
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.metrics.metric import Sample
from gan_cli.metrics.modes import mahalanobis
from gan_cli.types import Spec

FEW = 5  # names of classes that a message shows


def fits(features: Features, spec: Spec, mixture: Mixture | None) -> bool:
    """Whether there is such a judge: a classifier of exactly the data's classes, or a mixture that is known."""
    return mixture is not None or (bool(features.classes) and features.classes == spec.classes)


def check_fits(metric: str, features: Features, spec: Spec, mixture: Mixture | None) -> None:
    """Raise InputError, in the name of `metric`, unless it `fits`."""
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
    """The sample with its `classified`: the most probable class, or the nearest component in standard deviations.

    Where it `fits`, and the sample's outputs have what is `needed`.
    """
    outputs = sample.outputs[needed(features)]  # [N, classes] or [N, D]
    seen = outputs.argmax(axis=1) if mixture is None else mahalanobis(mixture, outputs).argmin(axis=1)
    return sample._replace(classified=seen)


def listed(names: tuple[str, ...]) -> str:
    """The first names of classes, and the last: "0, 1, 2, 3, 4 .. 9"."""
    return ", ".join(names[:FEW]) + (f" .. {names[-1]}" if len(names) > FEW else "")
