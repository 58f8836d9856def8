"""Samples from averaged weights, and what the game infers from examples.

Image i is a pure function of (seed, i), whatever the batch size.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from gan_cli import media, text
from gan_cli.binding import nearest
from gan_cli.data.pipeline import ahead
from gan_cli.engine import kept, parallel
from gan_cli.engine.state import Experiment, seen_leaves, unflat, weight_shapes
from gan_cli.errors import InputError
from gan_cli.games.networks import Nets
from gan_cli.layers.layout import formulation
from gan_cli.types import Array, Batch, Control, Key, Spec, X, leaves

DRAWN = 256  # samples whose inputs one call draws
CPU_BATCH = 64  # samples whose maps a CPU's caches hold; a device of another kind makes its whole share at once

Inputs = Mapping[str, np.ndarray]  # a game's own inputs on the host, one example a sample: leaves [n, ...]
Weights = Mapping[str, Any]  # by role, or their leaves by name
Told = Callable[[int, int], None]  # samples done, of how many


def untold(_done: int, _of: int) -> None:
    """The `told` of samplers of which nobody wants to know how far they are."""


def drawn_shapes(experiment: Experiment) -> dict[str, jax.ShapeDtypeStruct]:
    """The game's own inputs of one sample: {"z": [1, L]}."""
    drawn: dict[str, jax.ShapeDtypeStruct] = jax.eval_shape(lambda: experiment.game.draw(jax.random.key(0), 1))
    return drawn


def check_memory(experiment: Experiment, n: int, copies: int) -> None:
    """Raise InputError where `copies` of n samples, and their inputs, are more than this machine's memory holds."""

    def trace() -> int:
        drawn = drawn_shapes(experiment)
        return sum(x.size * x.dtype.itemsize for x in drawn.values())

    spec = experiment.spec
    each = kept.data(("inputs", experiment.identity), trace) + copies * media.size_of(spec)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if n * each > memory:
        raise InputError(
            f"{n:,} samples with their latents take {text.size(n * each)}, and this machine has {text.size(memory)} of "
            f"memory: at most {memory // each:,} would do at once; another seed draws others"
        )


def draw(experiment: Experiment, seeds: Sequence[int]) -> Inputs:
    """The game's own inputs for one sample a seed: leaves [n, ...]."""
    return _draw_in_blocks(experiment, 0, np.asarray(seeds, np.uint32), one_seed=False)


def draw_many(experiment: Experiment, seed: int, n: int) -> Inputs:
    """Inputs of n samples of one seed; sample i does not depend on n: leaves [n, ...]."""
    return _draw_in_blocks(experiment, seed, np.arange(n, dtype=np.uint32), one_seed=True)


@cache
def _drawing(game_draw: Callable[[Key, int], dict[str, Array]], identity: str, *, one_seed: bool) -> Callable[..., Any]:
    """The program (seed, numbers [DRAWN]) -> inputs. Cached, so that a game's is compiled once in a process.

    The numbers are those of samples of `one_seed`, or else each is a seed of its own.
    """

    def one(seed: Array, number: Array) -> dict[str, Array]:
        key = jax.random.fold_in(jax.random.key(seed), number) if one_seed else jax.random.key(number)
        return jax.tree.map(lambda x: x[0], game_draw(key, 1))

    return kept.program(jax.vmap(one, in_axes=(None, 0)), (f"draw, {one_seed}", identity))


def _draw_in_blocks(experiment: Experiment, seed: int, numbers: np.ndarray, *, one_seed: bool) -> Inputs:
    """Run a program of `_drawing` for all the numbers, DRAWN at a time."""
    program = _drawing(experiment.game.draw, experiment.identity, one_seed=one_seed)
    blocks = (parallel.padded(numbers[start : start + DRAWN], DRAWN) for start in range(0, len(numbers), DRAWN))
    parts = jax.device_get([program(np.uint32(seed), block) for block in blocks])
    return {name: np.concatenate([part[name] for part in parts])[: len(numbers)] for name in parts[0]}


