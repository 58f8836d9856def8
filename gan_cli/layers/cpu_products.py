"""The three matrix products of cpu_conv.py, of taps U [G, K, O], data V [G, K, M] and results Y [G, O, M].

XLA:CPU multiplies a transposed left operand slowly (in bfloat16, by making it float32), so Uᵀ is an operand, too.
Operands may be bfloat16; sums and results are at least float32. That is both faster (2x, measured) and more exact than
results of bfloat16.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from gan_cli.types import Array


def wide(dtype: Any) -> Any:
    """The dtype to add in: float32, or wider if `dtype` is."""
    return jnp.promote_types(dtype, jnp.float32)


def transposed_taps_by_data(UT: Array, V: Array) -> Array:
    """Y = Uᵀ V, of Uᵀ [G, O, K]."""
    return _product(UT, V, (2, 1))


def taps_by_results(U: Array, Y: Array) -> Array:
    """V = U Y."""
    return _product(U, Y, (2, 1))


def data_by_results(V: Array, Y: Array) -> Array:
    """U = V Yᵀ."""
    return _product(V, Y, (2, 2))


def _product(a: Array, b: Array, summed: tuple[int, int]) -> Array:
    """The product of each of G pairs of matrices, summed over one axis of each."""
    axes = (((summed[0],), (summed[1],)), ((0,), (0,)))
    return lax.dot_general(a, b, axes, preferred_element_type=wide(a.dtype))
