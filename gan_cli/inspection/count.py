"""Multiply-adds of a traced function: those of its matrix products and convolutions, whatever computes them.

A convolution and its adjoint, the transposed convolution, are one sum over taps, channels and places of the smaller
map, so both count as k k I O H W with the smaller map's H and W: padding is counted, zeros between pixels are not.
Elementwise operations (activations, norms, biases) are not counted, as is usual.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr

Scope = str  # the named scopes that an operation was traced in, joined by slashes


def multiply_adds(jaxpr: ClosedJaxpr) -> Counter[Scope]:
    """Multiply-adds of one call, by scope. Of a loop whose length is not known, one turn; of branches, all."""
    return _count(jaxpr.jaxpr, "")


def _count(jaxpr: Jaxpr, outer: Scope) -> Counter[Scope]:
    total: Counter[Scope] = Counter()
    for equation in jaxpr.eqns:
        scope = "/".join(filter(None, (outer, str(equation.source_info.name_stack))))
        count = COUNTS.get(equation.primitive.name)
        if count is not None:
            total[scope] += count(equation)
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        for inner in _inner(equation.params):
            total.update({name: times * n for name, n in _count(inner, scope).items()})
    return total


def _inner(parameters: dict[str, Any]) -> Iterator[Jaxpr]:
    """The programs in an operation's parameters, but for the rules of derivatives, which are functions."""
    for value in parameters.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, Jaxpr):
                yield item


def _product(equation: Any) -> int:
    """Of a matrix product: the size of the result times the length of what is summed over."""
    (summed, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in summed)


def _convolution(equation: Any) -> int:
    """Of a convolution: examples x output channels x input channels of a group x taps x places of the smaller map."""
    numbers = equation.params["dimension_numbers"]
    left, kernel = (variable.aval.shape for variable in equation.invars)
    out = equation.outvars[0].aval.shape
    places = min(math.prod(left[i] for i in numbers.lhs_spec[2:]), math.prod(out[i] for i in numbers.out_spec[2:]))
    taps = math.prod(kernel[i] for i in numbers.rhs_spec[1:])  # with the input channels of a group
    batch = out[numbers.out_spec[0]]
    return batch * out[numbers.out_spec[1]] * taps * places


COUNTS = {"dot_general": _product, "conv_general_dilated": _convolution}