def truncate(z: Array | np.ndarray, threshold: float) -> np.ndarray:
    """Normal z -> truncated to [-threshold, threshold], each z to the same quantile of the truncated normal.

    https://arxiv.org/abs/1809.11096, section 3.1, without rejection: the same seed stays the same picture.
    """
    return np.asarray(_truncated(z, threshold))


@jax.jit
def _truncated(z: Array, threshold: float) -> Array:
    low = norm.cdf(-threshold)
    return jnp.clip(norm.ppf(low + norm.cdf(z) * (1 - 2 * low)), -threshold, threshold)


def in_evaluation(experiment: Experiment, function: Callable[[Nets, Any], Any]) -> Callable[[Weights, Any], Any]:
    """`function(nets, x)` as one of (weights, x), with nets in evaluation mode and in the recipe's arithmetic.

    Weights are those of a state by role, or their leaves by name ("generator.params.out.kernel.value").
    """

    def run(weights: Weights, x: Any) -> Any:
        roles = {name.partition(".")[0] for name in weights}
        wanted = {role: shapes for role, shapes in weight_shapes(experiment).items() if role in roles}
        variables = weights if weights.keys() == wanted.keys() else unflat(weights, wanted)
        with formulation(experiment.train.convolutions):
            nets = Nets(experiment.definitions, variables, dtype=jnp.dtype(experiment.train.precision))
            return function(nets, x)

    return run


def drawing_ask(experiment: Experiment, named: str = "") -> str:
    """The ask that draws from nothing: the named one, or the game's first; raises InputError where there is none."""
    asks = experiment.game.asks
    if named and named not in asks:
        raise InputError(f"--ask {named}: the game cannot be asked for that{nearest(named, asks)}")
    found = [name for name, ask in asks.items() if not ask.given and name == (named or name)]
    if not found:
        what = f"{named!r} starts" if named else "this model starts"
        raise InputError(f"{what} from examples, and does not draw from nothing: gan apply --input IMAGES --ckpt RUN")
    return found[0]


class Sampler:
    """One of the game's asks over all devices of the job, compiled once for one batch size.

    A shorter last batch is padded.
    """

    def __init__(
        self,
        experiment: Experiment,
        batch: int,
        devices: Sequence[jax.Device] = (),
        told: Told = untold,
        ask: str = "",
    ):
        """`batch`: samples made at once, which bounds memory; more than a CPU's caches hold are not faster there.

        `told`: how many samples are on their way, of how many, before each batch. `ask`: empty: the first.
        """
        self._told = told
        self._devices = list(devices) or parallel.everyone()
        share = math.ceil(batch / len(self._devices))
        self.batch = len(self._devices) * (min(share, CPU_BATCH) if self._devices[0].platform == "cpu" else share)
        asked, formats = experiment.game.ask(ask), leaves(experiment.specs)

        def make(nets: Nets, inputs: Batch) -> Array:
            given = {name: seen(formats[name], inputs[name]) for name in asked.given}
            return asked.do(nets, {**inputs, **given})

        about = ("sample", experiment.identity, ask or next(iter(experiment.game.asks)))
        self._sample = kept.shared(in_evaluation(experiment, make), self._devices, about)
        made = experiment.made_by(ask)
        self._encode = media.of(made).encode if made else media.unchanged

    def batches(self, variables: Weights, inputs: Inputs) -> Iterator[Array | np.ndarray]:
        """Samples float32 [batch, ...], images in [-1, 1]; on the devices but for the last batch, if it is shorter."""
        for made, wanted in self._whole_batches(variables, inputs):
            yield made if wanted == self.batch else np.asarray(made)[:wanted]

    def __call__(self, variables: Weights, inputs: Inputs) -> np.ndarray:
        """All samples on the host as their medium stores them: images uint8 [n, H, W, C], points float32 [n, D].

        Of a label log-probabilities, float32 [n, K].
        """
        encode = _encoding(self._encode)
        made = ((encode(samples), wanted) for samples, wanted in self._whole_batches(variables, inputs))
        return np.concatenate([np.asarray(samples)[:wanted] for samples, wanted in ahead(made)])

    def _whole_batches(self, variables: Weights, inputs: Inputs) -> Iterator[tuple[Array, int]]:
        """Batches of `batch` samples on the devices, and how many of each are wanted."""
        placed = parallel.replicate(variables, self._devices)
        n = len(next(iter(inputs.values())))
        for start in range(0, n, self.batch):
            self._told(start, n)
            part = {name: x[start : start + self.batch] for name, x in inputs.items()}
            yield self._sample(placed, parallel.padded(part, self.batch)), min(self.batch, n - start)


