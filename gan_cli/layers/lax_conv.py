"""Convolutions as XLA knows them, on images [N, H, W, C], in the forms for which GPUs and TPUs have programs.

With kernels [k, k, k, I, O] they are three-dimensional, on [D, N, H, W, C].

For the gradient of a transposed convolution in its kernel JAX itself takes the large map as a kernel, and dilates the
small one. cuDNN has no such convolution, and XLA:CPU takes 15 to 34 times as long for it as for the one here.
"""

from typing import NamedTuple

from jax import lax

from gan_cli.layers.adjoints import Pads, adjoint
from gan_cli.types import Array


class _Letters(NamedTuple):
    """Which axis of an array is what, as `lax.conv_general_dilated` is told."""

    small: str  # maps
    kernel: str
    batch_summed: str  # the large map, where its channels are the batch and the batch its channels
    as_kernel: str  # and the small map, which is then the kernel
    made: str  # of which the kernel's gradient is the result


SPECS = {4: _Letters("NHWC", "HWIO", "CHWN", "IHWO", "HWNC"), 5: _Letters("DNHWC", "DHWIO", "DCHWN", "DIHWO", "DHWNC")}


class _Geometry(NamedTuple):
    """The numbers of a convolution, which are those of its transpose, too."""

    stride: int
    pads: Pads  # of the large map
    over: tuple[int, ...]  # rows and columns of the padded large map that the last stride leaves over

    def pads_used(self) -> list[tuple[int, int]]:
        """The padding without what is left over, which may make it negative."""
        return [(before, after - over) for (before, after), over in zip(self.pads, self.over, strict=True)]


def conv(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Convolution of x [N, H, W, C] with kernel [k, k, C, O]: [N, H', W', O], H' = (H + padding - k) // stride + 1."""
    sides = [x.shape[SPECS[kernel.ndim].small.index(letter)] for letter in SPECS[kernel.ndim].kernel[:-2]]
    over = tuple((n + sum(pad) - len(kernel)) % stride for n, pad in zip(sides, pads, strict=True))
    return _conv(_Geometry(stride, pads, over), kernel, x)


def conv_transpose(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """The adjoint of `conv` with kernel [k, k, O, C], on x [N, H, W, C]: [N, H', W', O].

    H' = stride (H - 1) + k - padding.
    """
    return _conv_transpose(_Geometry(stride, pads, (0,) * len(pads)), kernel, x)


def _plain(geometry: _Geometry, kernel: Array, large: Array) -> Array:
    spec, strides = SPECS[kernel.ndim], (geometry.stride,) * len(geometry.pads)
    numbers = (spec.small, spec.kernel, spec.small)
    return lax.conv_general_dilated(large, kernel, strides, geometry.pads, dimension_numbers=numbers)


def _transposed(geometry: _Geometry, kernel: Array, small: Array) -> Array:
    """A reversed kernel is what XLA looks for before it calls cuDNN's gradient of the input, which reverses none."""
    reach, spec, space = len(kernel) - 1, SPECS[kernel.ndim], len(geometry.pads)
    return lax.conv_general_dilated(
        small,
        lax.rev(kernel.swapaxes(-2, -1), tuple(range(space))),  # jax2onnx knows no kernel [k, k, O, I]
        (1,) * space,
        [(reach - before, reach - after) for before, after in geometry.pads_used()],
        lhs_dilation=(geometry.stride,) * space,
        dimension_numbers=(spec.small, spec.kernel, spec.small),
    )


def _of_kernel(geometry: _Geometry, large: Array, small: Array) -> Array:
    """The large map's channels are the batch, and the batch its channels."""
    spec, space = SPECS[large.ndim], len(geometry.pads)
    return lax.conv_general_dilated(
        large,
        small,
        (1,) * space,
        geometry.pads_used(),
        rhs_dilation=(geometry.stride,) * space,
        dimension_numbers=(spec.batch_summed, spec.as_kernel, spec.made),
    )


_conv, _conv_transpose, _kernel_gradient = adjoint(_plain, _transposed, _of_kernel)
