"""What a metric is: the one interface between numbers and the passes over images that feed them."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from gan_cli.data.source import Mixture
from gan_cli.errors import InputError
from gan_cli.metrics.frechet import Statistics
from gan_cli.types import Array, Control, Shape


class Code(NamedTuple):
    """One control of the generator: what was asked for, and what the game's recognition network sees in the images."""

    control: Control
    values: np.ndarray | None = None  # what each fake was asked for: categories int32 [N] or numbers float32 [N]
    inferred: np.ndarray | None = None
    """Log-probabilities [N, K] of a control with K categories, mean and log standard deviation [N, 2] of a number,
    float32; None where no metric asks for it or the game does not recognise this control."""


class Decoder(NamedTuple):
    """A generator as the mean of a Gaussian observation model, p(x | u) = N(x; mean(u), width² I)."""

    mean: Callable[[Array], Array]
    """Latents [B, L] float32 under a standard normal prior -> flat pixels in [0, 1], or vectors: [B, D].
    Pure, jittable and differentiable; each example is independent of the others."""
    latent: int  # L, length of a latent


class Sample(NamedTuple):
    """What one pass over a set of images leaves behind (see `collect`)."""

    statistics: Statistics  # of the features
    outputs: Mapping[str, np.ndarray] = {}  # outputs kept in full, [N, ...] each: those that a metric `keeps`
    mixture: Mixture | None = None  # distribution of the real examples, where it is known
    labels: np.ndarray | None = None  # int32 [N]: classes of real examples, or of what fakes were made from
    classified: np.ndarray | None = None
    """int [N]: classes seen by an independent classifier, for toys the nearest component; None where none fits."""
    codes: Mapping[str, Code] = {}  # the game's controls by name: all for fakes, the recognised ones for real examples
    pairs: Mapping[str, np.ndarray] = {}
    """By metric that has a `pair`: its number for each result beside what it should be, [N]."""
    answers: np.ndarray | None = None  # log-probabilities float32 [N, K] that the game gives the classes of examples
    truths: np.ndarray | None = None  # int [N]: the true classes of those
    samples: np.ndarray | None = None  # themselves as their medium stores them, [N, ...], where a metric asks for them
    log_likelihood: Callable[[np.ndarray], np.ndarray] | None = None
    """Samples as stored [n, ...] -> log p of each under the distribution of the real examples, in nats [n]."""
    density: np.ndarray | None = None  # float [N]: log p of real examples under the model, in nats
    numbers: int = 0  # in an example, beside `density`
    training: "Sample | None" = None  # all training examples, beside real examples that were held out of training
    decoder: Decoder | None = None  # the generator that made the fakes, where a metric asks for it

    @property
    def n(self) -> int:
        """Number of images."""
        return self.statistics.n


NOTHING = Sample(Statistics(np.zeros(0), np.zeros((0, 0)), 0))  # where no metric looks at samples through features


class Scope(NamedTuple):
    """What a metric is to be computed from, as far as it is known before any image is made."""

    n_real: int
    n_fake: int
    dim: int  # length of a feature vector
    shape: Shape = ()  # of one example
    real_by_class: tuple[int, ...] = ()  # least number of real images of each of the model's classes; empty: no labels
    fake_by_class: tuple[int, ...] = ()  # least number of samples asked for each class; empty: none can be asked for
    recognised: Mapping[str, Control] = {}  # the controls that the game infers from images
    n_training: int = 0  # training images, where a metric asks for them


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
    needs_class: bool = False  # a generator that can be asked for a class: `Sample.codes["class"]`
    needs_labels: bool = False  # `Sample.labels` of the real examples: the classes that the model was trained on
    needs_classifier: bool = False  # `Sample.classified`; else it is there where there are labels and a classifier fits
    needs_recognition: bool = False  # `Code.inferred` of the fakes
    needs_recognition_real: bool = False  # the same of the real examples
    needs_training: bool = False  # `Sample.training`, and real examples that are held out of it
    needs_decoder: bool = False  # `Sample.decoder`: a generator of a latent alone
    pair: Callable[..., Array] | None = None
    """(results, what they should be), both as stored [B, ...] -> a number for each [B], or several; no other fakes."""
    wants: tuple[Literal["given", "reads"], ...] = ()
    """Further arguments of `pair`, by name: what results were made from, as stored [B, ...], and `Source.reads`."""
    seen: Callable[[np.ndarray], np.ndarray] = lambda x: x
    """What results should be, as stored [B, ...] -> what `pair` compares them with: a view of it, say."""
    needs_answers: bool = False  # `Sample.answers` and `truths`: a game that classifies; it needs no fakes
    needs_density: bool = False  # `Sample.density`: a game that says how likely examples are; it needs no fakes
    needs_samples: bool = False  # `Sample.samples` of both sides; it needs no features
    needs_log_likelihood: bool = False  # real examples whose distribution is known: `Sample.log_likelihood`
    needs_sequences: bool = False  # samples that are tokens
    needs_given_labels: bool = False  # `Sample.labels` of fakes: of results that are made from labelled examples
    chooses: bool = True  # whether a better value means a better generator, so that it can choose a checkpoint
    features: tuple[str, ...] = ()  # the feature networks through which it means something; empty: any
    keeps: tuple[str, ...] = ()  # outputs that it needs for every fake image: "logits", "features", "images" (uint8)
    keeps_real: tuple[str, ...] = ()  # the same for every real image, and for every training image
    check: Callable[[Scope], tuple[str, ...]] = lambda _: ()
    """Returns notices for the user, and raises InputError when the number would mean nothing. Call it before any image
    is made: it needs none. By default any number of images will do.
    """


def needs_fakes(metric: Metric) -> bool:
    """Whether a metric looks at samples through features."""
    return not (metric.pair or metric.needs_answers or metric.needs_density or metric.needs_samples)


def require_images(n: int, least: int, needs: str, mend: str = "") -> tuple[str, ...]:
    """Raise InputError for fewer than `least` images: "{needs}, and there are {n}{mend}". Returns no notices."""
    if n < least:
        raise InputError(f"{needs}, and there are {n}{mend}")
    return ()