@cache
def _encoding(encode: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The program of a medium's `encode`: it runs on the device, so that a byte and not four is fetched for a level."""
    return kept.program(encode, ("encode", encode.__name__))


def seen(spec: Spec | None, x: Any) -> Any:
    """A leaf of the data as games see it, from what is stored; labels as they are."""
    return x if spec is None else media.of(spec).decode(x)


def decoding(experiment: Experiment) -> Callable[[Weights, Array], Array]:
    """(weights, latents [B, L] of a standard normal prior) -> pixels in [0, 1], or vectors, flat: [B, D].

    RGBA is composited on white. For games that have `decode`. Differentiable with respect to the latents.
    """
    assert experiment.game.decode is not None
    decode = in_evaluation(experiment, experiment.game.decode)

    def mean(variables: Weights, latents: Array) -> Array:
        x: Array = decode(variables, latents)
        if media.has_levels(experiment.spec):
            x = (x + 1) / 2
        if media.is_image(experiment.spec) and x.shape[3] == 4:
            x = x[..., :3] * x[..., 3:] + 1 - x[..., 3:]
        return x.reshape(len(x), -1)

    return mean


def recognised(experiment: Experiment) -> dict[str, Control]:
    """The controls that `game.infer` recognises in examples, by name: found by tracing it, nothing is computed."""
    infer = experiment.game.infer
    if infer is None:
        return {}
    x = seen_leaves(experiment.specs)[X]
    weights = weight_shapes(experiment)
    found = jax.eval_shape(lambda weights, x: infer(Nets(experiment.definitions, weights), x), weights, x)
    return {name: experiment.game.controls[name] for name in found}


class Recogniser:
    """`game.infer` over all devices of the job, compiled once for one batch size; shorter batches are padded."""

    def __init__(self, experiment: Experiment, batch: int, devices: Sequence[jax.Device] = ()):
        """`batch`: examples at once, as in `Sampler.batch`: a multiple of the number of devices."""
        self._devices = list(devices) or parallel.everyone()
        self.batch = batch
        assert experiment.game.infer is not None
        recognise = in_evaluation(experiment, experiment.game.infer)
        self._recognise = kept.shared(recognise, self._devices, ("infer", experiment.identity))
        self._decode = media.of(experiment.specs[experiment.stream()]).decode

    def bind(self, variables: Weights) -> Callable[[Array | np.ndarray], Mapping[str, Array]]:
        """With these weights: examples [b, ...], b <= batch, as stored or as made -> what is inferred, [b, ...] each.

        It is dispatched without waiting for the result.
        """
        placed = parallel.replicate(variables, self._devices)

        def call(x: Array | np.ndarray) -> Mapping[str, Array]:
            whole: Any = x if len(x) == self.batch else parallel.padded(np.asarray(x), self.batch)
            inferred: Mapping[str, Array] = self._recognise(placed, self._decode(whole))
            return inferred if whole is x else {name: value[: len(x)] for name, value in inferred.items()}

        return call
