"""Where a training stops being finite: the first step, turn, network and layer at which a number is NaN or infinite.

Each turn looks at its loss, its gradients and what it has moved, in this order, inside the compiled step.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import tree_leaves_with_path

from gan_cli.engine.state import Experiment, leaf_name, state_shapes
from gan_cli.games.networks import Variables
from gan_cli.types import Array, Aux

BAD = "bad"  # in a turn's report: 0, or what `observe` found first, and when
PLACES = 1 << 12  # more than a turn has leaves
DEAD = 1e-12  # a gradient below this moves nothing
SMALL = 1 << 10  # numbers in a leaf that is summed together with others


def observe(loss: Array, gradients: Any, updates: Any, moved: Mapping[str, Variables]) -> Aux:
    """A turn's report of its move, scalars: the norm of the update, the share of dead gradients, and BAD.

    BAD is 0 when everything is finite, else 1 + the place of the first leaf that is not, in the order of `describe`.
    The sums that the report needs anyway tell: what is not finite enters them as NaN, and nothing else makes them NaN,
    because the squares of finite numbers overflow to infinity.
    """
    dead = [jnp.where(jnp.isfinite(g), jnp.abs(g) < DEAD, jnp.nan) for g in jax.tree.leaves(gradients)]
    squares = {
        role: Variables(
            jax.tree.map(lambda u, p: jnp.where(jnp.isfinite(p), u * u, jnp.nan), updates[role], each.params),
            [jnp.where(jnp.isfinite(x), 0.0, jnp.nan) for x in jax.tree.leaves(each.rest) if _is_float(x)],
        )
        for role, each in moved.items()
    }
    sums = _sums([jnp.where(jnp.isfinite(loss), 0.0, jnp.nan), *dead, *jax.tree.leaves(squares)])
    bad = jnp.isnan(sums)
    return {
        "update_norm": jnp.sqrt(sums[1 + len(dead) :].sum()),
        "dead": sums[1 : 1 + len(dead)].sum() / sum(g.size for g in dead),
        BAD: jnp.where(bad.any(), 1 + jnp.argmax(bad), 0).astype(jnp.int32),
    }


def _sums(leaves: list[Array]) -> Array:
    """The sum of each leaf, float32 [L]. Small ones, scalars among them, share a loop: it costs more than they do."""
    small = [x for x in leaves if x.size <= SMALL]
    longest = max(x.size for x in small)
    rows = iter(jnp.stack([jnp.pad(x.ravel(), (0, longest - x.size)) for x in small]).sum(axis=1))
    return jnp.stack([next(rows) if x.size <= SMALL else x.sum() for x in leaves])


def add(sums: Mapping[str, Mapping[str, Array]], new: Mapping[str, Mapping[str, Array]], i: Array) -> Any:
    """The reports of a call's first i steps, `sums`, joined with those of its next step, `new`.

    Scalars are added up; of BAD the first that is not 0 is kept, with its step.
    """
    added: dict[str, dict[str, Array]] = {turn: {} for turn in sums}
    for turn, report in sums.items():
        for name, old in report.items():
            value = new[turn][name]
            if name == BAD:
                added[turn][name] = jnp.where((old == 0) & (value > 0), i * PLACES + value, old)
            else:
                added[turn][name] = old + value
    return added


def first(sums: Mapping[str, Mapping[str, Any]]) -> tuple[int, str, int] | None:
    """(step of the call from 0, turn, place) of the first number in a call that was not finite; None: all were."""
    found = [(int(report[BAD]), turn) for turn, report in sums.items() if report[BAD]]
    if not found:
        return None
    code, turn = min(found, key=lambda each: each[0] // PLACES)  # among turns of the same step, the one that came first
    return code // PLACES, turn, code % PLACES - 1


def describe(experiment: Experiment, turn: str, place: int) -> str:
    """The name of a place: "the generator's turn: the gradient of generator.out.kernel"."""
    trains = next(each.trains for each in experiment.game.turns if each.name == turn)
    moved = {role: state_shapes(experiment).variables[role] for role in trains}
    params = {role: each.params for role, each in moved.items()}
    names = ["its loss"]
    for kind, tree in (("the gradient of ", params), ("", moved)):
        for path, x in tree_leaves_with_path(tree):
            if _is_float(x):
                names.append(kind + leaf_name(path).removesuffix(".value"))  # which nnx.Param adds
    return f"the {turn}'s turn: {names[place]}"


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)
