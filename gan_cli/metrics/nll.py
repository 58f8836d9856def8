"""Negative log-likelihood: how likely a model finds real examples, where it can say so."""

import math

import numpy as np

from gan_cli.metrics.metric import Metric, Sample, Scope, require_images


def nll() -> Metric:
    """-E log p(x) of real examples in nats, as the game gives it: exact of an autoregressive model, a bound of a VAE.

    It is that of examples as they are stored, so that models of the same data can be compared: of an image, of its
    levels. `nll-bits` is the same in bits a number of an example (bits per dimension), `nll-error` the standard error
    over examples, in nats. Take it of examples that were held out of training, `split = "test"`.
    https://arxiv.org/abs/1511.01844 says what it does not tell about samples.
    """

    def check(plan: Scope) -> tuple[str, ...]:
        return require_images(plan.n_real, 2, "nll needs 2 real examples or more, of which its error is told")

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:  # noqa: ARG001
        assert real is not None
        assert real.density is not None
        mean, error = -real.density.mean(), real.density.std(ddof=1) / np.sqrt(len(real.density))
        return {"nll": float(mean), "nll-bits": float(mean / real.numbers / math.log(2)), "nll-error": float(error)}

    return Metric(
        name="nll",
        lower_is_better=True,
        one_line="sees kinds that are missing, and fitting by heart; hardly sees single bad samples",
        paper="https://arxiv.org/abs/1511.01844",
        compute=compute,
        needs_density=True,
        check=check,
    )
