"""Modes of stacked MNIST: a thousand triples of digits, recognised by a classifier."""

import numpy as np

from gan_cli.errors import InputError
from gan_cli.features.digits import CLASSES
from gan_cli.metrics.metric import Metric, Sample
from gan_cli.metrics.modes import reverse_kl

TRIPLES = CLASSES**3


def stacked_modes() -> Metric:
    """Triples of digits among the samples, of 1000, and KL(their shares || equal shares) in nats.

    https://arxiv.org/abs/1705.07761 (VEEGAN), https://arxiv.org/abs/1712.04086 (PacGAN), by the classifier of
    `features = "stacked_digits"`. The literature takes 26,000 samples: fewer find fewer triples. N samples drawn with
    equal shares have a KL of about 999 / (2 N).
    """
    return Metric(
        name="stacked-modes",
        lower_is_better=False,
        one_line="sees missing and uneven triples of digits; cannot see bad images that the classifier is sure of",
        paper="https://arxiv.org/abs/1712.04086",
        compute=compute_stacked_modes,
        features=("stacked_digits",),
        keeps=("digit_logits",),
    )


def compute_stacked_modes(_: Sample | None, fake: Sample) -> dict[str, float]:
    """Number of triples; then the KL. InputError for features that are not three digits an image."""
    logits = fake.outputs["digit_logits"]  # [N, 3 x 10]
    if logits.shape[1] != 3 * CLASSES:
        raise InputError('stacked-modes reads three digits an image: set [eval] features = "stacked_digits"')
    digits = logits.reshape(len(logits), 3, CLASSES).argmax(axis=2)  # [N, 3]
    counts = np.bincount(digits @ np.array([100, 10, 1]), minlength=TRIPLES)  # [1000]
    return {"stacked-modes": float((counts > 0).sum()), "stacked-modes-kl": reverse_kl(counts)}
