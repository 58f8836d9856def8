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
    as in the authors' code) or another, so that numbers on digits mean something. https://arxiv.org/abs/1606.03498.
    """

    def compute(_: Sample | None, fake: Sample) -> dict[str, float]:
        scores = split_scores(fake.outputs["logits"], splits)
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


def split_scores(logits: np.ndarray, splits: int) -> np.ndarray:
    """exp E_x KL(p(y|x) || p(y)) of each of `splits` consecutive parts: logits [N, classes] -> [splits] float64."""
    return np.array([score(part) for part in np.array_split(log_softmax(logits), splits)])


def score(log_p: np.ndarray) -> float:
    """Inception Score of log-probabilities [N, classes]."""
    return float(np.exp(divergence(log_p, log_marginal(log_p))))


def divergence(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """Mean of KL(p || q), in nats, over the rows of log-probabilities [N, classes]; of q they are [classes]."""
    return float((np.exp(log_p) * (log_p - log_q)).sum(1).mean())


def log_marginal(log_p: np.ndarray) -> np.ndarray:
    """Log of the mean probabilities [classes] of log-probabilities [N, classes]."""
    return np.log(np.exp(log_p).mean(0).clip(min=np.finfo(np.float64).tiny))  # a class nobody predicts adds 0, not nan


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities in float64 of logits [N, classes]."""
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
