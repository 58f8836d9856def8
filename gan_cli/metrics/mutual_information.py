"""Mutual information of codes and samples: a lower bound, by the game's recognition network."""

import numpy as np

from gan_cli.metrics.metric import Code, Metric, Sample


def mutual_information() -> Metric:
    """The variational lower bound on I(c; G(z, c)) in nats: L_I = E log Q(c | G(z, c)) + H(c).

    https://arxiv.org/abs/1606.03657, equation 5, with the averaged weights of G and of Q. The headline is the sum over
    the codes with categories, at most the sum of their log K; over the numbers where all codes are numbers.
    """
    return Metric(
        name="mutual-information",
        lower_is_better=False,
        one_line="sees codes that the generator ignores; cannot see what they mean, or what the images are like",
        paper="https://arxiv.org/abs/1606.03657",
        compute=compute_mutual_information,
        needs_recognition=True,
    )


def compute_mutual_information(_: Sample | None, fake: Sample) -> dict[str, float]:
    """The sum; then the bound of each code.

    A number's bound is of a density: it is negative where Q is less sure than the prior, and always where Q's standard
    deviation is fixed at 1 and the prior is U(-1, 1), whose entropy is log 2.
    """
    codes = {name: code for name, code in fake.codes.items() if code.inferred is not None}
    bounds = {name: lower_bound(code) for name, code in codes.items()}
    summed = [bounds[name] for name, code in codes.items() if code.control.categories] or list(bounds.values())
    return {"mutual-information": sum(summed)} | {f"mutual-information-{name}": v for name, v in bounds.items()}


def lower_bound(code: Code) -> float:
    """E log Q(c | x) + H(c) in nats, of samples made with `code.values`."""
    assert code.values is not None
    assert code.inferred is not None
    return float(log_density(code, code.values, code.inferred.astype(np.float64)).mean()) + code.control.entropy


def log_density(code: Code, values: np.ndarray, inferred: np.ndarray) -> np.ndarray:
    """log Q(c | x) of each sample, [N] float64: of its category, or of its number under a Gaussian."""
    if code.control.categories:
        return inferred[np.arange(len(values)), values]
    mean, log_sd = inferred.T  # [N] each
    return -0.5 * np.log(2 * np.pi) - log_sd - 0.5 * ((values - mean) / np.exp(log_sd)) ** 2
