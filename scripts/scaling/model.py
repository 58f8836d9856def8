"""Throughput of a training on a slice of TPU chips, from what its compiled step does. Pure functions of numbers.

Two models, between which a real machine should lie. `best`: products run at the chip's peak, memory is read and
written at full speed for their operands and the state alone, vector units run at theirs, and the slowest of the three
decides; collectives use all axes of the torus at once. `worst`: products filled up to 128 features, then every byte
that XLA counted for the CPU, then vector work, one after the other; collectives go along one axis at a time. In both no
collective is hidden behind work.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

HOP = 1e-6  # s that a hop over a link takes at least, [book]
CHIPS = (1, 4, 16, 64, 256)
SOURCES = {
    "docs": "https://docs.cloud.google.com/tpu/docs/v5e and .../v5p",
    "book": "How to Scale Your Model, https://jax-ml.github.io/scaling-book/tpus/ and .../sharding/",
}


class Chip(NamedTuple):
    """A TPU chip, as published."""

    name: str
    flops: float  # bf16 FLOP/s
    memory: float  # bytes/s of HBM
    link: float  # bytes/s of an ICI link, one way
    vector: float  # FLOP/s of the vector units
    ring: int  # an axis of a multiple of this many chips is a ring; a shorter one is a line
    host: int  # chips of a host
    slices: Mapping[int, tuple[int, ...]]  # chips -> how they are laid out


TWO = {1: (1,), 4: (2, 2), 16: (4, 4), 64: (8, 8), 256: (16, 16)}
THREE = {1: (1,), 4: (2, 2, 1), 16: (2, 2, 4), 64: (4, 4, 4), 256: (4, 8, 8)}
# FLOP/s and links: [book]; memory of v5e and v5p: [docs]; vector: cores x 1,024 lanes x ALUs x clock, as [book] for v5p
TPUS = (
    Chip("v4", 2.75e14, 1.2e12, 4.5e10, 2 * 1024 * 2 * 1.05e9, 4, 4, THREE),
    Chip("v5e", 1.97e14, 8.19e11, 4.5e10, 1 * 1024 * 4 * 1.5e9, 16, 8, TWO),
    Chip("v5p", 4.59e14, 2.765e12, 9.0e10, 2 * 1024 * 4 * 1.75e9, 4, 4, THREE),
)
PCIE = 1.6e10  # bytes/s from a host to each of its chips, [book]


class Line(NamedTuple):
    """A quantity of a device's step: `fixed`, and `each` for an example of its own, and `all` for one of any device."""

    fixed: float
    each: float
    all: float

    def at(self, each: float, chips: int) -> float:
        return self.fixed + self.each * each + self.all * each * chips


class Work(NamedTuple):
    """What a step does on each device, as lines over the batch."""

    products: Line
    padded: Line
    product_bytes: Line
    bytes: Line
    vector: Line  # operations that are no products, FLOPs
    state_bytes: float
    collectives: tuple[int, ...]  # bytes of each, in a step


class Seconds(NamedTuple):
    """Of one step."""

    work: float
    together: float  # in collectives

    @property
    def step(self) -> float:
        return self.work + self.together


def fit(points: Sequence[tuple[int, int, float]]) -> Line:
    """The line through (examples a device, devices, quantity), by least squares of relative deviations."""
    rows = np.array([(1, each, each * devices) for each, devices, _ in points], float)
    values = np.array([value for *_, value in points], float)
    scale = np.where(values == 0, 1, values)
    solution = np.linalg.lstsq(rows / scale[:, None], values / scale, rcond=None)[0]
    return Line(*(float(x) for x in solution))


def deviation(line: Line, points: Sequence[tuple[int, int, float]]) -> float:
    """The largest relative deviation of points from a line."""
    return max(abs(line.at(each, devices) / value - 1) for each, devices, value in points if value)


def best(chip: Chip, work: Work, each: float, chips: int) -> Seconds:
    """The optimistic model."""
    memory = work.product_bytes.at(each, chips) + work.state_bytes
    vector = work.vector.at(each, chips) / chip.vector
    busy = max(work.products.at(each, chips) / chip.flops, memory / chip.memory, vector)
    return Seconds(busy, sum(all_reduce(chip, chips, size, True) for size in work.collectives) if chips > 1 else 0.0)


def worst(chip: Chip, work: Work, each: float, chips: int) -> Seconds:
    """The pessimistic model."""
    vector = work.vector.at(each, chips) / chip.vector
    busy = work.padded.at(each, chips) / chip.flops + work.bytes.at(each, chips) / chip.memory + vector
    return Seconds(busy, sum(all_reduce(chip, chips, size, False) for size in work.collectives) if chips > 1 else 0.0)


def all_reduce(chip: Chip, chips: int, size: int, axes_at_once: bool) -> float:
    """Seconds of one all-reduce of `size` bytes: reduce-scatter and all-gather along every axis of the slice.

    Along an axis of X chips each passes size (X - 1) / X bytes on, twice. A ring works in both directions, so that
    X / 2 hops and two links serve; a line has X - 1 hops and one link. What must still be moved shrinks from axis to
    axis by X. With `axes_at_once` the array is cut into as many parts as there are axes, and all links work.
    """
    axes = [x for x in chip.slices[chips] if x > 1]
    hops = sum(x // 2 if x % chip.ring == 0 else x - 1 for x in axes)
    moved, left = 0.0, float(size)
    for x in axes:
        moved += left * (x - 1) / x / (chip.link * (2 if x % chip.ring == 0 else 1))
        left /= x
    return 2 * (hops * HOP + moved / (len(axes) if axes_at_once else 1))


def merged(work: Work) -> Work:
    """The same bytes in a single collective: what merging could save at most."""
    return work._replace(collectives=(sum(work.collectives),))


def images(seconds: Seconds, each: float, chips: int, call: float = 0.0) -> float:
    """Images/s; `call` is the host's time for a step, which runs beside the device's."""
    return each * chips / max(seconds.step, call)


def two_figures(value: float) -> str:
    """1234 -> 1,200."""
    digits = 1 - math.floor(math.log10(abs(value))) if value else 0
    rounded = round(value, digits)
    return f"{rounded:,.0f}" if digits <= 0 else f"{rounded:.{digits}f}"
