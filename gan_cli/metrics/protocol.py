"""How a number was measured. It is printed with every number: two that differ in it cannot be compared."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gan_cli.features import Features

SHOWN = 12  # hexadecimal digits of a hash that a person is shown


class Protocol(NamedTuple):
    """Everything that moves a metric besides the images. `_asdict()` is what `--json` and metrics.jsonl hold."""

    features: str  # name of the feature network
    features_hash: str  # SHA-256 of its weights, the first 12 hexadecimal digits
    n_real: int  # 0: not compared with real images, or with statistics that do not say how many images they are of
    n_fake: int
    split: str  # which real images: "mnist test"; "" without real ones
    resize: str  # what is done to an image before the network sees it
    seed: int | None  # of the fake images' latents, or of the choice among the images of files; None: all of those
    options: Mapping[str, Mapping[str, Any]] = {}  # by metric, for the metrics that have any
    training: str = ""  # which images were trained on, where a metric asks for them
    given: str = ""  # which examples the game was asked about, and what: "translate of 899 (digits test)"

    def __str__(self) -> str:
        """One line for a person."""
        n_real, n_fake = (str(n) if n else "an unknown number of" for n in (self.n_real, self.n_fake))
        real = f"{n_real} real ({self.split})" if self.split else "no real images"
        seed = "" if self.seed is None else f", seed {self.seed}"
        values = "vectors" if self.features == "points" else "8-bit images"
        looked = f"features {self.features} {self.features_hash}, {real}, {n_fake} fake{seed}, {values}, {self.resize}"
        parts = [
            *([looked] if self.features else []),
            *([self.given + ("" if self.features else seed)] if self.given else []),
            *([f"trained on {self.training}"] if self.training else []),
        ]
        for metric, options in self.options.items():  # kid(degree 3, subsets 100)
            parts.append(f"{metric}({', '.join(f'{key} {value}' for key, value in options.items())})")
        return "; ".join(parts)


def in_words(features: Features, fitted: str) -> str:
    """All that is done to an image, in words: `fitted` before it comes to the network, then the network's own rules."""
    return "; ".join(filter(None, (fitted, features.protocol)))


def protocol(
    features: Features | None,
    *,
    n_real: int,
    n_fake: int,
    split: str,
    seed: int | None,
    fitted: str = "",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    training: str = "",
    given: str = "",
) -> Protocol:
    """The protocol of numbers taken through `features`; `fitted` says what was done to the images beforehand.

    Without features no metric has looked at samples through any.
    """
    used = {metric: own for metric, own in (options or {}).items() if own}
    name, digest = (features.name, features.hash[:SHOWN]) if features else ("", "")
    done = in_words(features, fitted) if features else ""
    return Protocol(name, digest, n_real, n_fake, split, done, seed, used, training, given)
