"""The matrix products of cpu_conv.py: a family of three, closed under differentiation in reverse mode.

Taps U [G, K, O], data V [G, K, M] and results Y [G, O, M]: the derivatives of each product are the two others. Left to
itself, JAX would differentiate them into products that XLA:CPU multiplies slowly.

Operands are rounded to `dtype`, the images' own; sums and results are of at least float32. In bfloat16 that is both
faster (2x, measured) and more exact than results of bfloat16.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gan_cli.types import Array


def wide(dtype: Any) -> Any:
    """The dtype to add in: float32, or wider if `dtype` is."""
    return jnp.promote_types(dtype, jnp.float32)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def taps_by_data(dtype: Any, U: Array, V: Array) -> Array:
    """Y = Uᵀ V."""
    # XLA:CPU multiplies a transposed left operand slowly, so the taps (small) are transposed in memory first
    return _product(dtype, lax.optimization_barrier(U.astype(dtype).swapaxes(1, 2)), V, (2, 1))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def taps_by_results(dtype: Any, U: Array, Y: Array) -> Array:
    """V = U Y."""
    return _product(dtype, U, Y, (2, 1))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def data_by_results(dtype: Any, V: Array, Y: Array) -> Array:
    """U = V Yᵀ."""
    return _product(dtype, V, Y, (2, 2))


def _product(dtype: Any, a: Array, b: Array, summed: tuple[int, int]) -> Array:
    """The product of each of G pairs of matrices, summed over one axis of each."""
    axes = (((summed[0],), (summed[1],)), ((0,), (0,)))
    return lax.dot_general(a.astype(dtype), b.astype(dtype), axes, preferred_element_type=wide(dtype))


def _derivatives(product: Any, of_first: Callable[..., Array], of_second: Callable[..., Array]) -> None:
    """Give `product` its derivatives, functions of (dtype, first operand, second operand, cotangent of the result)."""

    def forward(dtype: Any, a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
        return product(dtype, a, b), (a.astype(dtype), b.astype(dtype))  # in bfloat16, half the memory

    def backward(dtype: Any, operands: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
        a, b = (x.astype(wide(dtype)) for x in operands)
        return of_first(dtype, a, b, cotangent), of_second(dtype, a, b, cotangent)

    product.defvjp(forward, backward)


_derivatives(
    taps_by_data,
    lambda dtype, U, V, Y: data_by_results(dtype, V, Y),  # noqa: ARG005
    lambda dtype, U, V, Y: taps_by_results(dtype, U, Y),  # noqa: ARG005
)
_derivatives(
    taps_by_results,
    lambda dtype, U, Y, V: data_by_results(dtype, V, Y),  # noqa: ARG005
    lambda dtype, U, Y, V: taps_by_data(dtype, U, V),  # noqa: ARG005
)
_derivatives(
    data_by_results,
    lambda dtype, V, Y, U: taps_by_results(dtype, U, Y),  # noqa: ARG005
    lambda dtype, V, Y, U: taps_by_data(dtype, U, V),  # noqa: ARG005
)
