"""Latents by seeds, and the samples made of them."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np

from gan_cli.engine import sampler
from gan_cli.engine.sampler import Inputs, Sampler
from gan_cli.errors import InputError
from gan_cli.recipe import SEEDS
from gan_cli.runs.load import Loaded

NARROWEST = 0.01  # of a truncation: beyond, all latents are nearly the same
Painter = Callable[[Inputs], np.ndarray]
"""Inputs [n, ...] -> samples: images uint8 [n, H, W, C], points float32 [n, D]."""


class Latents(NamedTuple):
    """The game's inputs for samples asked for by seeds, and what to call them."""

    inputs: Inputs  # leaves [n, ...]
    names: tuple[str, ...]  # "seed 3", "sample 0"
    heads: tuple[str, ...]  # what a picture says of them: the seeds that a person named, otherwise nothing

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.names)


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """ "0,3,7-9" -> [0, 3, 7, 8, 9]; raises InputError."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise InputError(f"{option} {text}: {part.strip()!r} is neither a seed nor a range; right: 0,3,7-9")
        low, high = int(first), int(last or first)
        if high < low or high >= SEEDS or high - low > 1_000_000:
            raise InputError(f"{option} {text}: {part.strip()!r} is not an ascending range of seeds below 2^32")
        seeds.extend(range(low, high + 1))
    return seeds


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def latents(
    loaded: Loaded, *, seeds: Sequence[int] | None, seed: int, n: int, truncation: float | None = None
) -> Latents:
    """One sample for each of `seeds`, or the first n of `seed`. Raises InputError for no samples, seeds that are none,
    and latents that cannot be truncated.
    """
    if n < 1:
        raise InputError(f"n = {n}: at least 1 sample would do")
    if seeds is not None:
        names = tuple(f"seed {own}" for own in seeds)
        return Latents(by_seeds(loaded, seeds, truncation), names, names)
    _check_seeds([seed])
    sampler.check_memory(loaded.experiment, n, kept=2)  # in parts, and joined
    drawn = sampler.draw_many(loaded.experiment, seed, n)
    return Latents(_truncated(loaded, drawn, truncation), tuple(f"sample {i}" for i in range(n)), ())


def by_seeds(loaded: Loaded, seeds: Sequence[int], truncation: float | None) -> Inputs:
    """The game's inputs for one sample a seed: leaves [n, ...]. Raises InputError like `latents`."""
    _check_seeds(seeds)
    return _truncated(loaded, sampler.draw(loaded.experiment, seeds), truncation)


def _check_seeds(seeds: Sequence[int]) -> None:
    if not len(seeds):
        raise InputError("seeds = []: at least one would do")
    for seed in seeds:
        if not (isinstance(seed, Integral) and 0 <= seed < SEEDS):
            raise InputError(f"seed {seed}: seeds are whole numbers from 0 to 2^32 - 1")


def truncatable(loaded: Loaded, inputs: Inputs) -> bool:
    """Whether truncation means something for inputs of this model: there are latents, and they are normal."""
    return prior(loaded) == "normal" and "z" in inputs


def _truncated(loaded: Loaded, drawn: Inputs, truncation: float | None) -> Inputs:
    if truncation is None:
        return drawn
    if not truncatable(loaded, drawn):
        raise InputError("--truncation: the latents of this recipe are not normal, so there is nothing to truncate")
    if not truncation >= NARROWEST:  # also where it is not a number
        raise InputError(f"truncation = {truncation}: at least {NARROWEST} would do")
    return {**drawn, "z": sampler.truncate(drawn["z"], truncation)}


def prior(loaded: Loaded) -> str:
    """Of the latents: "normal", "uniform", or "" where the recipe's game has none."""
    return str(loaded.meta.recipe["game"].get("prior", ""))


def numbers(loaded: Loaded) -> list[str]:
    """The controls that are numbers, not categories."""
    return [name for name, control in loaded.experiment.game.controls.items() if not control.categories]


def count(inputs: Inputs) -> int:
    """Samples that these inputs are for."""
    return len(next(iter(inputs.values())))


def painter(loaded: Loaded, *, raw: bool, batch: int, told: sampler.Told = sampler.untold) -> Painter:
    """Makes samples with the checkpoint's weights, `batch` at once; compiled once for all its calls."""
    sampling, weights = Sampler(loaded.experiment, batch, told=told), loaded.weights(raw)
    return lambda inputs: sampling(weights, inputs)
