"""A request for samples: which ones, under which conditions, and what is made of them.

`gan sample`, the Python API, the page of `gan explore`, reports and trainings all say what they want as a `Request`.
`plan.plan_samples` turns it into latents, `plan.paint_plan` into samples.
"""

from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gan_cli.errors import InputError
from gan_cli.pictures.grids import ANIMATIONS
from gan_cli.recipe import SEEDS
from gan_cli.sampling.controls import ControlOption

NARROWEST = 0.01  # truncation: below, all latents are nearly the same

WalkPath = Literal["spherical", "linear"]


class Conditions(NamedTuple):
    """What a sample is drawn with besides its seed; whatever is not set is drawn as in training."""

    truncation: float | None = None  # T: normal latents are truncated to [-T, T]
    controls: tuple[ControlOption, ...] = ()  # classes and codes


class Term(NamedTuple):
    """A mean latent, added or subtracted."""

    sign: int  # 1 or -1
    text: str  # as written
    seeds: tuple[int, ...] = ()  # of its exemplars; empty: samples of a class are to be found
    wanted: str = ""  # the class to be found


class Kept(NamedTuple):
    """Latents of a file (`latent_file`): what the generator was given for samples, and what these are called."""

    inputs: Mapping[str, np.ndarray]  # the game's, leaves [n, ...]
    names: tuple[str, ...]  # of the samples: n


class Request(NamedTuple):
    """Samples that are asked for. None or empty: not asked for.

    A walk (`steps`), a sum (`terms`) and nearest training images (`neighbours`) exclude each other.
    """

    seeds: Sequence[int] | None = None  # one sample each, instead of `seed` and `n`
    kept: Kept | None = None  # latents at hand, instead of any that are drawn
    seed: int | None = None  # of the first n samples; with a sum, of the noise around its result
    n: int | None = None  # number of samples; with a sum, of exemplars to be found in each class
    conditions: tuple[Conditions, ...] = (Conditions(),)  # one for all samples, which may sweep, or one for each
    ask: str = ""  # which of the things that a game can draw; empty: the first
    raw: bool = False  # the weights of the last step, not their moving average
    steps: int | None = None  # of a walk from each sample to the next, both included
    path: WalkPath | None = None  # None: spherical where the prior is normal
    at: int | None = None  # only this sample of the walk, 0 to steps - 1
    terms: tuple[Term, ...] = ()
    neighbours: int | None = None  # number of training images beside each sample
    out: Path | None = None  # None: not written
    fps: float | None = None  # frames a second
    batch: int = 500  # samples drawn at once, at most

    @property
    def is_animation(self) -> bool:
        """Whether the output moves; a walk is then a loop."""
        return self.out is not None and self.out.suffix in ANIMATIONS


def check_request(request: Request) -> None:
    """Raise InputError for parts that contradict each other, and for seeds, numbers and truncations that are none.

    What needs the model is checked by `plan.plan_samples`, and whether `out` can be written by `writing.check_out` and,
    once the samples' medium is known, `writing.check_kind`.
    """
    seeds, n, terms, out, moves = request.seeds, request.n, request.terms, request.out, request.is_animation
    counted = len(request.kept.names) if request.kept else n if seeds is None else len(seeds)
    is_named, of_seed = seeds is not None, n is not None or request.seed is not None
    finds = any(term.wanted for term in terms)
    given = {"--interpolate": request.steps, "--arithmetic": terms, "--neighbours": request.neighbours}
    kinds = [option for option, value in given.items() if value]
    own, drawn = len(request.conditions), sum(len(term.seeds) for term in terms) if terms else counted
    contradictions = [
        (
            request.kept and (is_named or of_seed or terms),
            "--latents names each sample: it goes with neither --seeds, --n, --seed nor --arithmetic",
        ),
        (is_named and of_seed, "--seeds goes with neither --n nor --seed: it names each sample"),
        (len(kinds) > 1, f"{' and '.join(kinds)}: they are different pictures; ask for one at a time"),
        (request.path and not request.steps, "--path is that of a walk: it goes with --interpolate"),
        (
            request.steps and counted == 1,
            "--interpolate walks from one sample to the next: two seeds at least, or --n 2",
        ),
        (request.fps and not moves, f"--fps is of an animation: --out with {', '.join(ANIMATIONS)}"),
        (terms and is_named, "--arithmetic names its own seeds: it does not go with --seeds"),
        (
            terms and n is not None and not finds,
            "--n, with --arithmetic, is how many samples of a class:7 are looked for; there is none here",
        ),
        (
            request.neighbours and out and not out.suffix,
            f"--out {out}: samples and their neighbours go to .png or .npz",
        ),
        (n is not None and n < 1, f"n = {n}: at least 1 sample would do"),
        (counted == 0, "seeds = []: at least one would do"),
        (own not in (1, drawn), f"{own} conditions for {drawn} samples: one for all, or one for each, would do"),
    ]
    for holds, message in contradictions:
        if holds:
            raise InputError(message)
    for seed in [0 if request.seed is None else request.seed, *(() if seeds is None else seeds)]:
        if not (isinstance(seed, Integral) and 0 <= seed < SEEDS):
            raise InputError(f"seed {seed}: seeds are whole numbers from 0 to 2^32 - 1")
    for truncation in [own.truncation for own in request.conditions]:
        if truncation is not None and not truncation >= NARROWEST:  # also where it is not a number
            raise InputError(f"truncation = {truncation}: at least {NARROWEST} would do")
