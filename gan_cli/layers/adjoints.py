"""A convolution, its transpose, and the gradient of its kernel: three maps, and the derivatives of each the two others.

Each is linear in both of its operands, so that its derivative in one is its adjoint there, at the cotangent of its
result. Differentiable in reverse mode to any order, as gradient penalties and unrolled games need; not in forward mode
(jvp).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from gan_cli.types import Array

Pads = tuple[tuple[int, int], ...]  # (before, after) of a map's height and of its width; of three axes, depth first
Bilinear = Callable[[Any, Array, Array], Array]  # (geometry, first operand, second operand) -> result


def adjoint(conv: Bilinear, conv_transpose: Bilinear, kernel_gradient: Bilinear) -> tuple[Bilinear, Bilinear, Bilinear]:
    """The three maps with each other as derivatives. The geometry is hashable, and the same for all of them.

    conv: kernel, large map -> small map; conv_transpose: kernel, small map -> large map; kernel_gradient: large map,
    small map -> kernel.
    """
    conv, conv_transpose, kernel_gradient = made = [
        jax.custom_vjp(bilinear, nondiff_argnums=(0,)) for bilinear in (conv, conv_transpose, kernel_gradient)
    ]

    def of_conv(geometry: Any, kernel: Array, large: Array, small: Array) -> tuple[Array, Array]:
        return kernel_gradient(geometry, large, small), conv_transpose(geometry, kernel, small)

    def of_conv_transpose(geometry: Any, kernel: Array, small: Array, large: Array) -> tuple[Array, Array]:
        return kernel_gradient(geometry, large, small), conv(geometry, kernel, large)

    def of_kernel_gradient(geometry: Any, large: Array, small: Array, kernel: Array) -> tuple[Array, Array]:
        return conv_transpose(geometry, kernel, small), conv(geometry, kernel, large)

    for bilinear, derivatives in zip(made, (of_conv, of_conv_transpose, of_kernel_gradient), strict=True):
        bilinear.defvjp(partial(_forward, bilinear), partial(_backward, derivatives))
    return conv, conv_transpose, kernel_gradient


def _forward(bilinear: Bilinear, geometry: Any, first: Array, second: Array) -> tuple[Array, tuple[Array, Array]]:
    return bilinear(geometry, first, second), (first, second)


def _backward(derivatives: Any, geometry: Any, saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    made: tuple[Array, Array] = derivatives(geometry, *saved, cotangent)
    return made
