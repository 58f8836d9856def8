"""Class kept: whether an independent classifier sees in a translation the class of what it was made from."""

import numpy as np

from gan_cli.metrics.metric import Metric, Sample


def class_kept() -> Metric:
    """Share of results in which an independent classifier sees the class of the example they were made from; 1 is best.

    The classifier is the feature network, where it knows exactly the data's classes. It is the FCN score of
    https://arxiv.org/abs/1703.10593, section 5.1, with a class an image in place of one a pixel.
    """
    return Metric(
        name="class-kept",
        lower_is_better=False,
        one_line="sees translations that lose or exchange what was shown; cannot see what within a class is lost",
        paper="https://arxiv.org/abs/1703.10593",
        compute=compute_class_kept,
        needs_given_labels=True,
        needs_classifier=True,
    )


def compute_class_kept(real: Sample | None, fake: Sample) -> dict[str, float]:  # noqa: ARG001
    """The share over all results, and `class-kept-permuted`: under the best one-to-one renaming of the classes.

    Where that is much higher, classes were exchanged as a whole, which nothing in unpaired data forbids.
    """
    from scipy.optimize import linear_sum_assignment

    assert fake.labels is not None
    assert fake.classified is not None
    labels, seen = np.asarray(fake.labels), np.asarray(fake.classified)
    count = int(max(labels.max(), seen.max())) + 1
    confusion = np.zeros((count, count), int)
    np.add.at(confusion, (labels, seen), 1)
    rows, columns = linear_sum_assignment(-confusion)
    return {
        "class-kept": float((labels == seen).mean()),
        "class-kept-permuted": float(confusion[rows, columns].sum() / len(labels)),
    }
