"""The log-likelihood of real images under a generator with Gaussian noise, by annealed importance sampling."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gan_cli.devices import everyone, replicate, share
from gan_cli.errors import InputError
from gan_cli.metrics import annealing
from gan_cli.metrics.annealing import PILOTS, STAY, STEERED, Chains, Trace
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.metrics.metric import Decoder, Metric, Sample, Scope
from gan_cli.types import Array, Key

SEGMENT = 100  # transitions in one call
AT_ONCE = 256  # chains on a device
OCTAVES = 8  # halvings of the width that are tried
RUNGS = 4  # widths are powers of 2^(1 / RUNGS)
FEWER = 4  # how many times fewer images choose among those; all of them among the neighbours of the best
QUICKER = 5  # how many times fewer distributions there are when the width is chosen
NARROWEST = 1e-3  # the least width that the search begins with
FEWER = 4  # how many times fewer images choose among those; all of them among the neighbours of the best
QUICKER = 5  # how many times fewer distributions there are when the width is chosen
NARROWEST = 1e-3  # the least spread of real images that the widths begin with


class Task(NamedTuple):
    """What the evidence is wanted of: N images, each with its own width."""

    x: np.ndarray  # [N, D] float32
    width: np.ndarray  # [N] float32
    number: np.ndarray  # int32 [N]: images of the same number have the same draws


class Bounds(NamedTuple):
    """What the chains brought back; the pilots are left out."""

    log_evidence: (
        np.ndarray
    )  # [N] float64: a stochastic bound of log p(x), lower of forward and upper of reverse chains
    effective: np.ndarray  # [N]: effective sample size, from 1 to the number of chains
    acceptance: np.ndarray  # [N]: mean over chains and transitions
    sizes: np.ndarray  # [N, steps]: step sizes on the way


class Sampler(NamedTuple):
    """A decoder on all devices, and the program that runs its chains."""

    mean: Partial
    latent: int
    chains: int  # of an image: pilots and those that count
    devices: tuple[jax.Device, ...]
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

    Width: one number for all images, most likely on `validation` others with a fifth of the steps. A quarter of these
    choose among 8 powers of 2^(1/4), an octave apart, from their distance to samples down; all of them then among the
    neighbours of the best at 2^(±1/2), and at 2^(±1/4) of that. The chosen one may be 9% off, and by chance more.

    Departures from the paper: its code steers one step size for all chains by their own acceptance, 2% at a time from
    0.01, so that the bounds are not exact; here 4 further chains an image steer, and faster, and each step is of random
    length (see `annealing`). Pixels get no noise below 1/256. All reverse chains start at the
    one known latent; its code has one such chain. What its code calls sigma is the variance: 0.005 is a width of 0.07.
    A generator of layers 100-1200-1200-784 takes about 20 minutes of one core's time.
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
        lower = forward(sampler, task(np.concatenate([x[:n], dreams]), sd), judging, steps)
        upper = reverse(sampler, task(dreams, sd), returning, u, lower.sizes[n:])
        gaps = upper.log_evidence - lower.log_evidence[n:]
        return {
            "ais": float(lower.log_evidence[:n].mean()),
            "ais-error": _error(lower.log_evidence[:n]),
            "ais-width": sd,
            "ais-gap": float(gaps.mean()),
            "ais-gap-error": _error(gaps),
            "ais-effective-chains": float(lower.effective[:n].mean()),
            "ais-acceptance": float(lower.acceptance[:n].mean()),
        }

    def check(plan: Scope) -> tuple[str, ...]:
        others = validation if width == "validation" else 0
        if plan.n_real >= n + others:
            return ()
        what = f"judges {n} real images" + (f" and chooses its width with {others} others" if others else "")
        raise InputError(
            f"ais {what}, and there are {plan.n_real}: set n_real to {n + others} or more, or ask for less"
        )

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
        check=check,
    )


def bind(decoder: Decoder, chains: int, leapfrog: int) -> Sampler:
    """The decoder, ready to be sampled; a second one with the same function in its Partial compiles nothing."""
    devices = tuple(everyone())
    mean = decoder.mean if isinstance(decoder.mean, Partial) else Partial(decoder.mean)
    return Sampler(replicate(mean, devices), decoder.latent, PILOTS + chains, devices, _compiled(leapfrog, devices))


def task(x: np.ndarray, width: float) -> Task:
    """Images [N, D] with the same width, and draws of their own."""
    return Task(x, np.full(len(x), width, np.float32), np.arange(len(x), dtype=np.int32))


def choose_width(sampler: Sampler, x: np.ndarray, key: Key, steps: int) -> float:
    """The standard deviation under which images [N, D] are most likely, of those that `ais` describes."""

    def scores(rungs: Sequence[int], x: np.ndarray) -> dict[int, float]:
        """Mean log p(x) under each of these widths, with the same draws."""
        widths = np.repeat(2.0 ** (np.array(rungs) / RUNGS), len(x)).astype(np.float32)
        number = np.tile(np.arange(len(x), dtype=np.int32), len(rungs))
        found = forward(sampler, Task(x[number], widths, number), key, steps).log_evidence
        return dict(zip(rungs, found.reshape(len(rungs), -1).mean(1).tolist(), strict=True))

    distance = np.sqrt(np.square(x.astype(np.float64) - simulate(sampler, len(x), 0, key)[1]).mean())
    top = int(np.ceil(RUNGS * np.log2(max(distance, NARROWEST))))
    best = _largest(scores([top - RUNGS * octave for octave in range(OCTAVES)], x[: -(-len(x) // FEWER)]))
    found = scores([best - 2, best, best + 2], x)
    best = _largest(found)
    found |= scores([best - 1, best + 1], x)
    return float(2 ** (_largest(found) / RUNGS))


def _largest(scores: Mapping[int, float]) -> int:
    return max(scores, key=scores.__getitem__)


def simulate(sampler: Sampler, n: int, width: float, key: Key) -> tuple[np.ndarray, np.ndarray]:
    """Latents from the prior [n, L] and images that the model makes of them [n, D]: exact samples of the posterior."""
    a, b = jax.random.split(key)
    u = jax.random.normal(a, (n, sampler.latent))
    mean = np.asarray(_decode(sampler.mean, u))
    return np.asarray(u), mean + np.float32(width) * np.asarray(jax.random.normal(b, mean.shape))


@jax.jit
def _decode(mean: Partial, u: Array) -> Array:
    return mean(u)


def forward(sampler: Sampler, task: Task, key: Key, steps: int) -> Bounds:
    """Chains from the prior to the posterior: a stochastic lower bound of log p(x) for each image."""
    betas, sizes = annealing.schedule(steps), np.full((len(task.x), steps), STEERED)
    return _bounds(task, betas, *_run(sampler, task, key, betas, sizes))


def reverse(sampler: Sampler, task: Task, key: Key, u: np.ndarray, sizes: np.ndarray) -> Bounds:
    """Chains from exact samples u [N, L] of the posterior to the prior: a stochastic upper bound of log p(x).

    sizes [N, steps]: those of forward chains for the same images.
    """
    betas = annealing.schedule(sizes.shape[1])[::-1]
    return _bounds(task, betas, *_run(sampler, task, key, betas, sizes[:, ::-1], u))


def _bounds(task: Task, betas: np.ndarray, values: np.ndarray, acceptance: np.ndarray, sizes: np.ndarray) -> Bounds:
    """From what `_run` returns; reverse chains estimate 1 / p(x)."""
    log_weights = annealing.log_weights(values, betas)
    sign = betas[-1] - betas[0]  # 1, or -1
    log_norm = -task.x.shape[1] * np.log(np.sqrt(2 * np.pi) * task.width.astype(np.float64))
    log_evidence = sign * annealing.log_mean_exp(log_weights) + log_norm
    return Bounds(log_evidence, annealing.effective(log_weights), acceptance.mean((1, 2)), sizes)


def _run(
    sampler: Sampler, task: Task, key: Key, betas: np.ndarray, sizes: np.ndarray, u: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anneal all images, a block after the other, from u [N, L] or else from the prior.

    Returns, without the pilots, the log-likelihoods [N, C, steps + 1] before each change of beta, the probabilities of
    acceptance [N, C, steps] and the step sizes [N, steps].
    Raises NotFiniteError where a likelihood is not finite.
    """
    steps = len(betas) - 2
    padding = -(steps + 1) % SEGMENT + 1  # at least one place without a transition: where the last value is read
    moves = np.append(betas[1:-1], np.full(padding, STAY, np.float32))
    sizes = np.pad(sizes.astype(np.float32), ((0, 0), (0, padding)))
    parts = [_one_block(sampler, task, key, moves, sizes, u, rows) for rows in _blocks(len(task.x), sampler)]
    values, acceptance, used = (np.concatenate(part)[: len(task.x)] for part in zip(*parts, strict=True))
    if not np.isfinite(values).all():
        raise NotFiniteError(
            "ais: the likelihood of an image is not finite: the generator's weights hold NaN or overflow"
        )
    return values[:, PILOTS:, : steps + 1], acceptance[:, PILOTS:, :steps], used[:, :steps]


