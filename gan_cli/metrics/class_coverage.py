"""Class coverage: which classes a classifier recognises among the images, and how surely."""

import numpy as np

from gan_cli.metrics.inception_score import log_softmax
from gan_cli.metrics.metric import Metric, Sample


def class_coverage() -> Metric:
    """Classes recognised among the fake images, the count of each, and the mean top probability.

    The missing-mode count of VEEGAN (https://arxiv.org/abs/1705.07761), where the mode of an image is its most probable
    class according to a classifier, the feature network.
    """
    return Metric(
        name="class-coverage",
        lower_is_better=False,
        one_line="sees missing classes and uneven shares; cannot see collapse within a class or bad images that "
        "the classifier is sure of",
        paper="https://arxiv.org/abs/1705.07761",
        compute=compute_class_coverage,
        keeps=("logits",),
    )


def compute_class_coverage(_: Sample | None, fake: Sample) -> dict[str, float]:
    """Number of classes present; then the mean top probability in [0, 1] and the count of each class by its number."""
    logits = fake.outputs["logits"]  # [N, classes]
    counts = np.bincount(logits.argmax(1), minlength=logits.shape[1])
    return {
        "class-coverage": float((counts > 0).sum()),
        "class-coverage-top-probability": float(np.exp(log_softmax(logits).max(1)).mean()),
        **{f"class-coverage-count-{label}": float(count) for label, count in enumerate(counts)},
    }
