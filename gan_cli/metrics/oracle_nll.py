"""Oracle NLL: how likely what a game writes is under the distribution that wrote the data, where that is known."""

import math

import numpy as np

from gan_cli.metrics.metric import Metric, Sample


def oracle_nll() -> Metric:
    """-E log p(sample) an element, in nats, under the data's own distribution; lower is likelier.

    https://arxiv.org/abs/1609.05473, section 5.1, where an LSTM with random weights wrote the data. What repeats the
    likeliest sequence is best by this number alone: read it beside self-bleu, and beside `oracle-nll-real`, that of the
    data themselves, below which nothing should fall.
    """
    return Metric(
        name="oracle-nll",
        lower_is_better=True,
        one_line="sees what the data's distribution would not have made; cannot see collapse, which it rewards",
        paper="https://arxiv.org/abs/1609.05473",
        compute=compute_oracle_nll,
        needs_samples=True,
        needs_log_likelihood=True,
    )


def compute_oracle_nll(real: Sample | None, fake: Sample) -> dict[str, float]:
    """The value of samples with its standard error, and that of as many real examples; nats an element."""
    assert real is not None
    assert real.log_likelihood is not None
    assert real.samples is not None
    assert fake.samples is not None
    length = math.prod(fake.samples.shape[1:])
    own, theirs = (-real.log_likelihood(x) / length for x in (fake.samples, real.samples))
    error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else math.nan
    return {"oracle-nll": float(own.mean()), "oracle-nll-error": float(error), "oracle-nll-real": float(theirs.mean())}
