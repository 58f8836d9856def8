"""Accuracy: how often a game that classifies is right."""

import numpy as np

from gan_cli.metrics.metric import Metric, Sample


def accuracy() -> Metric:
    """Share of real examples to whose class the game gives the highest probability; 1 is best.

    `accuracy-errors` counts the others, as papers on semi-supervised learning do, and `accuracy-log-loss` is
    -E log p(y|x) in nats, which sees how sure of its errors the game is. Take it of examples that were held out of
    training, `split = "test"`: of those that were labelled in training it is an accuracy of what was learnt by heart.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:  # noqa: ARG001
        assert fake.answers is not None
        assert fake.truths is not None
        right = fake.answers.argmax(axis=1) == fake.truths  # [N]
        of_truths = np.take_along_axis(fake.answers, fake.truths[:, None], axis=1).astype(np.float64)
        return {
            "accuracy": float(right.mean()),
            "accuracy-errors": float((~right).sum()),
            "accuracy-log-loss": float(-of_truths.mean()),
        }

    return Metric(
        name="accuracy",
        lower_is_better=False,
        one_line="sees classes that are taken for others; cannot see what samples are like",
        paper="https://arxiv.org/abs/1606.03498",
        compute=compute,
        needs_answers=True,
    )
