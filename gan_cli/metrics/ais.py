"""The log-likelihood of real images under a generator with Gaussian noise, by annealed importance sampling."""

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gan_cli.devices import everyone, replicate, share
from gan_cli.metrics import annealing
from gan_cli.metrics.annealing import LONGEST, PILOTS, STAY, STEERED, Chains, Trace
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.metrics.metric import Decoder, Metric, Sample, require_images
from gan_cli.types import Array, Key

SEGMENT = 100  # transitions in one call
AT_ONCE = 256  # chains on a device at a time
OCTAVES = 8  # halvings of the width that are tried
RUNGS = 4  # widths are powers of 2^(1 / RUNGS)
FEWER = 4  # a quarter of the images choose among those; all of them choose among the neighbours of the best
QUICKER = 5  # the width is chosen with a fifth of the distributions
NARROWEST = 1e-3  # the least distance of real images from samples with which the search begins

Images = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Images [N, D] float32, the width [N] float32 of each, and a number int32 [N]: equal numbers have equal draws."""


class Bounds(NamedTuple):
    """Results of the chains of N images, without the pilots."""

    log_evidence: np.ndarray  # [N] float64: a stochastic bound of log p(x), lower if forward, upper if reverse
    effective: np.ndarray  # [N]: effective sample size, from 1 to the number of chains
    acceptance: np.ndarray  # [N]: mean over chains and transitions
    sizes: np.ndarray  # [N, steps]: step sizes on the way


class Sampler(NamedTuple):
    """A decoder on all devices, and the program that runs its chains."""

    mean: Partial
    latent: int  # length of a latent
    chains: int  # for each image: pilots and those that count
    rows: int  # images in a block, which all devices share
    advance: Callable[[Any, Any], tuple[Chains, Trace]]  # see `_compiled`


def ais(
    *,
    n: Annotated[int, Field(ge=2)] = 50,  # real images judged
    width: PositiveFloat | Literal["validation"] = "validation",  # standard deviation of the noise, in units of x
    validation: PositiveInt = 20,  # further real images, which choose the width
    simulated: Annotated[int, Field(ge=2)] = 10,  # images of the model itself, on which the error is bounded
    steps: PositiveInt = 500,  # distributions between prior and posterior
    chains: PositiveInt = 16,  # of an image, that count
    leapfrog: PositiveInt = 10,  # steps of a transition
    seed: NonNegativeInt = 0,  # of all draws
) -> Metric:
    """Mean log p(x) of real images, in nats, p(x) = ∫ N(x; mean(u), width² I) N(u; 0, I) du, and a bound on its error.

    https://arxiv.org/abs/1611.04273; pixels in [0, 1] or vectors. A stochastic lower bound: on average below the truth,
    the closer the more `steps`. The paper takes 10,000 of them; 500 are a compromise that `ais-gap` judges. `ais-gap`
    is the upper minus the lower bound (https://arxiv.org/abs/1511.02543) on images that the model made of known
    latents; it bounds the error on such images, and real ones that the model does not know may be worse.

    Width: one number for all images, under which `validation` others are most likely, with a fifth of the steps. A
    quarter of these choose among 8 powers of 2^(1/4), an octave apart, from their distance to samples down; all of them
    then choose among the neighbours of the best at 2^(±1/2), and at 2^(±1/4) of that. The chosen width may be 9% off,
    and by chance more.

    Departures from the paper: its code steers one step size for all chains by their own acceptance, 2% at a time from
    0.01, so that the bounds are not exact; here 4 further chains an image steer, and faster, and each step is of random
    length (see `annealing`). Pixels get no noise below 1/256. All reverse chains start at the one known latent; its
    code has one such chain. What its code calls sigma is the variance: 0.005 is a width of 0.07. A generator of layers
    100-1200-1200-784 takes about 20 minutes of one core's time. Raises NotFiniteError for a likelihood that is not.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        assert fake.decoder is not None
        x = np.asarray(real.outputs["features"], np.float32)
        sampler = bind(fake.decoder, chains, leapfrog)
        choosing, dreaming, judging, returning = jax.random.split(jax.random.key(seed), 4)
        quick = -(-steps // QUICKER)
        sd = choose_width(sampler, x[n : n + validation], choosing, quick) if width == "validation" else float(width)
        u, dreams = simulate(sampler, simulated, sd, dreaming)
        lower = forward(sampler, np.concatenate([x[:n], dreams]), sd, judging, steps)
        upper = reverse(sampler, dreams, sd, returning, u, lower.sizes[n:])
        values, gaps = lower.log_evidence[:n], upper.log_evidence - lower.log_evidence[n:]
        return {
            "ais": float(values.mean()),
            "ais-error": float(values.std(ddof=1) / np.sqrt(len(values))),
            "ais-width": sd,
            "ais-gap": float(gaps.mean()),
            "ais-gap-error": float(gaps.std(ddof=1) / np.sqrt(len(gaps))),
            "ais-effective-chains": float(lower.effective[:n].mean()),
            "ais-acceptance": float(lower.acceptance[:n].mean()),
        }

    others = validation if width == "validation" else 0
    needs = f"ais judges {n} real images" + (f" and chooses its width with {others} others" if others else "")
    mend = f": set n_real to {n + others} or more, or ask for less"
    return Metric(
        name="ais",
        lower_is_better=False,
        one_line="sees missing kinds and images the generator cannot make, in nats; cannot see single bad samples, "
        "and all of it through noise of one width: sharpness beyond that is lost",
        paper="https://arxiv.org/abs/1611.04273",
        compute=compute,
        needs_real=True,
        needs_decoder=True,
        features=("pixels", "points"),
        keeps_real=("features",),
        check=lambda plan: require_images(plan.n_real, n + others, needs, mend),
    )


def bind(decoder: Decoder, chains: int, leapfrog: int) -> Sampler:
    """The decoder, ready to be sampled by `chains` chains an image, besides the pilots.

    leapfrog: steps of a transition. A second decoder with the same function in its Partial compiles nothing.
    """
    devices = tuple(everyone())
    mean = decoder.mean if isinstance(decoder.mean, Partial) else Partial(decoder.mean)
    each = PILOTS + chains
    rows = max(AT_ONCE // each, 1) * len(devices)
    return Sampler(replicate(mean, devices), decoder.latent, each, rows, _compiled(leapfrog, devices))


def choose_width(sampler: Sampler, x: np.ndarray, key: Key, steps: int) -> float:
    """The standard deviation under which images [N, D] are most likely, among the candidates that `ais` describes."""

    def scores(rungs: Sequence[int], x: np.ndarray) -> dict[int, float]:
        """Mean log p(x) under each of these widths, powers of 2^(1 / RUNGS), with the same draws."""
        widths = np.repeat(2.0 ** (np.array(rungs) / RUNGS), len(x)).astype(np.float32)
        number = np.tile(np.arange(len(x), dtype=np.int32), len(rungs))
        found = forward(sampler, x[number], widths, key, steps, number).log_evidence
        return dict(zip(rungs, found.reshape(len(rungs), -1).mean(1).tolist(), strict=True))

    distance = np.sqrt(np.square(x.astype(np.float64) - simulate(sampler, len(x), 0, key)[1]).mean())
    top = int(np.ceil(RUNGS * np.log2(max(distance, NARROWEST))))
    found = scores([top - RUNGS * octave for octave in range(OCTAVES)], x[: -(-len(x) // FEWER)])
    best = max(found, key=found.__getitem__)
    found = scores([best - 2, best, best + 2], x)
    best = max(found, key=found.__getitem__)
    found |= scores([best - 1, best + 1], x)
    return float(2 ** (max(found, key=found.__getitem__) / RUNGS))


_decode = jax.jit(lambda mean, u: mean(u))


def simulate(sampler: Sampler, n: int, width: float, key: Key) -> tuple[np.ndarray, np.ndarray]:
    """Latents from the prior [n, L] and images that the model makes of them [n, D]: exact samples of the posterior."""
    a, b = jax.random.split(key)
    u = jax.random.normal(a, (n, sampler.latent))
    mean = np.asarray(_decode(sampler.mean, u))
    return np.asarray(u), mean + np.float32(width) * np.asarray(jax.random.normal(b, mean.shape))


def forward(
    sampler: Sampler,
    x: np.ndarray,
    width: float | np.ndarray,
    key: Key,
    steps: int,
    number: np.ndarray | None = None,
) -> Bounds:
    """Chains from the prior to the posterior: a stochastic lower bound of log p(x) for each image of x [N, D].

    width: of all or of each [N]. number int32 [N]: images of the same number have the same draws; None: all differ.
    """
    sizes = np.full((len(x), steps), STEERED)
    return _bounds(sampler, x, width, key, annealing.schedule(steps), sizes, number=number)


def reverse(
    sampler: Sampler, x: np.ndarray, width: float | np.ndarray, key: Key, u: np.ndarray, sizes: np.ndarray
) -> Bounds:
    """Chains from exact samples u [N, L] of the posterior to the prior: a stochastic upper bound of log p(x).

    sizes [N, steps]: those of forward chains for the same images x [N, D].
    """
    betas = annealing.schedule(sizes.shape[1])[::-1]
    return _bounds(sampler, x, width, key, betas, sizes[:, ::-1], u)


def _bounds(
    sampler: Sampler,
    x: np.ndarray,
    width: float | np.ndarray,
    key: Key,
    betas: np.ndarray,
    sizes: np.ndarray,
    u: np.ndarray | None = None,
    number: np.ndarray | None = None,
) -> Bounds:
    """Anneal all images, a block after the other, from u [N, L] or else from the prior, and sum up what was met."""
    n, steps = len(x), len(betas) - 2
    widths = np.full(n, width, np.float32)
    numbers = np.arange(n, dtype=np.int32) if number is None else number
    padding = -(steps + 1) % SEGMENT + 1  # at least one place without a transition, where the last value is read
    moves = np.append(betas[1:-1], np.full(padding, STAY, np.float32))
    sizes = np.pad(sizes.astype(np.float32), ((0, 0), (0, padding)))
    parts = []
    for first in range(0, n, sampler.rows):
        rows = np.arange(first, first + sampler.rows) % n  # all blocks have one size: the last one begins again at 0
        images, start = (x[rows], widths[rows], numbers[rows]), None if u is None else u[rows]
        parts.append(_anneal_block(sampler, images, key, moves, sizes[rows], start))
    values, acceptance, used = (np.concatenate(part)[:n] for part in zip(*parts, strict=True))
    if not np.isfinite(values).all():
        raise NotFiniteError(
            "ais: the likelihood of an image is not finite: the generator's weights hold NaN or overflow"
        )
    log_mean_weight, effective = annealing.estimate(values[:, PILOTS:, : steps + 1], betas)
    sign = betas[-1] - betas[0]  # 1, or -1 for reverse chains, which estimate 1 / p(x)
    log_norm = -x.shape[1] * np.log(np.sqrt(2 * np.pi) * widths.astype(np.float64))
    log_evidence = sign * log_mean_weight + log_norm
    accepted = acceptance[:, PILOTS:, :steps].mean((1, 2))
    return Bounds(log_evidence, effective, accepted, used[:, :steps])


def _anneal_block(
    sampler: Sampler, images: Images, key: Key, moves: np.ndarray, sizes: np.ndarray, u: np.ndarray | None
) -> tuple[np.ndarray, ...]:
    """Anneal one block of images, SEGMENT transitions in a call: the parts of a Trace, whole.

    moves: betas [S], STAY where there is no transition. sizes [N, S]: step sizes.
    """
    starting, moving = jax.random.split(key)
    shape = len(sizes), sampler.chains, sampler.latent
    start = _prior(starting, images[2], shape[1:]) if u is None else jnp.broadcast_to(u[:, None], shape)
    chains, traces = jax.device_get(Chains(start, jnp.full(len(start), LONGEST))), []
    for first in range(0, len(moves), SEGMENT):
        now = slice(first, first + SEGMENT)
        same = sampler.mean, moving, moves[now], np.int32(first)
        # fetched, so that the chains come into each call in the same way: else it would be compiled twice
        chains, trace = jax.device_get(sampler.advance(same, (images, sizes[:, now], chains)))
        traces.append(trace)
    return tuple(np.concatenate(part, axis=-1) for part in zip(*traces, strict=True))


@functools.partial(jax.jit, static_argnums=2)
def _prior(key: Key, numbers: Array, shape: tuple[int, ...]) -> Array:
    """Standard normal draws [N, *shape]; those of a number are always the same."""
    return jax.vmap(lambda number: jax.random.normal(jax.random.fold_in(key, number), shape))(numbers)


@functools.cache
def _compiled(leapfrog: int, devices: Sequence[jax.Device]) -> Callable[[Any, Any], tuple[Chains, Trace]]:
    """((mean, key, betas [SEGMENT], first), (images, sizes [N, SEGMENT], chains)) -> (chains, what they met).

    One program for any number of steps, images and candidates for the width, forward and reverse.
    """

    def advance(same: Any, split: Any) -> tuple[Chains, Trace]:
        (mean, key, betas, first), ((x, width, number), sizes, chains) = same, split

        def log_likelihood(u: Array) -> Array:  # but for the constant
            means = mean(u.reshape(-1, u.shape[-1])).reshape(*u.shape[:2], -1)
            squares = jnp.square(x[:, None] - means).sum(-1)
            return -squares / (2 * jnp.square(width[:, None]))

        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, number)
        return annealing.anneal(log_likelihood, chains, keys, betas, sizes, first, leapfrog=leapfrog)

    return share(advance, devices)
