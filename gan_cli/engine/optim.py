"""Optimisers: any of optax's by name, with a learning rate or one of optax's schedules, and gradient clipping.

    [optimisers.generator]
    name = "adam"                     # any optax optimiser that takes a learning rate
    learning_rate = 2e-4              # or { schedule = "cosine_decay_schedule", init_value = 2e-4, decay_steps = 1000 }
    b1 = 0.5
    clip_norm = 1.0                   # gradients are scaled down to this global norm; absent: not clipped
    clip_weights = 0.01               # weights are kept in [-0.01, 0.01] (WGAN's critic); absent: they are free
    bound_units = 1.9365              # weights into a unit are shortened to this norm; absent: they are free
    historical_averaging = 0.1        # weights are drawn to the mean of all they have been; absent: they are not

optax's own signatures are the schema: each of their parameters that TOML can hold is an option. Types are checked;
ranges are not, because optax does not state them.
"""

import inspect
import math
import typing
from collections.abc import Callable, Set
from functools import cache, wraps
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from pydantic import BaseModel, BeforeValidator, PositiveFloat

from gan_cli import slips
from gan_cli.binding import Factory, Form, Kind, Table, strict_model, validate_part
from gan_cli.types import Array

BOUNDARIES = dict[int, float]  # step -> factor or value


def _optax_model(function: Factory, **extra: Any) -> type[BaseModel]:
    """The schema of an optax function; `extra` options replace or join the signature's own: name -> (type, default).

    Parameters that TOML cannot hold (masks, dtypes, callables) are left out.
    """
    fields = {}
    for name, parameter in inspect.signature(function).parameters.items():
        members = typing.get_args(parameter.annotation) or (parameter.annotation,)
        # float first: optax's `Numeric` includes all of them
        kind = next((candidate for candidate in (float, int, bool, BOUNDARIES) if candidate in members), None)
        if kind is not None:
            hint = kind | None if type(None) in members else kind
            fields[name] = (hint, ... if parameter.default is parameter.empty else parameter.default)
    return strict_model(function.__name__, {**fields, **extra})


def _is_optax(name: Any, markers: Set[str]) -> bool:
    """Whether optax has a public function of this name with one of the parameters `markers` that a recipe can call."""
    unusable = {"linesearch", "interpolate_type", "key", "optimism"}  # L-BFGS, noisy_sgd (a JAX key), deprecated ones
    function = vars(optax).get(name) if isinstance(name, str) and not name.startswith(("_", "scale_by")) else None
    parameters = inspect.signature(function).parameters.keys() if inspect.isfunction(function) else set()
    return bool(markers & parameters) and not unusable & parameters


def _optax_kind(word: str, key: str, markers: Set[str], find: Callable[[str], Factory], model: Any) -> Kind:
    """The kind of optax's public functions with one of the parameters `markers`."""
    return Kind(
        word,
        key,
        names=lambda: sorted(name for name in vars(optax) if _is_optax(name, markers)),
        has=lambda name: _is_optax(name, markers),
        find=find,
        model=model,
    )


SCHEDULE = _optax_kind(
    "schedule",
    "schedule",
    {"init_value", "peak_value"},
    find=lambda name: getattr(optax, name),
    model=cache(_optax_model),
)


def _check_learning_rate(value: Any) -> Any:
    if isinstance(value, str) and slips.number_in(value) is not None:
        raise ValueError(f"expected a number{slips.number_meant(value, whole=False)}")
    if isinstance(value, (str, dict)):
        return validate_part(SCHEDULE, value, "learning_rate.")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError("expected a number greater than 0, or a table that names a schedule")
    return float(value)


@cache
def _optimiser_model(function: Factory) -> type[BaseModel]:
    """The schema of an optax optimiser with our own options.

    In it a learning rate is a number or a schedule, whose options are left out: they would repeat for every optimiser.
    """

    def form() -> Table:
        named = {"type": "object", "properties": {SCHEDULE.key: {"enum": SCHEDULE.names()}}, "required": [SCHEDULE.key]}
        return {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, named]}

    rate = Annotated[Any, BeforeValidator(_check_learning_rate), Form(form), SCHEDULE]
    limit = (PositiveFloat | None, None)
    own = dict.fromkeys(("clip_norm", "clip_weights", "bound_units", "historical_averaging"), limit)
    return _optax_model(function, learning_rate=(rate, ...), **own)


