"""One training step of any game, and several of them in one compiled call.

A step draws the game's latents for the global batch, so that any number of devices computes the same; all turns of a
step share those draws and one key, so that the generator's forward pass in the discriminator's turn and in its own turn
is the same expression and is computed once.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from gan_cli.engine import health, parallel
from gan_cli.engine.state import Experiment, State
from gan_cli.games.game import Game, Turn, keep
from gan_cli.games.networks import Descent, Memory, Nets, Variables
from gan_cli.layers.layers import formulation
from gan_cli.types import DEVICES, Array, Aux, Batch, Key

Sums = dict[str, dict[str, Array]]  # turn -> scalar -> its sum over steps; "count" counts them, "bad" see health.py
Take = Callable[[Any, Any], Batch]  # (constants, one step's feed) -> the device's batch of data


class _Scene(NamedTuple):
    """The input of a turn: weights and optimisers as the turns before it left them, and the step's batch."""

    variables: Mapping[str, Variables]
    optim: Mapping[str, Any]
    batch: Batch
    memory: Memory
    step: Array
    key: Key  # for dropout and other noise inside networks, on this device


class _Moved(NamedTuple):
    """The result of a turn: what it has changed, and what it reports."""

    variables: dict[str, Variables]  # those of the roles it trains
    optim: Any
    report: Aux


def make_steps(experiment: Experiment, take: Take) -> Callable[..., tuple[State, Sums]]:
    """The per-device function (state, constants, feed [n, ...], n) -> (state, sums over the n steps).

    A traced n may be less than the feed's; a Python number makes a loop of constant length.
    """

    @partial(jax.jit, inline=True)  # traced once, although its result's shapes and the loop below both ask for it
    def one(state: State, constants: Any, feed: Any) -> tuple[State, Sums]:
        return _step(experiment, state, take(constants, feed))

    def steps(state: State, constants: Any, feed: Any, n: Array | int) -> tuple[State, Sums]:
        def body(i: Array, carry: tuple[State, Sums]) -> tuple[State, Sums]:
            state, sums = carry
            state, new = one(state, constants, jax.tree.map(lambda x: x[i], feed))
            return state, health.add(sums, new, i)

        with formulation(experiment.train.convolutions):
            first = jax.tree.map(lambda x: x[jnp.int32(0)], feed)
            _, shapes = jax.eval_shape(one, state, constants, first)
            zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
            return lax.fori_loop(0, n, body, (state, zeros))

    return steps


def _step(experiment: Experiment, state: State, data: Batch) -> tuple[State, Sums]:
    """One step on this device's part of a batch: the turns that are due, in order, then memory and averages."""
    game, train = experiment.game, experiment.train
    draw_key, key = jax.random.split(jax.random.fold_in(state.key, state.step))
    size = len(next(iter(data.values())))
    batch = {**data, **parallel.mine(game.draw(draw_key, train.batch), size)}
    key = jax.random.fold_in(key, lax.axis_index(DEVICES))

    before = now = _Scene(state.variables, state.optim, batch, state.memory, state.step, key)
    reports = {}
    for turn in game.turns:
        scene = before if game.simultaneous else now
        play = partial(_play, experiment, turn, scene)
        moved = play() if turn.always else lax.cond(turn.due(state.step), play, partial(_skip, turn, scene, play))
        variables, optim = {**now.variables, **moved.variables}, {**now.optim, turn.optimiser: moved.optim}
        now = now._replace(variables=variables, optim=optim)
        reports[turn.name] = moved.report

    step = state.step + 1
    now = now._replace(variables=_copied(game, now.variables, step))
    decay = jnp.float32(experiment.ema.decay)
    if experiment.ema.warmup:
        decay = jnp.minimum(decay, (1 + state.step) / (10 + state.step))
    average = {  # averaged weights and batch statistics, in float32
        role: jax.tree.map(
            lambda old, new: decay * old + (1 - decay) * new if jnp.issubdtype(new.dtype, jnp.floating) else new,
            state.average[role],
            now.variables[role],
        )
        for role in state.average
    }
    memory = game.remember(state.memory, reports)
    new = State(step, dict(now.variables), dict(now.optim), average, memory, state.key)
    return new, {name: {k: v for k, v in report.items() if v.ndim == 0} for name, report in reports.items()}


