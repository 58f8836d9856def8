"""Code accuracy: whether the categories of a generator's code are the classes of the data."""

import numpy as np

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope


def code_accuracy() -> Metric:
    """Accuracy of a categorical code's recognition network as a classifier of real examples; 1 is best.

    An example's class is that of its most probable category, after the one-to-one assignment of categories to classes
    that makes most of them right: the assignment is found with the labels of the same examples, so it does not measure
    classification without labels. InfoGAN's 5% of errors on MNIST is this, "matching each category in c1 to a digit
    type": https://arxiv.org/abs/1606.03657, section 7.2. The headline is the best code's; where there are several
    categorical codes, the numbers of each follow as `code-accuracy-c0`.

    `-unmatched` takes category k for class k, which only means something where training has seen labels:
    https://arxiv.org/abs/1707.04487. `-samples` judges fakes without the recognition network: the class that an
    independent classifier sees against the category that the fake was made with, after an assignment of its own;
    missing where no classifier fits. Raises InputError when the game recognises no code that has categories.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        assert real.labels is not None
        found: dict[str, dict[str, float]] = {}  # code -> what follows "code-accuracy" -> number
        for name, code in real.codes.items():
            if not code.control.categories:
                continue
            assert code.inferred is not None
            seen = code.inferred.argmax(axis=1)  # [N]
            found[name] = {"": matched(seen, real.labels), "-unmatched": float((seen == real.labels).mean())}
            if fake.classified is not None:
                made_with = fake.codes[name].values
                assert made_with is not None
                found[name]["-samples"] = matched(made_with, fake.classified)
                found[name]["-samples-unmatched"] = float((made_with == fake.classified).mean())
        best = max(found, key=lambda name: found[name][""])
        values = {f"code-accuracy{key}": value for key, value in found[best].items()}
        if len(found) > 1:
            values |= {f"code-accuracy-{name}{key}": v for name, own in found.items() for key, v in own.items()}
        return values

    def check(plan: Scope) -> tuple[str, ...]:
        if not any(control.categories for control in plan.recognised.values()):
            only = ", ".join(plan.recognised) or "nothing"
            raise InputError(f"code-accuracy is of codes with categories, and this game recognises {only}")
        return ()

    return Metric(
        name="code-accuracy",
        lower_is_better=False,
        one_line="sees codes whose categories are not the classes; cannot see what the images are like, or codes that "
        "find something else that is worth finding",
        paper="https://arxiv.org/abs/1606.03657",
        compute=compute,
        needs_real=True,
        needs_labels=True,
        needs_recognition_real=True,
        check=check,
    )


def matched(categories: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose category [N] is the one assigned to their label [N], by the best one-to-one assignment.

    Found by the Hungarian method. Where the numbers of categories and labels differ, some of the more numerous stay
    unassigned.
    """
    from scipy.optimize import linear_sum_assignment  # takes a third of a second to import

    counts = np.zeros((categories.max() + 1, labels.max() + 1), int)
    np.add.at(counts, (categories, labels), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(labels))