def _clip_weights(limit: float) -> optax.GradientTransformation:
    """Shortens updates so that every weight ends in [-limit, limit], https://arxiv.org/abs/1701.07875, algorithm 1.

    Last in a chain. Weights that start outside are moved in by the first update.
    """
    return optax.stateless(
        lambda updates, params: jax.tree.map(lambda u, p: jnp.clip(p + u, -limit, limit) - p, updates, params)
    )


def _bound_units(limit: float) -> optax.GradientTransformation:
    """Shortens the weights into each unit, [..., I] of a matrix [..., I, O], to at most the norm `limit`.

    https://arxiv.org/abs/1207.0580, section 2, with dropout. Last in a chain.
    """

    def one(update: Array, params: Array) -> Array:
        if params.ndim < 2:
            return update
        new = params + update
        norms = jnp.sqrt(jnp.sum(new**2, axis=tuple(range(new.ndim - 1)), keepdims=True))
        return new * jnp.minimum(1, limit / jnp.maximum(norms, 1e-12)) - params

    return optax.stateless(lambda updates, params: jax.tree.map(one, updates, params))


class _History(NamedTuple):
    """The state of historical averaging."""

    steps: Array  # int32 []: steps so far
    mean: Any  # the mean of the weights before each of them


def _historical_averaging(weight: float) -> optax.GradientTransformation:
    """Adds the gradient of λ |θ - mean of all θ so far|², https://arxiv.org/abs/1606.03498, section 3.3.

    First in a chain: it is a term of the loss. The mean is a constant in it, as in fictitious play.
    """

    def init(params: Any) -> _History:
        return _History(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def add(updates: Any, state: _History, params: Any) -> tuple[Any, _History]:
        steps = state.steps + 1
        mean = jax.tree.map(lambda m, p: m + (p - m) / steps, state.mean, params)
        pull = jax.tree.map(lambda u, p, m: u + 2 * weight * (p - m), updates, params, mean)
        return pull, _History(steps, mean)

    return optax.GradientTransformation(init, add)


@cache
def _optimiser(name: str) -> Factory:
    """The optax optimiser `name` with options that clip its gradients, and clip or draw back the weights it moves."""
    function = getattr(optax, name)

    @wraps(function)  # keeps its signature, from which the schema is derived
    def optimiser(
        *,
        clip_norm: float | None = None,
        clip_weights: float | None = None,
        bound_units: float | None = None,
        historical_averaging: float | None = None,
        **options: Any,
    ) -> optax.GradientTransformation:
        before = [] if historical_averaging is None else [_historical_averaging(historical_averaging)]
        before += [] if clip_norm is None else [optax.clip_by_global_norm(clip_norm)]
        after = [] if clip_weights is None else [_clip_weights(clip_weights)]
        after += [] if bound_units is None else [_bound_units(bound_units)]
        made = function(**options)
        return optax.chain(*before, made, *after) if before or after else made

    return optimiser


OPTIMISER = _optax_kind("optimiser", "name", {"learning_rate"}, find=_optimiser, model=_optimiser_model)


def slowed(optimiser: optax.GradientTransformation, factor: float) -> optax.GradientTransformation:
    """The optimiser with every update `factor` times as long; its state has the same form."""

    def update(gradients: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = optimiser.update(gradients, state, params)
        return jax.tree.map(lambda u: factor * u, updates), state

    return optax.GradientTransformation(optimiser.init, update)


def is_smooth(optimiser: optax.GradientTransformation) -> bool:
    """Whether its update has a finite derivative with respect to the gradient, also where that is 0 (a dead unit)."""
    params = jnp.ones(2)
    state = optimiser.init(params)
    derivative = jax.grad(lambda gradient: jnp.sum(optimiser.update(gradient, state, params)[0]))
    return bool(jnp.isfinite(derivative(jnp.array([0.0, 1.0]))).all())
