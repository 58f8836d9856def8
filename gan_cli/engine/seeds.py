"""Many seeds of one experiment trained in one program: each device has its share of them, and takes it by `vmap`.

Seed s is the run that `gan train --set run.seed=s` makes, up to rounding: the same weights, batches and latents.
Seeds over devices rather than batches over devices: they have nothing to say to each other, so no device waits.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_cli.engine import parallel
from gan_cli.engine.loop import Feed, Means, means
from gan_cli.engine.state import QUICKLY, Experiment, State, fresh
from gan_cli.engine.step import make_steps
from gan_cli.types import DEVICES

SEEDS = "seeds"  # the name of the axis over which seeds lie


class Outcome(NamedTuple):
    """How the seeds ended."""

    states: list[State]  # of each seed, after its last step, on the host; keys are raw data
    diverged: dict[int, int]  # seed -> number of steps after which a number was found not to be finite
    seconds: float  # of all steps together; compilation is left out where there was more than one call


def train_seeds(
    experiment: Experiment,
    feeds: Sequence[Feed],
    seeds: Sequence[int],
    devices: Sequence[jax.Device],
    progress: Callable[[int, Means], None],
) -> Outcome:
    """Train every seed to the experiment's number of steps; `feeds[i]` has the batches of `seeds[i]`.

    Seeds do not touch each other: one that diverges spoils no other, and when all have, nothing is left to train.
    `progress` is told the mean over the seeds that have not.
    """
    train, n_seeds = experiment.train, len(seeds)
    devices = devices[:n_seeds]
    filled = [i % n_seeds for i in range(n_seeds + -n_seeds % len(devices))]  # as many for each device
    feeds, seeds = [feeds[i] for i in filled], [seeds[i] for i in filled]
    steps = _over_devices(make_steps(experiment, feeds[0].take), devices)
    constants = parallel.replicate(dict(feeds[0].constants), devices)
    state = _initial(experiment, seeds, devices)
    diverged: dict[int, int] = {}
    done, began = 0, (0, time.perf_counter())
    going = True
    while going:
        n = min(train.steps_per_call, train.steps - done)
        state, sums = steps(state, constants, _feed(feeds, done, n, train.steps_per_call), jnp.int32(n))
        done += n
        host = jax.tree.map(lambda x: x[:n_seeds], jax.device_get(sums))  # leaves [S]; waits for the call
        for seed in np.asarray(seeds[:n_seeds])[~_finite(host)]:
            diverged.setdefault(int(seed), done)
        going = done < train.steps and len(diverged) < n_seeds
        if not began[0] and going:
            began = (done, time.perf_counter())  # the first call compiled
        kept = np.array([seed not in diverged for seed in seeds[:n_seeds]])
        if kept.any():
            progress(done, means(jax.tree.map(lambda x, kept=kept: x[kept].mean(axis=0), host)))
    seconds = (time.perf_counter() - began[1]) * done / (done - began[0])
    return Outcome(_each(state, n_seeds), diverged, seconds)


def _initial(experiment: Experiment, seeds: Sequence[int], devices: Sequence[jax.Device]) -> State:
    """The states before the first step, stacked but for the step, in one compiled call.

    They lie as a call of the steps returns them: its second call would compile again otherwise.
    """

    def start(keys: Any) -> State:
        states: State = jax.vmap(partial(fresh, experiment))(keys)
        return states._replace(step=jnp.zeros((), jnp.int32))

    keys = jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))
    made = jax.jit(start, compiler_options=QUICKLY)(keys)
    same, own = (NamedSharding(_mesh(devices), spec) for spec in (PartitionSpec(), PartitionSpec(SEEDS)))
    placed: State = jax.device_put(made, _states(same, own))
    return placed


def _each(state: State, n: int) -> list[State]:
    """The first n of the stacked states, on the host; their keys as raw data."""
    stacked = state._replace(step=jnp.full(n, state.step), key=jax.random.key_data(state.key))
    host = jax.device_get(stacked)
    return [jax.tree.map(lambda x, i=i: x[i], host) for i in range(n)]


def _mesh(devices: Sequence[jax.Device]) -> Mesh:
    return Mesh(np.asarray(devices)[:, None], (SEEDS, DEVICES))


def _over_devices(steps: Callable[..., Any], devices: Sequence[jax.Device]) -> Callable[..., Any]:
    """The compiled function (stacked states, constants, feed [S, n, ...], n) -> (stacked states, sums [S]).

    The step is the same for all seeds, so that a turn which is not due is skipped for all of them at once. Each seed
    sees one device only: the axis over which a single run averages has length 1.
    """
    axes = _states(None, 0)
    mapped = jax.vmap(steps, in_axes=(axes, None, 0, None), out_axes=(axes, 0))
    same, own = PartitionSpec(), PartitionSpec(SEEDS)
    shared = jax.shard_map(
        mapped,
        mesh=_mesh(devices),
        in_specs=(_states(same, own), same, own, same),
        out_specs=(_states(same, own), own),
        check_vma=False,
    )
    return jax.jit(shared, donate_argnums=0)


def _states(step: Any, rest: Any) -> Any:
    """A prefix of the tree of states: `step` for the step, `rest` for everything that differs between seeds."""
    return State(*[rest] * len(State._fields))._replace(step=step)


def _feed(feeds: Sequence[Feed], start: int, n: int, length: int) -> Any:
    """What n steps of every seed read, as long as `length` steps: leaves [S, length, B, ...]."""
    each = [parallel.padded(dict(feed.feed(start, n)), length) for feed in feeds]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)


def _finite(sums: Any) -> np.ndarray:
    """Whether all numbers of a seed are finite: [S]."""
    finite: np.ndarray = np.logical_and.reduce([np.isfinite(x) for x in jax.tree.leaves(sums)])
    return finite
