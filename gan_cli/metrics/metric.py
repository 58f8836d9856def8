"""What a metric is: the one interface between numbers and the passes over images that feed them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gan_cli.data.source import Mixture
from gan_cli.metrics.frechet import Statistics


class Sample(NamedTuple):
    """What one pass over a set of images leaves behind (see `collect`)."""

    statistics: Statistics  # of the features
    outputs: Mapping[str, np.ndarray] = {}  # outputs kept in full, [N, ...] each: those that a metric `keeps`
    mixture: Mixture | None = None  # of real samples whose distribution is known

    @property
    def n(self) -> int:
        """Number of images."""
        return self.statistics.n


def accept(n_real: int, n_fake: int, dim: int) -> tuple[str, ...]:  # noqa: ARG001 - the signature of `Metric.check`
    """Any number of images will do."""
    return ()


class Metric(NamedTuple):
    """A number that judges fake images, alone or against real ones."""

    name: str  # as on the command line: "fid", "inception-score"
    lower_is_better: bool
    one_line: str  # what it detects and what it cannot
    paper: str  # URL
    compute: Callable[[Sample | None, Sample], dict[str, float]]
    """(real, fake) -> values. The headline has the metric's own name as its key, all others begin with `name-`."""
    needs_real: bool = False  # else `real` may be None
    needs_mixture: bool = False  # real samples whose distribution is known: `Sample.mixture`
    features: tuple[str, ...] = ()  # the feature networks through which it means something; empty: any
    keeps: tuple[str, ...] = ()  # outputs of the features that it needs for every fake image: "logits", "features"
    keeps_real: tuple[str, ...] = ()  # the same of every real image
    check: Callable[[int, int, int], tuple[str, ...]] = accept
    """(n real, n fake, feature dimension) -> notices for the user; InputError when the number would mean nothing.

    It needs no images: call it before any are made.
    """
