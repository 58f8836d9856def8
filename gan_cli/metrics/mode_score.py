"""Mode score: the Inception Score, and how far the fakes' shares of the classes are from the real images'."""

import numpy as np

from gan_cli.metrics.inception_score import divergence, log_marginal, log_softmax
from gan_cli.metrics.metric import Metric, Sample


def mode_score() -> Metric:
    """exp(E KL(p(y|x) || p_fake) - KL(p_fake || p_real)) of a classifier's predictions: above 0, the higher the better.

    Two formulas have this name; p_fake and p_real are the mean predictions over fakes and over real images.

    - Headline: the one of https://arxiv.org/abs/1806.07755 (Xu et al.), the Inception Score times exp(-KL(p_fake ||
      p_real)): m²/K for m of K equally frequent classes. It falls when shares are not the data's.
    - `mode-score-che`: the first one, exp(E KL(p(y|x) || p_real) - KL(p_fake || p_real)), of
      https://arxiv.org/abs/1612.02136 (Che et al.). p_real cancels in it: it is the Inception Score whatever the real
      images are, m for m of K classes. It is here to be compared with papers, not because it says more.

    `mode-score-kl` is KL(p_fake || p_real), in nats. Where the data's shares p are uneven the headline is greatest not
    at p but at shares proportional to √p, where it is (Σ √p)², so compare with as many real images. Departures: the
    classifier is the chosen feature network, p_real comes from its predictions and not from labels, and all images are
    one split.
    """
    return Metric(
        name="mode-score",
        lower_is_better=False,
        one_line="sees unrecognisable images, missing classes and uneven shares; cannot see collapse within a class, "
        "memorised training images or anything the classifier ignores",
        paper="https://arxiv.org/abs/1806.07755",
        compute=compute_mode_score,
        needs_real=True,
        keeps=("logits",),
        keeps_real=("logits",),
    )


def compute_mode_score(real: Sample | None, fake: Sample) -> dict[str, float]:
    """Both forms, and the divergence of the shares, from logits [N, classes] of both sides."""
    assert real is not None
    log_p = log_softmax(fake.outputs["logits"])
    log_fake, log_real = log_marginal(log_p), log_marginal(log_softmax(real.outputs["logits"]))
    shares = divergence(log_fake[None], log_real)
    return {
        "mode-score": float(np.exp(divergence(log_p, log_fake) - shares)),
        "mode-score-che": float(np.exp(divergence(log_p, log_real) - shares)),
        "mode-score-kl": shares,
    }
