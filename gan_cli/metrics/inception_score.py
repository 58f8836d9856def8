"""Inception Score: how sure a classifier is of each image, and how evenly the images spread over the classes."""

import numpy as np
from pydantic import PositiveInt

from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope


def inception_score(
    *,
    splits: PositiveInt = 10,  # parts of equal size, in the order of the images; the deviation over them is reported
) -> Metric:
    """Inception Score of a classifier's predictions: 1 (worst) to the number of classes (best).

    The classifier is the chosen feature network: the paper's Inception (`inception`, whose 1,008 logits lack the bias,
    as in the authors' code) or another, so that numbers on digits mean something. `inception-score-std` is the standard
    deviation over the splits. https://arxiv.org/abs/1606.03498.
    """

    def compute(_: Sample | None, fake: Sample) -> dict[str, float]:
        parts = np.array_split(log_softmax(fake.outputs["logits"]), splits)
        scores = np.array([float(np.exp(divergence(part, log_marginal(part)))) for part in parts])  # [splits]
        return {"inception-score": float(scores.mean()), "inception-score-std": float(scores.std())}

    def check(plan: Scope) -> tuple[str, ...]:
        if plan.n_fake < splits:
            raise InputError(
                f"{plan.n_fake} fake images cannot be divided into {splits} splits: give more, or fewer splits"
            )
        return ()

    return Metric(
        name="inception-score",
        lower_is_better=False,
        one_line="sees unrecognisable images and missing classes; cannot see collapse within a class, "
        "memorised training images or anything the classifier ignores",
        paper="https://arxiv.org/abs/1606.03498",
        compute=compute,
        keeps=("logits",),
        check=check,
    )


def divergence(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """Mean of KL(p || q), in nats, over the rows of log_p [N, classes]; log_q is [classes]."""
    return float((np.exp(log_p) * (log_p - log_q)).sum(1).mean())


def log_marginal(log_p: np.ndarray) -> np.ndarray:
    """Log of the mean probabilities over the rows of log-probabilities: [N, classes] -> [classes]."""
    return np.log(np.exp(log_p).mean(0).clip(min=np.finfo(np.float64).tiny))  # a class nobody predicts adds 0, not nan


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities, float64 [N, classes], of logits [N, classes]."""
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
