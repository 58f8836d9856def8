"""Latents times settings: which samples there are, in which order, and where a picture shows them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_cli.engine.sampler import Inputs
from gan_cli.errors import InputError
from gan_cli.pictures.labelled import Block, Sheet
from gan_cli.sampling.controls import Setting
from gan_cli.sampling.latents import Latents, count

MOST_SAMPLES = 100_000  # of sweeps and walks
LONGEST_ROW = 16  # samples without a sweep are a row, or when they are more a grid as square as possible


class Plan(NamedTuple):
    """Samples to be drawn."""

    inputs: Inputs  # leaves [N, ...]
    names: Sequence[str]  # of the samples: N
    sheet: Sheet = ()  # its cells number samples, or groups where there are some; empty: a grid without labels
    groups: np.ndarray | None = None  # int [G, M]: samples seen together, a panel of points or an animation's frame
    kept: slice = slice(None)  # samples that go into an archive or a folder; a picture shows all


def arrange(latents: Latents, settings: Sequence[Setting], *, points: bool = False) -> Plan:
    """Each latent under each value of the settings. Raises InputError when those are too many samples.

    A category that sweeps makes rows, with the same latents in every row; a number makes columns, with a latent a row;
    two sweeps make rows and columns, with a block for each latent. The samples come row by row, block after block.
    Of points, all latents of one value are seen together.
    """
    if not settings:
        return Plan(latents.inputs, latents.names)
    n = len(latents.names)
    sweeps = [setting for setting in settings if setting.is_sweep]
    sizes = [len(sweep.values) for sweep in sweeps]
    if sweeps:
        check_count(n, *sizes)
    by_rows = len(sweeps) == 1 and not sweeps[0].is_number
    places = np.arange(n * math.prod(sizes))
    places = places.reshape(*sizes, n) if by_rows else places.reshape(n, *sizes)
    cells = np.moveaxis(places, -1, 0) if by_rows else places  # [n, *sizes]: which sample
    order = np.argsort(cells, axis=None)
    latent, *picks = (index[order] for index in np.indices(cells.shape).reshape(cells.ndim, -1))
    swept = [sweep._replace(values=sweep.values[pick]) for sweep, pick in zip(sweeps, picks, strict=True)]
    fixed = [setting for setting in settings if not setting.is_sweep]
    inputs = put({name: x[latent] for name, x in latents.inputs.items()}, [*fixed, *swept])
    parts = [[sweep.labels[i] for i in pick] for sweep, pick in zip(sweeps, picks, strict=True)]
    names = [", ".join(own) for own in zip(*parts, [latents.names[i] for i in latent], strict=True)]
    if not points:
        return Plan(inputs, names, _sheet(latents, sweeps, places, title(settings)))
    return Plan(inputs, names, *_panels(settings, cells)) if sweeps else Plan(inputs, names)


def check_count(*sizes: int) -> None:
    """Raise InputError when latents or steps times values are too many samples."""
    if math.prod(sizes) > MOST_SAMPLES:
        product = " x ".join(f"{size:,}" for size in sizes)
        raise InputError(f"{product} = {math.prod(sizes):,} samples; {MOST_SAMPLES:,} are the most: ask for fewer")


def put(inputs: Inputs, settings: Sequence[Setting]) -> Inputs:
    """The inputs with each setting's values, one for all samples or one each, in place of what was drawn."""
    n = count(inputs)
    return {**inputs, **{s.name: np.broadcast_to(s.values, n).astype(inputs[s.name].dtype) for s in settings}}


def title(settings: Sequence[Setting], axes: Sequence[str] = ("rows", "columns")) -> str:
    """What varies along which axis, and what is the same everywhere: "rows: class, columns: c1, c2 = 0.5"."""
    sweeps = [setting for setting in settings if setting.is_sweep]
    if len(sweeps) == 1 and sweeps[0].is_number:
        axes = axes[-1:]
    along = [f"{axis}: {sweep.name}" for axis, sweep in zip(axes, sweeps, strict=False)]
    return ", ".join([*along, *(f"{s.name} = {s.labels[0]}" for s in settings if not s.is_sweep)])


def _sheet(latents: Latents, sweeps: Sequence[Setting], places: np.ndarray, text: str) -> Sheet:
    """The sheet of images; `places`: int [n], [K, n] of a category, [n, K] of a number, [n, R, C] of two sweeps."""
    if not sweeps:
        return (Block(_wrapped(places), heads=latents.heads if len(places) <= LONGEST_ROW else (), title=text),)
    if len(sweeps) == 2:
        rows, heads = sweeps[0].labels, sweeps[1].labels
        titles = latents.names if len(latents.names) > 1 or latents.heads else ("",)
        blocks = [Block(cells, rows, heads, title=name) for cells, name in zip(places, titles, strict=True)]
        first = ", ".join(part for part in (text, titles[0]) if part)
        return (blocks[0]._replace(title=first), *blocks[1:])
    if sweeps[0].is_number:
        return (Block(places, latents.heads, sweeps[0].labels, title=text),)
    return (Block(places, sweeps[0].labels, latents.heads, title=text),)


def _panels(settings: Sequence[Setting], cells: np.ndarray) -> tuple[Sheet, np.ndarray]:
    """The sheet of points: a panel for each value of a sweep, or for each pair; and the samples int [G, n] in each.

    `cells`: int [n, K] or [n, R, C], which sample.
    """
    groups = cells.reshape(len(cells), -1).T
    sweeps = [setting for setting in settings if setting.is_sweep]
    if len(sweeps) == 2:
        places = np.arange(len(groups)).reshape(cells.shape[1:])
        return (Block(places, sweeps[0].labels, sweeps[1].labels, title=title(settings)),), groups
    places = _wrapped(np.arange(len(groups)))
    captions = [[sweeps[0].labels[i] if i >= 0 else "" for i in row] for row in places]
    return (Block(places, captions=captions, title=title(settings, ("panels", "panels"))),), groups


def _wrapped(places: np.ndarray) -> np.ndarray:
    """The places [n] in one row, or in more where it would be long; -1 fills the last."""
    n = len(places)
    columns = n if n <= LONGEST_ROW else math.ceil(math.sqrt(n))
    return np.pad(places, (0, -n % columns), constant_values=-1).reshape(-1, columns)
