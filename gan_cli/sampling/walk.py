"""`gan sample --interpolate`: walks through the latent space, from one sample to the next."""

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from gan_cli.engine.sampler import Inputs
from gan_cli.errors import InputError
from gan_cli.pictures.labelled import Block, Sheet
from gan_cli.runs.load import Loaded
from gan_cli.sampling.arrange import Plan, check_count, put, title
from gan_cli.sampling.controls import Setting
from gan_cli.sampling.drawing import Latents, count, prior

Path = Literal["spherical", "linear"]

PARALLEL = 1e-4  # sine of the angle below which two vectors are joined by a straight line


def path_of(loaded: Loaded) -> Path:
    """The path that nobody has chosen: "spherical" where the prior is normal, else "linear"."""
    return "spherical" if prior(loaded) == "normal" else "linear"


def walk(latents: Latents, settings: Sequence[Setting], numbers: Collection[str], steps: int, path: Path) -> Plan:
    """The open walk from the first sample to the last, `steps` from one to the next, both included.

    Settings hold all along; one that sweeps gives a walk for each value. In the picture a row is a pair of samples;
    with a sweep a pair is a block, and a row in it a value. The samples come walk after walk, each picture once.
    """
    inputs = between(latents.inputs, numbers, steps, path, closed=False)
    pairs = latents.n - 1
    places = np.arange(pairs)[:, None] * (steps - 1) + np.arange(steps)  # [pairs, steps]: numbers of frames
    ends = [name.removeprefix("seed ").removeprefix("sample ") for name in latents.names]
    rows = [f"{ends[i]} to {ends[i + 1]}" for i in range(pairs)]
    heads = [f"{t:.2g}" for t in np.linspace(0, 1, steps)]
    frames, names, groups = _under(inputs, settings)
    sweep = _sweep(settings)
    text = title(settings, ("rows", "rows"))
    if sweep is None:
        return Plan(frames, names, (Block(places, rows, heads, title=text),))
    values = np.arange(len(sweep.values))[:, None] * len(groups)  # [K, 1]: where each value's walk begins
    titles = [f"{latents.names[i]} to {ends[i + 1]}" for i in range(pairs)]
    blocks = [Block(values + place, sweep.labels, heads, title=own) for place, own in zip(places, titles, strict=True)]
    sheet: Sheet = (blocks[0]._replace(title=f"{text}, {titles[0]}"), *blocks[1:])
    return Plan(frames, names, sheet)


def loop(latents: Latents, settings: Sequence[Setting], numbers: Collection[str], steps: int, path: Path) -> Plan:
    """The walk that goes on from the last sample to the first, frame by frame; with a sweep a frame has all values."""
    frames, names, groups = _under(between(latents.inputs, numbers, steps, path, closed=True), settings)
    return Plan(frames, names, groups=groups)


def _sweep(settings: Sequence[Setting]) -> Setting | None:
    return next((setting for setting in settings if setting.is_sweep), None)


def _under(inputs: Inputs, settings: Sequence[Setting]) -> tuple[Inputs, list[str], np.ndarray]:
    """The walk under each value of the settings, value after value; names; and the samples int [F, K] of each frame."""
    n = count(inputs)
    sweep = _sweep(settings)
    k = 1 if sweep is None else len(sweep.values)
    check_count(k, n)
    fixed = [setting for setting in settings if not setting.is_sweep]
    spread = [] if sweep is None else [sweep._replace(values=np.repeat(sweep.values, n))]
    repeated = {name: np.concatenate([x] * k) for name, x in inputs.items()}
    labels = [""] if sweep is None else [f"{label}, " for label in sweep.labels]
    names = [f"{label}frame {i}" for label in labels for i in range(n)]
    return put(repeated, [*fixed, *spread]), names, np.arange(k * n).reshape(k, n).T


def between(inputs: Inputs, numbers: Collection[str], steps: int, path: Path, *, closed: bool) -> Inputs:
    """Inputs of m samples [m, ...] -> of the walk through them: leaves [F, ...].

    Open, F is (m - 1) (steps - 1) + 1; closed, it goes back to the first, which is not repeated: F is m (steps - 1).
    Latents go along `path`, the numbers among the controls, `numbers`, straight; whatever is no float, a category above
    all, stays that of the first sample. Raises InputError for fewer than two samples or steps.
    """
    m = count(inputs)
    if m < 2 or steps < 2:
        raise InputError("a walk needs at least two samples and two steps")
    legs = m if closed else m - 1
    start, t = np.repeat(np.arange(legs), steps - 1), np.tile(np.arange(steps - 1) / (steps - 1), legs)  # [F]
    if not closed:
        start, t = np.append(start, m - 2), np.append(t, 1.0)
    end = (start + 1) % m

    def along(name: str, x: np.ndarray) -> np.ndarray:
        if not np.issubdtype(x.dtype, np.floating):
            return np.broadcast_to(x[0], (len(t), *x.shape[1:]))
        join = slerp if path == "spherical" and name not in numbers else lerp
        a, b = (x[ends].astype(np.float64).reshape(len(t), -1) for ends in (start, end))  # [F, L]
        return join(a, b, t).astype(x.dtype).reshape(len(t), *x.shape[1:])

    return {name: along(name, x) for name, x in inputs.items()}


def lerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The straight line: a, b [F, L], t [F] in [0, 1] -> [F, L]."""
    return (1 - t)[:, None] * a + t[:, None] * b


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(sin((1 - t) ω) a + sin(t ω) b) / sin ω, ω the angle between a and b [F, L]: t [F] in [0, 1] -> [F, L].

    https://arxiv.org/abs/1609.04468, section 2.1. Between normal latents, whose lengths are all much the same, a
    straight line runs through points of a length that hardly occurs. Parallel vectors, opposite ones and those of
    length 0 are joined by a straight line: of the many shortest arcs between opposite ones none is the right one.
    """
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = np.clip((a * b).sum(axis=1) / np.where(lengths > 0, lengths, 1), -1, 1)
    omega = np.arccos(cosine)
    sine = np.sin(omega)
    straight = (sine < PARALLEL) | (lengths == 0)
    sine = np.where(straight, 1, sine)
    arc = (np.sin((1 - t) * omega) / sine)[:, None] * a + (np.sin(t * omega) / sine)[:, None] * b
    return np.where(straight[:, None], lerp(a, b, t), arc)
