"""Where a training stops being finite: the first step, turn, network and layer at which a number is NaN or infinite.

Each turn looks at its loss, its gradients and what it has moved, in this order, inside the compiled step.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import tree_leaves_with_path

from gan_cli.engine.leaves import name as name_of
from gan_cli.engine.state import Experiment, state_shapes
from gan_cli.types import Array

BAD = "bad"  # in a turn's report: 0, or what `first_bad` found first and when
PLACES = 1 << 12  # more than a turn has leaves


def first_bad(loss: Array, gradients: Any, moved: Any) -> Array:
    """0 when everything is finite, else 1 + the place of the first number that is not, in the order of `describe`."""
    leaves = [loss, *jax.tree.leaves(gradients), *_floating(moved)]
    bad = jnp.stack([~jnp.isfinite(x).all() for x in leaves])
    return jnp.where(bad.any(), 1 + jnp.argmax(bad), 0).astype(jnp.int32)


def add(sums: Mapping[str, Mapping[str, Array]], new: Mapping[str, Mapping[str, Array]], i: Array) -> Any:
    """Reports of the steps before the i-th of a call, and of the i-th: sums, but of BAD the first that is not 0."""

    def one(name: str, old: Array, value: Array) -> Array:
        if name != BAD:
            return old + value
        return jnp.where((old == 0) & (value > 0), i * PLACES + value, old)

    return {
        turn: {name: one(name, old, new[turn][name]) for name, old in report.items()} for turn, report in sums.items()
    }


def first(sums: Mapping[str, Mapping[str, Any]]) -> tuple[int, str, int] | None:
    """(step of the call from 0, turn, place) of the first number in a call that was not finite; None: all were."""
    found = [(int(report[BAD]), turn) for turn, report in sums.items() if report[BAD]]
    if not found:
        return None
    code, turn = min(found, key=lambda each: each[0] // PLACES)  # of the same step, the turn that came first
    return code // PLACES, turn, code % PLACES - 1


def describe(experiment: Experiment, turn: str, place: int) -> str:
    """What is at a place: "the generator's turn: the gradient of generator.out.kernel"."""
    trains = next(each.trains for each in experiment.game.turns if each.name == turn)
    variables = {role: state_shapes(experiment).variables[role] for role in trains}
    gradients = [f"the gradient of {_name(path)}" for path, _ in tree_leaves_with_path(_params(variables))]
    moved = [_name(path) for path, x in tree_leaves_with_path(variables) if jnp.issubdtype(x.dtype, jnp.floating)]
    return f"the {turn}'s turn: {['its loss', *gradients, *moved][place]}"


def _params(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {role: each.params for role, each in variables.items()}


def _floating(tree: Any) -> list[Array]:
    return [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]


def _name(path: Any) -> str:
    return name_of(path).removesuffix(".value")  # of an nnx.Param
