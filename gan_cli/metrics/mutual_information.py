"""Mutual information of codes and samples: a lower bound, by the game's recognition network."""

import numpy as np

from gan_cli.metrics.metric import Code, Metric, Sample


def mutual_information() -> Metric:
    """The variational lower bound on I(c; G(z, c)) in nats: L_I = E log Q(c | G(z, c)) + H(c).

    https://arxiv.org/abs/1606.03657, equation 5, with the averaged weights of G and of Q. The headline is the sum over
    the codes with categories, at most the sum of their log K; where all codes are numbers it is the sum over these. The
    bound of each code follows as `mutual-information-c0`. A number's bound is of a density: it is negative where Q is
    less sure than the prior, and always where Q's standard deviation is fixed at 1 and the prior is U(-1, 1), whose
    entropy is log 2.
    """

    def compute(_: Sample | None, fake: Sample) -> dict[str, float]:
        codes = {name: code for name, code in fake.codes.items() if code.inferred is not None}
        bounds = {name: lower_bound(code) for name, code in codes.items()}
        summed = [bounds[name] for name, code in codes.items() if code.control.categories] or list(bounds.values())
        return {"mutual-information": sum(summed)} | {f"mutual-information-{name}": v for name, v in bounds.items()}

    return Metric(
        name="mutual-information",
        lower_is_better=False,
        one_line="sees codes that the generator ignores; cannot see what they mean, or what the images are like",
        paper="https://arxiv.org/abs/1606.03657",
        compute=compute,
        needs_recognition=True,
    )


def lower_bound(code: Code) -> float:
    """E log Q(c | x) + H(c) in nats, for samples made with `code.values`."""
    assert code.values is not None
    assert code.inferred is not None
    inferred = code.inferred.astype(np.float64)
    if code.control.categories:
        log_q = inferred[np.arange(len(code.values)), code.values]  # [N]
    else:  # a Gaussian's density
        mean, log_sd = inferred.T  # [N] each
        log_q = -0.5 * np.log(2 * np.pi) - log_sd - 0.5 * ((code.values - mean) / np.exp(log_sd)) ** 2
    return float(log_q.mean()) + code.control.entropy
