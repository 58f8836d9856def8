"""Many seeds of one experiment trained in one program: each device has its share of them, and takes it by `vmap`.

Seed s is the run that `gan train --set run.seed=s` makes, up to rounding: the same weights, batches and latents.
Seeds over devices rather than batches over devices: they have nothing to say to each other, so no device waits.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_cli.engine import parallel
from gan_cli.engine.loop import Feed, Means, means
from gan_cli.engine.state import QUICKLY, Experiment, State, fresh
from gan_cli.engine.step import make_steps

# All seeds are at the same step, so that a turn which is not due is skipped for all of them at once. All else is
# stacked: leaves [S, ...].
AXES = State(*[0] * len(State._fields))._replace(step=None)  # type: ignore[arg-type]


class Outcome(NamedTuple):
    """The result of training many seeds."""

    states: list[State]  # one for each seed, after its last step, on the host; keys are raw data
    diverged: dict[int, int]  # seed -> number of steps after which a number was found not to be finite
    seconds: float  # for all steps together; compilation is left out where there was more than one call


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
    filled = [i % n_seeds for i in range(n_seeds + -n_seeds % len(devices))]  # each device has as many
    feeds, seeds = [feeds[i] for i in filled], [seeds[i] for i in filled]
    whole = parallel.whole_calls(train.steps_per_call, devices)
    steps = parallel.over_seeds(make_steps(experiment, feeds[0].take), AXES, devices, whole)
    constants = parallel.replicate(dict(feeds[0].constants), devices)
    state = _initial_states(experiment, seeds, devices)
    diverged: dict[int, int] = {}
    done, began = 0, (0, time.perf_counter())
    going = True
    while going:
        n = min(train.steps_per_call, train.steps - done)
        each = [parallel.padded(dict(feed.feed(done, n)), train.steps_per_call) for feed in feeds]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *each)  # [S, steps_per_call, B, ...]
        state, sums = steps(state, constants, stacked, np.int32(n))
        done += n
        host = jax.tree.map(lambda x: x[:n_seeds], jax.device_get(sums))  # leaves [S]; waits for the call
        finite = np.logical_and.reduce([np.isfinite(x) for x in jax.tree.leaves(host)])  # [S]
        for seed in np.asarray(seeds[:n_seeds])[~finite]:
            diverged.setdefault(int(seed), done)
        going = done < train.steps and len(diverged) < n_seeds
        if not began[0] and going:
            began = (done, time.perf_counter())  # the first call compiled
        kept = np.array([seed not in diverged for seed in seeds[:n_seeds]])
        if kept.any():
            progress(done, means(jax.tree.map(lambda x, kept=kept: x[kept].mean(axis=0), host)))
    seconds = (time.perf_counter() - began[1]) * done / (done - began[0])

    last = state._replace(step=jnp.full(n_seeds, state.step), key=jax.random.key_data(state.key))
    fetched = jax.device_get(last)
    return Outcome([jax.tree.map(lambda x, i=i: x[i], fetched) for i in range(n_seeds)], diverged, seconds)


def _initial_states(experiment: Experiment, seeds: Sequence[int], devices: Sequence[jax.Device]) -> State:
    """The states before the first step, in one compiled call, laid out on the devices."""
    keys = jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))
    made: State = jax.jit(jax.vmap(partial(fresh, experiment)), compiler_options=QUICKLY)(keys)
    made = made._replace(step=jnp.zeros((), jnp.int32))
    placed: State = jax.device_put(made, parallel.seed_layouts(AXES, devices))
    return placed
