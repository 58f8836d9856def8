"""Self-BLEU: how much of a sequence is in others of the same model."""

import math
from collections import Counter

import numpy as np
from pydantic import PositiveInt

from gan_cli.metrics.metric import Metric, Sample

FEWEST = 1e-9  # what a share of n-grams counts as where there is none


def self_bleu(*, n: PositiveInt = 3) -> Metric:
    """Mean BLEU-n of each sample with all others as its references: 1 where all are alike; lower is more varied.

    https://arxiv.org/abs/1802.01886: the geometric mean over lengths 1 to n of the share of a sequence's n-grams that
    another sequence has, each counted at most as often as in the one that has most of it. Sequences of one length need
    no penalty for brevity. `self-bleu-real` is that of as many real examples, `self-bleu-distinct` the share of samples
    that are not copies of another.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        assert real.samples is not None
        assert fake.samples is not None
        distinct = len(np.unique(fake.samples, axis=0)) / len(fake.samples)
        return {
            "self-bleu": mean_bleu(fake.samples, n),
            "self-bleu-real": mean_bleu(real.samples, n),
            "self-bleu-distinct": distinct,
        }

    return Metric(
        name="self-bleu",
        lower_is_better=True,
        one_line="sees sequences that repeat each other; cannot see whether any is likely: noise is best",
        paper="https://arxiv.org/abs/1802.01886",
        compute=compute,
        needs_samples=True,
        needs_sequences=True,
        chooses=False,
    )


def mean_bleu(sequences: np.ndarray, n: int) -> float:
    """Mean BLEU-n of each of the sequences int [N, T] with all others as references."""
    longest = min(n, sequences.shape[1])
    logs = np.zeros(len(sequences))
    for length in range(1, longest + 1):
        logs += np.log(np.maximum(FEWEST, _shares(sequences.tolist(), length))) / longest
    return float(np.exp(logs).mean())


def _shares(sequences: list[list[int]], length: int) -> np.ndarray:
    """Of each sequence the share of its n-grams of this length that another one has, counted as often there: [N]."""
    counts = [Counter(zip(*(own[i:] for i in range(length)), strict=False)) for own in sequences]
    most: dict[tuple[int, ...], tuple[int, int, int]] = {}  # n-gram -> its largest count, where, and the second largest
    for i, own in enumerate(counts):
        for gram, count in own.items():
            first, where, second = most.get(gram, (0, -1, 0))
            most[gram] = (count, i, first) if count > first else (first, where, max(second, count))
    shares = []
    for i, own in enumerate(counts):
        matched = sum(min(count, most[gram][2] if most[gram][1] == i else most[gram][0]) for gram, count in own.items())
        shares.append(matched / max(1, own.total()))
    return np.array(shares) if shares else np.full(0, math.nan)
