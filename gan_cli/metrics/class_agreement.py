"""Class agreement: whether an independent classifier sees the class that was asked for."""

import numpy as np

from gan_cli.data.order import order
from gan_cli.metrics.metric import Metric, Sample
from gan_cli.types import CLASS


def class_agreement() -> Metric:
    """Share of fakes in which an independent classifier sees the class that was asked for; 1 is best.

    The classifier is the feature network, where it knows exactly the data's classes; for toys the class is the nearest
    component. This is the generator accuracy of https://arxiv.org/abs/1610.09585 (section 4.1), with a classifier that
    had no part in the training.
    """
    return Metric(
        name="class-agreement",
        lower_is_better=False,
        one_line="sees generators that ignore the class or confuse classes; cannot see collapse within a class or bad "
        "images that the classifier is sure of",
        paper="https://arxiv.org/abs/1610.09585",
        compute=compute_class_agreement,
        needs_real=True,
        needs_class=True,
        needs_labels=True,
        needs_classifier=True,
    )


def compute_class_agreement(real: Sample | None, fake: Sample) -> dict[str, float]:
    """The share over all fakes, with shuffled requests, over real images, and by class asked for.

    `class-agreement-shuffled` compares with the requests in another, fixed order: what ignoring them would give, the
    sum of the squared shares of K classes, 1 / K when they are equal. `class-agreement-real` is the classifier's
    accuracy on the real images, the ceiling. `class-agreement-3` is the share among fakes asked for class number 3.
    """
    assert real is not None
    assert real.labels is not None
    asked, seen = fake.codes[CLASS].values, fake.classified  # [N]
    assert asked is not None
    agree = asked == seen
    return {
        "class-agreement": float(agree.mean()),
        "class-agreement-shuffled": float((asked[order(0, fake.n, 0)] == seen).mean()),
        "class-agreement-real": float((real.labels == real.classified).mean()),
        **{f"class-agreement-{label}": float(agree[asked == label].mean()) for label in np.unique(asked)},
    }
