"""`gan sample --interpolate`: walks through the latent space, from one sample to the next."""

from collections.abc import Collection, Sequence

import numpy as np

from gan_cli.engine.sampler import Inputs
from gan_cli.errors import InputError
from gan_cli.pictures.labelled import Block
from gan_cli.sampling.arrange import Plan, check_count, put, title
from gan_cli.sampling.controls import Setting
from gan_cli.sampling.latents import Latents, count
from gan_cli.sampling.request import WalkPath

PARALLEL = 1e-4  # sine of the angle below which two vectors are joined by a straight line


def default_path(prior: str) -> WalkPath:
    """The path between latents of this prior that nobody has chosen one for."""
    return "spherical" if prior == "normal" else "linear"


def plan_walk(
    latents: Latents,
    settings: Sequence[Setting],
    numbers: Collection[str],
    steps: int,
    path: WalkPath,
    *,
    is_loop: bool = False,
) -> Plan:
    """The open walk from the first sample to the last, `steps` from one to the next, both included.

    Settings hold all along; one that sweeps gives a walk for each value. In the picture a row is a pair of samples;
    with a sweep a pair is a block, and a row in it a value. The samples come walk after walk, each picture once.
    `is_loop`: the walk goes on from the last sample to the first, without a picture; the plan's groups are its frames,
    and with a sweep a frame has all values. Raises InputError for too many samples, and fewer than two.
    """
    walked = between(latents.inputs, numbers, steps, path, closed=is_loop)
    n = count(walked)
    sweep = next((setting for setting in settings if setting.is_sweep), None)
    k = 1 if sweep is None else len(sweep.values)
    check_count(k, n)
    fixed = [setting for setting in settings if not setting.is_sweep]
    spread = [] if sweep is None else [sweep._replace(values=np.repeat(sweep.values, n))]
    frames = put({name: np.concatenate([x] * k) for name, x in walked.items()}, [*fixed, *spread])
    labels = [""] if sweep is None else [f"{label}, " for label in sweep.labels]
    names = [f"{label}frame {i}" for label in labels for i in range(n)]
    if is_loop:
        return Plan(frames, names, groups=np.arange(k * n).reshape(k, n).T)

    pairs = len(latents.names) - 1
    places = np.arange(pairs)[:, None] * (steps - 1) + np.arange(steps)  # [pairs, steps]: numbers of frames
    ends = [name.removeprefix("seed ").removeprefix("sample ") for name in latents.names]
    heads = [f"{t:.2g}" for t in np.linspace(0, 1, steps)]
    text = title(settings, ("rows", "rows"))
    if sweep is None:
        rows = [f"{ends[i]} to {ends[i + 1]}" for i in range(pairs)]
        return Plan(frames, names, (Block(places, rows, heads, title=text),))
    values = np.arange(k)[:, None] * n  # [K, 1]: where each value's walk begins
    titles = [f"{latents.names[i]} to {ends[i + 1]}" for i in range(pairs)]
    blocks = [Block(values + place, sweep.labels, heads, title=own) for place, own in zip(places, titles, strict=True)]
    return Plan(frames, names, (blocks[0]._replace(title=f"{text}, {titles[0]}"), *blocks[1:]))


def between(inputs: Inputs, numbers: Collection[str], steps: int, path: WalkPath, *, closed: bool) -> Inputs:
    """Inputs of m samples [m, ...] -> inputs of the walk through them: leaves [F, ...].

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

    walked: dict[str, np.ndarray] = {}
    for name, x in inputs.items():
        if np.issubdtype(x.dtype, np.floating):
            join = slerp if path == "spherical" and name not in numbers else lerp
            a, b = (x[ends].astype(np.float64).reshape(len(t), -1) for ends in (start, end))  # [F, L]
            walked[name] = join(a, b, t).astype(x.dtype).reshape(len(t), *x.shape[1:])
        else:
            walked[name] = np.broadcast_to(x[0], (len(t), *x.shape[1:]))
    return walked


def lerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The straight line from a to b: a, b [F, L], t [F] in [0, 1] -> [F, L]."""
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
