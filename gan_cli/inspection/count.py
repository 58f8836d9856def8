"""Multiply-adds of a traced function: those of its matrix products and convolutions, whatever computes them.

A convolution and its adjoint, the transposed convolution, are one sum over taps, channels and places of the smaller
map, so both count as k k I O H W with the smaller map's H and W: padding is counted, zeros between pixels are not.
Elementwise operations (activations, norms, biases) are not counted, as is usual.
"""

import math
from collections import Counter
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr

Scope = str  # the named scopes that an operation was traced in, joined by slashes


def multiply_adds(program: ClosedJaxpr | Jaxpr, outer: Scope = "") -> Counter[Scope]:
    """Multiply-adds of one call of a program, by scope; `outer` is the scope that it is called in.

    A loop whose length is not known counts as one turn, and a choice as all its branches.
    """
    total: Counter[Scope] = Counter()
    for equation in (program.jaxpr if isinstance(program, ClosedJaxpr) else program).eqns:
        name, parameters = equation.primitive.name, equation.params
        scope = "/".join(filter(None, (outer, str(equation.source_info.name_stack))))
        if name in COUNTS:
            total[scope] += COUNTS[name](equation)
        times = parameters.get("length", 1) if name == "scan" else 1
        # The programs in an operation's parameters, but for the rules of derivatives, which are functions.
        items = [
            item for value in parameters.values() for item in (value if isinstance(value, tuple | list) else [value])
        ]
        for inner in items:
            if isinstance(inner, ClosedJaxpr | Jaxpr):
                total.update({within: times * n for within, n in multiply_adds(inner, scope).items()})
    return total


def _count_product(equation: Any) -> int:
    """A matrix product costs the size of the result times the length of what is summed over."""
    (summed, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in summed)


def _count_convolution(equation: Any) -> int:
    """A convolution costs examples x output channels x input channels of a group x taps x places of the smaller map."""
    numbers = equation.params["dimension_numbers"]
    left, kernel = (variable.aval.shape for variable in equation.invars)
    out = equation.outvars[0].aval.shape
    places = min(math.prod(left[i] for i in numbers.lhs_spec[2:]), math.prod(out[i] for i in numbers.out_spec[2:]))
    taps = math.prod(kernel[i] for i in numbers.rhs_spec[1:])  # with the input channels of a group
    batch = out[numbers.out_spec[0]]
    return batch * out[numbers.out_spec[1]] * taps * places


COUNTS = {"dot_general": _count_product, "conv_general_dilated": _count_convolution}
