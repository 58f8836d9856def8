"""Code accuracy: whether the categories of a generator's code are the classes of the data."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope


def code_accuracy() -> Metric:
    """Accuracy of a categorical code's recognition network as a classifier of real examples; 1 is best.

    An example's class is that of its most probable category, after the one-to-one assignment of categories to classes
    that makes most of them right: the assignment is found with the labels of the same examples, so it is no measure of
    classification without labels. InfoGAN's 5% of errors on MNIST is this, "matching each category in c1 to a digit
    type": https://arxiv.org/abs/1606.03657, section 7.2. Of several categorical codes the best is the headline.

    `-unmatched` takes category k for class k, which only means something where training has seen labels:
    https://arxiv.org/abs/1707.04487.
    """
    return Metric(
        name="code-accuracy",
        lower_is_better=False,
        one_line="sees codes whose categories are not the classes; cannot see what the images are like, or codes that "
        "find something else that is worth finding",
        paper="https://arxiv.org/abs/1606.03657",
        compute=compute_code_accuracy,
        needs_real=True,
        needs_labels=True,
        needs_recognition_real=True,
        check=check_code_accuracy,
    )


def check_code_accuracy(plan: Scope) -> tuple[str, ...]:
    """InputError when the game recognises no code that has categories."""
    if not any(control.categories for control in plan.recognised.values()):
        only = ", ".join(plan.recognised) or "nothing"
        raise InputError(f"code-accuracy is of codes with categories, and this game recognises {only}")
    return ()


def compute_code_accuracy(real: Sample | None, fake: Sample) -> dict[str, float]:
    """The best code's numbers, then, where there are several, those of each as `code-accuracy-c0`.

    `code-accuracy-samples` is of fakes, and of no recognition network: the class that an independent classifier sees
    against the category that the fake was made with, after an assignment of their own; missing where none fits.
    """
    assert real is not None
    names = [name for name, code in real.codes.items() if code.control.categories]
    found = {name: _of_code(name, real, fake) for name in names}
    best = max(names, key=lambda name: found[name][""])
    values = {f"code-accuracy{key}": value for key, value in found[best].items()}
    if len(names) > 1:
        values |= {f"code-accuracy-{name}{key}": value for name in names for key, value in found[name].items()}
    return values


def _of_code(name: str, real: Sample, fake: Sample) -> dict[str, float]:
    """What follows "code-accuracy" -> the number, for one categorical code."""
    inferred, made_with = real.codes[name].inferred, fake.codes[name].values
    assert inferred is not None
    assert made_with is not None
    assert real.labels is not None
    seen = inferred.argmax(axis=1)  # [N]
    values = {"": matched(seen, real.labels), "-unmatched": float((seen == real.labels).mean())}
    if fake.classified is not None:
        values["-samples"] = matched(made_with, fake.classified)
        values["-samples-unmatched"] = float((made_with == fake.classified).mean())
    return values


def matched(categories: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose category [N] is the one assigned to their label [N], by the best one-to-one assignment.

    The Hungarian method; where there are more categories than labels or fewer, some of the one or the other stay alone.
    """
    counts = np.zeros((categories.max() + 1, labels.max() + 1), int)
    np.add.at(counts, (categories, labels), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(labels))
