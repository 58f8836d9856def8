"""How a number was measured. It is printed with every number: two that differ in it cannot be compared."""

from typing import NamedTuple

from gan_cli.features import Features

SHOWN = 12  # hexadecimal digits of a hash that a person is shown


class Protocol(NamedTuple):
    """Everything that moves a metric besides the images. `_asdict()` is what `--json` and metrics.jsonl hold."""

    features: str  # name of the feature network
    features_hash: str  # SHA-256 of its weights, the first 12 hexadecimal digits
    n_real: int  # 0: not compared with real images
    n_fake: int
    split: str  # which real images: "mnist test"; "" without real ones
    resize: str  # what is done to an image before the network sees it
    seed: int | None  # of the fake images' latents; None: the images came from files

    def __str__(self) -> str:
        """One line for a person."""
        real = f"{self.n_real} real ({self.split})" if self.n_real else "no real images"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return (
            f"features {self.features} {self.features_hash}, {real}, {self.n_fake} fake{seed}, "
            f"{'vectors' if self.features == 'points' else '8-bit images'}, {self.resize}"
        )


def protocol(features: Features, *, n_real: int, n_fake: int, split: str, seed: int | None) -> Protocol:
    """The protocol of numbers taken through `features`."""
    return Protocol(features.name, features.hash[:SHOWN], n_real, n_fake, split, features.protocol, seed)
