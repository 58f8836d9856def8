"""What `gan sample` is asked for, and what cannot be asked for together."""

from pathlib import Path
from typing import NamedTuple

from gan_cli.errors import InputError
from gan_cli.pictures.animation import FORMATS
from gan_cli.sampling import walk
from gan_cli.sampling.arithmetic import Term
from gan_cli.sampling.controls import ControlOption
from gan_cli.sampling.writing import check_out

DEFAULT_FPS = 12.0  # frames a second


class Request(NamedTuple):
    """The options of one call; None or empty: not given."""

    out: Path
    seeds: list[int] | None = None
    seed: int | None = None
    n: int | None = None
    truncation: float | None = None
    batch: int = 500
    raw: bool = False
    wishes: tuple[ControlOption, ...] = ()  # --class and --code
    steps: int | None = None  # --interpolate
    path: walk.Path | None = None
    fps: float | None = None
    terms: tuple[Term, ...] = ()  # --arithmetic
    neighbours: int | None = None

    @property
    def is_animation(self) -> bool:
        """Whether the output moves."""
        return self.out.suffix in FORMATS


def check_request(request: Request) -> None:
    """Raise InputError for options that contradict each other or an output that cannot be written.

    Whatever needs the model is checked later: see `sampling`.
    """
    if request.seeds is not None and (request.n is not None or request.seed is not None):
        raise InputError("--seeds goes with neither --n nor --seed: it names each sample")
    given = {"--interpolate": request.steps, "--arithmetic": request.terms, "--neighbours": request.neighbours}
    kinds = [option for option, value in given.items() if value]
    if len(kinds) > 1:
        raise InputError(f"{' and '.join(kinds)}: they are different pictures; ask for one at a time")
    _check_walk(request)
    if request.terms:
        _check_arithmetic(request)
    check_out(request.out)
    if request.neighbours and not request.out.suffix:
        raise InputError(f"--out {request.out}: samples and their neighbours go to .png or .npz")


def _check_walk(request: Request) -> None:
    if not request.steps:
        if request.path:
            raise InputError("--path is that of a walk: it goes with --interpolate")
        if request.is_animation:
            raise InputError(f"--out {request.out}: an animation is of a walk; --interpolate 16 would make one")
    elif (request.n or len(request.seeds or ()) or 2) < 2:
        raise InputError("--interpolate walks from one sample to the next: two seeds at least, or --n 2")
    if request.fps and not request.is_animation:
        raise InputError(f"--fps is of an animation: --out with {', '.join(FORMATS)}")


def _check_arithmetic(request: Request) -> None:
    if request.seeds is not None:
        raise InputError("--arithmetic names its own seeds: it does not go with --seeds")
    if request.n is not None and not any(term.wanted for term in request.terms):
        raise InputError("--n, with --arithmetic, is how many samples of a class:7 are looked for; there is none here")
