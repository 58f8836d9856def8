"""Pictures of any size through networks that are convolutions alone: whole, or by tiles that overlap."""

import math
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from gan_cli import build, media
from gan_cli.engine.sampler import Inputs, Sampler
from gan_cli.engine.state import Experiment, flat, sampling_roles, weight_shapes
from gan_cli.errors import InputError
from gan_cli.games.networks import define
from gan_cli.runs.load import Loaded
from gan_cli.types import Spec, leaves

OVERLAP = 4  # tiles share this part of their side, a quarter, over which one fades into the next
# Pixels of which sides are multiples: of 16, so that pictures of much the same size share a program, or of what else a
# network wants.
MULTIPLES = (16, 32, 64, 128, 256, 512, 1, 2, 4, 8)
TILE = 512  # pixels: the longest side that is computed in one piece


class AnySize:
    """An ask of a trained game about pictures of any size, one after the other.

    A program is compiled for each size that pictures are filled up to.
    The networks are made anew for each size, by the same recipe; those that have the weights that were trained are
    convolutions alone. Sides that they cannot take are filled up with reflections, which are cut off again.
    """

    def __init__(self, loaded: Loaded, ask: str, *, raw: bool, tile: int):
        """`tile`: the longest side, in pixels, that is computed at once. Raises InputError for what makes no pictures
        of pictures, and for networks of one size."""
        experiment = loaded.experiment
        asked, formats, made = experiment.game.ask(ask), leaves(experiment.specs), experiment.made_by(ask)
        given = formats[asked.given[0]]
        if (
            len(asked.given) > 1
            or given is None
            or made is None
            or not (media.is_image(given) and media.is_image(made))
        ):
            raise InputError(f"--size native: {ask} is not a picture made of a picture alone")
        self.given, self.made = given, made
        self.factor = made.shape[0] // given.shape[0]
        if any(self.factor * given.shape[axis] != made.shape[axis] for axis in (0, 1)):
            raise InputError(f"--size native: results of {made.shape} are no whole multiple of {given.shape}")
        self._loaded, self._ask, self._tile = loaded, ask, tile
        roles = sampling_roles(experiment, weight_shapes(experiment))
        self._roles = roles
        self._weights = {name: x for name, x in loaded.leaves(raw).items() if name.partition(".")[0] in roles}
        self._fitted: dict[tuple[int, int], tuple[int, int]] = {}
        self._samplers: dict[tuple[int, int], Sampler] = {}
        self._fit(tile, tile)

    def __call__(self, x: np.ndarray, drawn: Inputs) -> np.ndarray:
        """A picture float32 [h, w, C] in [-1, 1] -> float32 [f h, f w, C']; `drawn`: the game's inputs, [1, ...]."""
        height, width = x.shape[:2]
        if max(height, width) <= self._tile:
            return self._whole(x, drawn)
        f, shape = self.factor, (height, width)
        total, weights = (
            np.zeros((f * height, f * width, self.made.shape[2]), np.float32),
            np.zeros((f * height, f * width, 1), np.float32),
        )
        for top, left in product(*(_starts(side, self._tile) for side in shape)):
            made = self._whole(x[top : top + self._tile, left : left + self._tile], drawn)
            share = _ramp(made.shape[0], f * self._tile)[:, None, None] * _ramp(made.shape[1], f * self._tile)[:, None]
            there = (slice(f * top, f * top + made.shape[0]), slice(f * left, f * left + made.shape[1]))
            total[there] += share * made
            weights[there] += share
        return total / weights

    def _whole(self, x: np.ndarray, drawn: Inputs) -> np.ndarray:
        """The same without tiles."""
        height, width = x.shape[:2]
        fitted = self._fit(height, width)
        margins = [(0, more - side) for more, side in zip(fitted, (height, width), strict=True)]
        filled = np.pad(x, [*margins, (0, 0)], mode="symmetric")
        name = self._loaded.experiment.game.ask(self._ask).given[0]
        inputs: Mapping[str, np.ndarray] = {**drawn, name: filled[None]}
        (made,) = self._samplers[fitted].batches(self._weights, inputs)
        return np.asarray(made)[0, : self.factor * height, : self.factor * width]

    def _fit(self, height: int, width: int) -> tuple[int, int]:
        """The least height and width, of some, that the networks take; raises InputError where they take none."""
        if (height, width) in self._fitted:
            return self._fitted[height, width]
        why = ""
        trained = (self.given.shape[0], self.given.shape[1])
        for size in [trained] if (height, width) == trained else _candidates(height, width):
            try:
                found = self._at(*size)
            except InputError as error:
                why = why or str(error)
                continue
            if found:
                self._samplers.setdefault(size, Sampler(found, 1, ask=self._ask))
                self._fitted[height, width] = size
                return size
        reason = why or "its networks have other weights at another size"
        raise InputError(
            f"--size native: this model takes pictures of {self.given.shape[0]} x {self.given.shape[1]} pixels alone: "
            f"{reason}; without the option they are brought to that size"
        )

    def _at(self, height: int, width: int) -> Experiment | None:
        """The recipe's game for pictures of another size; None: its networks have other weights there."""
        old, recipe = self._loaded.experiment, self._loaded.meta.recipe
        specs = {name: self._sized(spec, height, width) for name, spec in old.specs.items()}
        found = build.experiment(recipe, specs, trained=True)
        definitions = {role: define(found.game.networks[role]) for role in self._roles}
        new = flat({role: made.shapes for role, made in definitions.items()}, abstract=True)
        trained = flat({role: old.definitions[role].shapes for role in self._roles}, abstract=True)
        same = {name: x.shape for name, x in new.items()} == {name: x.shape for name, x in trained.items()}
        return found._replace(definitions=definitions) if same else None

    def _sized(self, spec: Spec, height: int, width: int) -> Spec:
        """The format of images, and of their parts, where those that are given have this size."""
        if not media.is_image(spec):
            return spec
        h, w = height * spec.shape[0] // self.given.shape[0], width * spec.shape[1] // self.given.shape[1]
        parts = {name: self._sized(part, height, width) for name, part in spec.parts.items()}
        return spec._replace(shape=(h, w, spec.shape[2]), parts=parts)


def _candidates(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Sizes from this one up: of each of MULTIPLES the two nearest, since some networks want odd multiples."""
    for multiple in MULTIPLES:
        sides = [[math.ceil(side / multiple) * multiple + more for more in (0, multiple)] for side in (height, width)]
        yield from product(*sides)


def _starts(side: int, tile: int) -> list[int]:
    """Where tiles begin along a side: evenly, and neighbours share a quarter at least."""
    if side <= tile:
        return [0]
    count = math.ceil((side - tile // OVERLAP) / (tile - tile // OVERLAP))
    starts: list[int] = np.linspace(0, side - tile, count).round().astype(int).tolist()
    return starts


def _ramp(side: int, tile: int) -> np.ndarray:
    """The weights of a tile's pixels along a side: from its edges they rise, over what tiles share, to 1."""
    place = np.arange(side)
    return np.minimum(np.minimum(place + 1, side - place) / max(1, tile // OVERLAP), 1).astype(np.float32)
