"""What a metric is: the one interface between numbers and the passes over images that feed them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gan_cli.data.source import Mixture
from gan_cli.metrics.frechet import Statistics
from gan_cli.types import Array, Control, Shape


class Code(NamedTuple):
    """One control of the generator: what was asked for, and what the game's recognition network makes of the images."""

    control: Control
    values: np.ndarray | None = None  # of fakes, what each was asked for: categories int32 [N] or numbers float32 [N]
    inferred: np.ndarray | None = None
    """Of categories their log-probabilities [N, K], of a number the mean and log standard deviation [N, 2], float32;
    None where no metric asks for it or the game does not recognise this control."""


class Decoder(NamedTuple):
    """A generator as the mean of a Gaussian observation model, p(x | u) = N(x; mean(u), width² I)."""

    mean: Callable[[Array], Array]
    """Latents [B, L] float32, of an independent standard normal prior -> pixels in [0, 1], or vectors, flat: [B, D].
    Pure, jittable and differentiable; each example by itself."""
    latent: int  # L


class Sample(NamedTuple):
    """What one pass over a set of images leaves behind (see `collect`)."""

    statistics: Statistics  # of the features
    outputs: Mapping[str, np.ndarray] = {}  # outputs kept in full, [N, ...] each: those that a metric `keeps`
    mixture: Mixture | None = None  # of real samples whose distribution is known
    labels: np.ndarray | None = None  # int32 [N]: the true classes of real examples
    classified: np.ndarray | None = None
    """int [N]: the classes that an independent classifier sees, of toys the nearest component; None: nothing fits."""
    codes: Mapping[str, Code] = {}  # the game's controls by name: of fakes all, of real examples the recognised ones
    training: "Sample | None" = None  # of real examples that training has not seen: all that it has seen
    decoder: Decoder | None = None  # of fakes: the generator that made them, where a metric asks for it

    @property
    def n(self) -> int:
        """Number of images."""
        return self.statistics.n


class Scope(NamedTuple):
    """What a metric is to be taken of: known before any image is made."""

    n_real: int
    n_fake: int
    dim: int  # of a feature vector
    shape: Shape = ()  # of one example
    real_by_class: tuple[int, ...] = ()  # real images of each of the model's classes, at the least; empty: no labels
    fake_by_class: tuple[int, ...] = ()  # samples asked for each class, at the least; empty: none can be asked for
    recognised: Mapping[str, Control] = {}  # the controls that the game infers from images
    n_training: int = 0  # training images, where a metric asks for them


def accept(_: Scope) -> tuple[str, ...]:
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
    needs_class: bool = False  # a generator that can be asked for a class: `Sample.codes["class"]`
    needs_labels: bool = False  # `Sample.labels` of the real examples: the classes that the model was trained on
    needs_classifier: bool = False  # `Sample.classified`; else it is there where there are labels and a classifier fits
    needs_recognition: bool = False  # `Code.inferred` of the fakes
    needs_recognition_real: bool = False  # the same of the real examples
    needs_training: bool = False  # `Sample.training`, and real examples that are held out of it
    needs_decoder: bool = False  # `Sample.decoder`: a generator of a latent alone
    chooses: bool = True  # whether the better value is of the better generator, so that it can choose a checkpoint
    features: tuple[str, ...] = ()  # the feature networks through which it means something; empty: any
    keeps: tuple[str, ...] = ()  # outputs of every fake image that it needs: "logits", "features", "images" (uint8)
    keeps_real: tuple[str, ...] = ()  # the same of every real image, and of every training image
    check: Callable[[Scope], tuple[str, ...]] = accept
    """Notices for the user; InputError when the number would mean nothing. It needs no images: call it before any are
    made.
    """