def _copied(game: Game, variables: Mapping[str, Variables], step: Array) -> Mapping[str, Variables]:
    """The weights after the copies that are due when `step` steps are done."""
    for copy in game.copies:
        due = step % copy.every == 0
        due = due if copy.stop is None else due & (step < copy.stop)

        def mixed(old: Array, new: Array, keep: float = copy.keep, due: Array = due) -> Array:
            copied = keep * old + (1 - keep) * new if keep and jnp.issubdtype(new.dtype, jnp.floating) else new
            return jnp.where(due, copied, old)

        target = jax.tree.map(mixed, variables[copy.target], variables[copy.source])
        variables = {**variables, copy.target: target}
    return variables


def _skip(turn: Turn, scene: _Scene, play: Callable[[], _Moved]) -> _Moved:
    """A turn that is not due: it moves nothing, and reports zeros of the shapes that `play` would report."""
    report = jax.eval_shape(play).report
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), report)
    return _Moved({role: scene.variables[role] for role in turn.trains}, scene.optim[turn.optimiser], nothing)


def _play(experiment: Experiment, turn: Turn, scene: _Scene) -> _Moved:
    """Move the roles that the turn trains one optimiser step down its loss; every other role is a constant."""
    game, seen, optim = experiment.game, scene.variables, scene.optim
    params = {role: seen[role].params for role in turn.trains}
    dtype = jnp.dtype(experiment.train.precision)
    descents = {
        table: Descent(optim[table], partial(_descend, experiment.optimisers[table])) for table in game.differentiates
    }

    def objective(params: Any, rest: Any, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Any]]:
        mine = {role: Variables(params[role], rest[role]) for role in turn.trains}
        now = {**seen, **mine}
        nets = Nets(experiment.definitions, now, key, dtype, descents, scene.memory, experiment.train.remat, scene.step)
        loss, report = turn.loss(nets, batch)
        return loss, ({**report, "loss": loss}, {role: nets.variables[role].rest for role in turn.trains})

    rest = {role: seen[role].rest for role in turn.trains}
    gradients, report, rest = _gradients(objective, params, rest, scene.batch, scene.key, experiment.train.accumulate)
    scalars = {name: value for name, value in report.items() if value.ndim == 0}
    gradients, scalars = parallel.mean((gradients, scalars))
    if game.remember is keep:
        report = {}  # arrays are for `remember` only
    arrays = {name: parallel.gather(value) for name, value in report.items() if value.ndim > 0}

    updates, new = experiment.optimisers[turn.optimiser].update(gradients, optim[turn.optimiser], params)
    params = optax.apply_updates(params, updates)
    moved = {role: Variables(params[role], rest[role]) for role in turn.trains}
    own = {"count": jnp.ones(()), **health.observe(scalars["loss"], gradients, updates, moved)}
    return _Moved(moved, new, {**scalars, **arrays, **own})


def _descend(optimiser: optax.GradientTransformation, gradients: Any, params: Any, state: Any) -> tuple[Any, Any]:
    """One move of an optimiser as a turn makes it, with gradients averaged over devices: (params, state)."""
    updates, state = optimiser.update(parallel.mean(gradients), state, params)
    return optax.apply_updates(params, updates), state


def _gradients(objective: Any, params: Any, rest: Any, batch: Batch, key: Key, accumulate: int) -> tuple[Any, Aux, Any]:
    """Gradients, report and new batch statistics; the mean over `accumulate` micro-batches, one after the other."""
    gradient = jax.grad(objective, has_aux=True)
    if accumulate == 1:
        gradients, (report, rest) = gradient(params, rest, batch, key)
        return gradients, report, rest

    def one(rest: Any, micro: tuple[Batch, Key]) -> tuple[Any, tuple[Any, Aux]]:
        gradients, (report, rest) = gradient(params, rest, *micro)
        return rest, (gradients, report)

    micros = jax.tree.map(lambda x: x.reshape(accumulate, len(x) // accumulate, *x.shape[1:]), dict(batch))
    rest, (gradients, report) = lax.scan(one, rest, (micros, jax.random.split(key, accumulate)))
    arrays = {name: value.reshape(-1, *value.shape[2:]) for name, value in report.items() if value.ndim > 1}
    scalars = {name: value.mean() for name, value in report.items() if value.ndim == 1}
    return jax.tree.map(lambda g: g.mean(axis=0), gradients), {**scalars, **arrays}, rest
