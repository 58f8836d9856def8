"""The compiled training step of a recipe: what XLA and `hlo.py` count in it, and how long it takes here."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hlo import Collective, read

from gan_cli import build, datasets
from gan_cli.engine import parallel
from gan_cli.engine.state import initial_state, state_shapes
from gan_cli.engine.step import make_steps

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from ours_training import prepare  # recipes with random images, as the benchmark has them

EXAMPLES = 2048  # random images; a step costs the same with any number


class Case(NamedTuple):
    """A recipe, its images' shape, and what is set in it."""

    name: str
    recipe: str
    shape: str = ""  # 32x32x1: random images of it; "": the recipe's own data
    settings: tuple[str, ...] = ()


class Counts(NamedTuple):
    """One step on one device."""

    flops: float  # by XLA's cost analysis, all operations
    transcendentals: float
    bytes: float  # that operations read and write, by XLA's cost analysis after the CPU's fusion
    products: float  # FLOPs of matrix products and convolutions, by our reading of the program
    padded: float  # the same with features filled up to 128
    product_bytes: float  # operands and results of those products
    state_bytes: float  # weights, moments, averages: read and written once
    parameters: dict[str, int]  # role -> numbers that its optimiser moves
    collectives: tuple[Collective, ...]
    seconds: float  # that compilation took


def prepared(case: Case, batch: int, *settings: str) -> build.Prepared:
    """The case with a global batch."""
    return prepare(case.recipe, [f"train.batch={batch}", *case.settings, *settings], case.shape, EXAMPLES)


class Program(NamedTuple):
    """The compiled steps of a case, and what they are called with."""

    compiled: Any  # (state, constants, feed, n) -> (state, sums)
    made: build.Prepared
    feed: Any
    devices: Sequence[jax.Device]
    per_call: int
    seconds: float  # that compilation took


def compile_(
    case: Case, each: int, devices: Sequence[jax.Device], convolutions: str = "lax", per_call: int = 10
) -> Program:
    """Compile a case at `each` examples a device for CPU devices of this process, up to `per_call` steps a call.

    convolutions: "lax" is the formulation of TPUs and GPUs, "auto" the CPU's own.
    """
    made = prepared(case, each * len(devices), f"train.convolutions={convolutions}")
    feed = datasets.feed(made.resolved, made.source)
    steps = parallel.over_devices(make_steps(made.experiment, feed.take), devices)
    batches = _batches(feed, 0, 1, per_call, len(devices))
    shapes = (state_shapes(made.experiment), *_shapes((dict(feed.constants), batches, jnp.int32(0))))
    began = time.perf_counter()
    compiled = steps.lower(*shapes).compile()
    return Program(compiled, made, feed, devices, per_call, time.perf_counter() - began)


def _batches(feed: Any, step: int, n: int, per_call: int, devices: int) -> Any:
    return parallel.split(parallel.padded(dict(feed.feed(step, n)), per_call), devices)


def count(program: Program) -> Counts:
    """What a step of a program does on each device."""
    cost, found = program.compiled.cost_analysis(), read(program.compiled.as_text())
    state = state_shapes(program.made.experiment)
    return Counts(
        flops=cost["flops"],
        transcendentals=cost.get("transcendentals", 0.0),
        bytes=cost["bytes accessed"],
        products=sum(p.flops for p in found.products),
        padded=sum(p.padded for p in found.products),
        product_bytes=sum(p.bytes for p in found.products),
        state_bytes=2 * sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state)),
        parameters={role: sum(x.size for x in jax.tree.leaves(v.params)) for role, v in state.variables.items()},
        collectives=found.collectives,
        seconds=program.seconds,
    )


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


class Steps:
    """A run without its folder, to be timed."""

    def __init__(self, program: Program):
        self._program = program
        self._state = parallel.replicate(initial_state(program.made.experiment, 0), program.devices)
        self._constants = parallel.replicate(dict(program.feed.constants), program.devices)
        self._step = 0
        self.seconds(1)  # the first call is slower

    def seconds(self, steps: int) -> float:
        """How long one call of `steps` steps takes, with the host's part of it, waited for."""
        p = self._program
        began = time.perf_counter()
        batches = _batches(p.feed, self._step, steps, p.per_call, len(p.devices))
        self._state, _ = p.compiled(self._state, self._constants, batches, jnp.int32(steps))
        jax.block_until_ready(self._state)
        self._step += steps
        return time.perf_counter() - began


def matmul_rate(n: int = 1536) -> float:
    """FLOP/s of one float32 product of n x n matrices, on all cores."""
    a = jnp.ones((n, n), jnp.float32)
    return 2 * n**3 / _best(jax.jit(jnp.matmul), a, a)


def memory_rate(megabytes: int = 128) -> float:
    """Bytes/s of c = a + b over arrays larger than the caches, as XLA does it: two are read, one is written."""
    a = jnp.ones(megabytes * 2**18, jnp.float32)
    return 3 * a.nbytes / _best(jax.jit(jnp.add), a, a)


def _best(function: Any, *arrays: jax.Array) -> float:
    """The median of three calls, in seconds, after one that compiles."""
    jax.block_until_ready(function(*arrays))
    took = []
    for _ in range(3):
        began = time.perf_counter()
        jax.block_until_ready(function(*arrays))
        took.append(time.perf_counter() - began)
    return float(np.median(took))