def _blocks(n: int, sampler: Sampler) -> Iterator[np.ndarray]:
    """Indices of n images in blocks of one size, which all devices share; the last one begins again at 0."""
    rows = max(AT_ONCE // sampler.chains, 1) * len(sampler.devices)
    for first in range(0, n, rows):
        yield np.arange(first, first + rows) % n


def _one_block(
    sampler: Sampler,
    task: Task,
    key: Key,
    moves: np.ndarray,
    sizes: np.ndarray,
    u: np.ndarray | None,
    rows: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Anneal the images of these rows, SEGMENT transitions in a call: the parts of a Trace, whole."""
    images, (starting, moving) = Task(*(part[rows] for part in task)), jax.random.split(key)
    shape = len(rows), sampler.chains, sampler.latent
    start = _prior(starting, images.number, shape[1:]) if u is None else jnp.broadcast_to(u[rows, None], shape)
    chains, traces = jax.device_get(annealing.begin(start)), []
    for first in range(0, len(moves), SEGMENT):
        now = slice(first, first + SEGMENT)
        same = sampler.mean, moving, moves[now], np.int32(first)
        # fetched, so that the chains come into each call in the same way: else it would be compiled twice
        chains, trace = jax.device_get(sampler.advance(same, (images, sizes[rows, now], chains)))
        traces.append(trace)
    return tuple(np.concatenate(part, axis=-1) for part in zip(*traces, strict=True))


@functools.partial(jax.jit, static_argnums=2)
def _prior(key: Key, numbers: Array, shape: tuple[int, ...]) -> Array:
    """Standard normal draws [N, *shape], those of a number always the same."""
    return jax.vmap(lambda number: jax.random.normal(jax.random.fold_in(key, number), shape))(numbers)


@functools.cache
def _compiled(leapfrog: int, devices: Sequence[jax.Device]) -> Callable[[Any, Any], tuple[Chains, Trace]]:
    """((mean, key, betas [SEGMENT], first), (images, sizes [N, SEGMENT], chains)) -> (chains, what they met).

    One program for any number of steps, images and candidates for the width, forward and reverse.
    """

    def advance(same: Any, split: Any) -> tuple[Chains, Trace]:
        (mean, key, betas, first), (images, sizes, chains) = same, split

        def log_likelihood(u: Array) -> Array:  # but for the constant
            means = mean(u.reshape(-1, u.shape[-1])).reshape(*u.shape[:2], -1)
            squares = jnp.square(images.x[:, None] - means).sum(-1)
            return -squares / (2 * jnp.square(images.width[:, None]))

        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, images.number)
        return annealing.anneal(log_likelihood, chains, keys, betas, sizes, first, leapfrog=leapfrog)

    return share(advance, devices)


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
