"""The linear maps of cpu_conv.py, in pairs of adjoints.

`gather`, `gather_taps` and `spread` lead from images [C, H, W, N] and kernels [k, k, A, B] to the operands of matrix
products, `scatter`, `scatter_taps` and `finish` back from their results. Images and kernels are float32 or
wider; operands have the geometry's dtype, which can be bfloat16.

The batch N is the last, contiguous axis: cutting and combining move whole vectors. `optimization_barrier` marks what is
to be computed once; XLA would otherwise repeat it in each of the fused loops that read it.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from gan_cli.layers.winograd import Form, Matrix, spread_over, transpose
from gan_cli.types import Array

Grid = list[list[Array]]  # arrays of one shape, [rows][columns]

HEIGHT, WIDTH = 1, 2  # axes of images [C, H, W, N]


class Geometry(NamedTuple):
    """The static facts of a convolution from a large map to a small one; its adjoint goes from small to large."""

    form: Form
    kernel: int  # taps along one axis
    dtype: Any  # that of the operands of products; images and kernels are float32 or wider
    before: tuple[int, int]  # padding before the large map's first row and column
    large: tuple[int, int]  # height and width
    small: tuple[int, int]

    @property
    def tiles(self) -> tuple[int, int]:
        """Number of windows along height and width; the last may reach beyond the map."""
        height, width = self.small
        return -(-height // self.form.outputs), -(-width // self.form.outputs)

    @property
    def whole(self) -> bool:
        """Whether the only window is the large map itself: nothing to cut or to add up."""
        form, side = self.form, self.form.window
        alone = form.products == form.phases == 1
        return alone and (self.before, self.large, self.small) == ((0, 0), (side, side), (1, 1))


def gather(geometry: Geometry, x: Array) -> Array:
    """Large map [C, H, W, N] -> the combined windows that products are made with, [G, K, tiles N]."""
    if geometry.whole:
        return lax.optimization_barrier(x.transpose(1, 2, 0, 3)).astype(geometry.dtype).reshape(1, -1, x.shape[3])
    form, tiles = geometry.form, geometry.tiles
    p, reach = form.phases, [form.step * (n - 1) + form.window for n in tiles]
    for axis in (HEIGHT, WIDTH):
        x = _place(x, axis, geometry.before[axis - 1], p * reach[axis - 1])
    x = x.reshape(len(x), reach[0], p, reach[1], p, -1).transpose(2, 4, 0, 1, 3, 5)  # [p, p, C, rows, columns, N]
    x = lax.optimization_barrier(x.reshape(-1, *reach, x.shape[5]))
    last_row, last_column = (form.step * (n - 1) + 1 for n in tiles)
    stride = (1, form.step, form.step, 1)
    places = [  # place (u, v) of every window, for all u and v: [p p C, *tiles, N]
        [
            lax.slice(x, (0, u, v, 0), (len(x), u + last_row, v + last_column, x.shape[3]), stride)
            for v in range(form.window)
        ]
        for u in range(form.window)
    ]
    return _group(geometry, combine_both(form.data, places))


def scatter(geometry: Geometry, data: Array) -> Array:
    """The adjoint of `gather`: [G, K, tiles N] -> [C, H, W, N]. Windows that overlap add up."""
    if geometry.whole:
        data = data.reshape(*geometry.large, -1, data.shape[2])
        # else XLA moves the transposition past what follows, not always alike
        return lax.optimization_barrier(data.transpose(2, 0, 1, 3))
    form, p, n = geometry.form, geometry.form.phases, geometry.form.window * geometry.form.phases
    x = data.reshape(form.window, form.window, p, p, -1, *geometry.tiles, data.shape[2] // math.prod(geometry.tiles))
    # Phase by phase: together they would be fewer loops, but hold a margin of up to half a window around the map.
    adjoint = spread_over(transpose(form.data), p)
    rows = [
        _overlap_add(geometry, WIDTH, combine(adjoint, [x[u // p, v // p, u % p, v % p] for v in range(n)]))
        for u in range(n)
    ]
    columns = [_overlap_add(geometry, HEIGHT, combine(adjoint, column)) for column in zip(*rows, strict=True)]
    return _interleave(list(zip(*columns, strict=True)), geometry.large)


def gather_taps(geometry: Geometry, kernel: Array) -> Array:
    """Kernel [k, k, A, B] -> the combined taps that products are made with, U [G, K, B]."""
    kernel = lax.optimization_barrier(_split_taps(geometry.form, kernel))
    return _group(geometry, combine_both(geometry.form.taps, [list(row) for row in kernel]))


def gather_taps_transposed(geometry: Geometry, kernel: Array) -> Array:
    """Kernel [k, k, A, B] -> Uᵀ [G, B, K]. The kernel is transposed, which is smaller than U."""
    form = geometry.form
    kernel = lax.optimization_barrier(_split_taps(form, kernel).swapaxes(2, 3))
    parts = [
        part.astype(geometry.dtype) for row in combine_both(form.taps, [list(row) for row in kernel]) for part in row
    ]
    if form.products == 1:
        return _joined(parts, axis=1)[None]
    return _joined(parts).reshape(len(parts), *parts[0].shape)


def scatter_taps(geometry: Geometry, taps: Array) -> Array:
    """The adjoint of `gather_taps`: [G, K, B] -> [k, k, A, B]."""
    form, k, p = geometry.form, geometry.kernel, geometry.form.phases
    grid = combine_both(transpose(form.taps), _ungroup(form, taps, (-1,)))
    kernel = jnp.stack([jnp.stack(row) for row in grid])  # [r, r, p p A, B]
    r = len(kernel)
    kernel = kernel.reshape(r, r, p, p, -1, kernel.shape[3]).transpose(0, 2, 1, 3, 4, 5)
    return kernel.reshape(r * p, r * p, *kernel.shape[4:])[:k, :k]


def finish(geometry: Geometry, results: Array) -> Array:
    """Products [G, O, tiles N] -> small map [O, H, W, N]."""
    form = geometry.form
    results = results.reshape(form.products, form.products, results.shape[1], *geometry.tiles, -1)
    grid = combine_both(form.result, [list(row) for row in results])
    return _interleave(grid, geometry.small)


def spread(geometry: Geometry, y: Array) -> Array:
    """The adjoint of `finish`: [O, H, W, N] -> [G, O, tiles N]."""
    form, (height, width) = geometry.form, geometry.tiles
    n = form.outputs
    y = lax.optimization_barrier(_place(_place(y, HEIGHT, 0, n * height), WIDTH, 0, n * width))
    y = y.reshape(len(y), height, n, width, n, -1)
    pixels = [[y[:, :, i, :, j] for j in range(n)] for i in range(n)]
    grid = combine_both(transpose(form.result), pixels)
    parts = [part.astype(geometry.dtype) for row in grid for part in row]
    return _joined(parts).reshape(form.products**2, len(y), -1)


def combine(matrix: Matrix, parts: Sequence[Array]) -> list[Array]:
    """Matrix times vector, where the vector's components are arrays."""
    sums = []
    for weights in matrix:
        terms = [part if weight == 1 else weight * part for weight, part in zip(weights, parts, strict=True) if weight]
        sums.append(sum(terms[1:], start=terms[0]) if terms else jnp.zeros_like(parts[0]))
    return sums


def combine_both(matrix: Matrix, grid: Sequence[Sequence[Array]]) -> Grid:
    """The matrix along both axes of a grid of arrays."""
    rows = [combine(matrix, row) for row in grid]
    columns = [combine(matrix, column) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _overlap_add(geometry: Geometry, axis: int, parts: Sequence[Array]) -> list[Array]:
    """The adjoint of cutting windows along one axis, by residue classes.

    Pixel u of window t, parts[u][t], belongs to pixel step * t + u - before of the map, all phases counted. Of its
    pixels step * t + c, c < step, the result's c-th array holds the sum of all values that belong to each.
    """
    step, before = geometry.form.step * geometry.form.phases, geometry.before[axis - 1]
    size = -(-geometry.large[axis - 1] // step)
    classes: list[list[Array]] = [[] for _ in range(step)]
    for u, part in enumerate(parts):
        shift, c = divmod(u - before, step)
        classes[c].append(_place(part, axis, shift, size))
    zero = jnp.zeros_like(_place(parts[0], axis, 0, size))
    return [sum(terms[1:], start=terms[0]) if terms else zero for terms in classes]


def _interleave(grid: Sequence[Sequence[Array]], size: tuple[int, int]) -> Array:
    """Pixel (a, b) of every tile, for all a and b, [C, T, S, N] each -> [C, *size, N]; what exceeds it is dropped."""
    x = jnp.stack([jnp.stack(row, axis=3) for row in grid], axis=2)  # [C, T, rows, S, columns, N]
    channels, tall, rows, broad, columns, n = x.shape
    return x.reshape(channels, tall * rows, broad * columns, n)[:, : size[0], : size[1]]


def _place(x: Array, axis: int, at: int, size: int) -> Array:
    """`x` moved to position `at` of an axis of `size` zeros; what falls outside is dropped."""
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (at, size - at - x.shape[axis], 0)
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def _split_taps(form: Form, kernel: Array) -> Array:
    """Kernel [k, k, A, B] -> its phases, [r, r, p p A, B]; a phase that lacks a tap has a zero there."""
    p, r = form.phases, len(form.taps[0])
    kernel = _place(_place(kernel, 0, 0, r * p), 1, 0, r * p)
    kernel = kernel.reshape(r, p, r, p, *kernel.shape[2:]).transpose(0, 2, 1, 3, 4, 5)
    return kernel.reshape(r, r, -1, kernel.shape[5])


def _group(geometry: Geometry, grid: Grid) -> Array:
    """Combined windows or taps [C, ...], by place in the window -> [G, K, rest]: G products, each a sum over K."""
    places = [part.astype(geometry.dtype) for row in grid for part in row]
    products = geometry.form.products**2
    return _joined(places).reshape(products, len(places) // products * len(places[0]), -1)


def _joined(parts: Sequence[Array], axis: int = 0) -> Array:
    """The arrays concatenated. bfloat16 goes as bits: XLA:CPU would convert it to float32 and back."""
    dtype = parts[0].dtype
    if dtype != jnp.bfloat16:
        return jnp.concatenate(parts, axis)
    bits = [lax.bitcast_convert_type(part, jnp.uint16) for part in parts]
    return lax.bitcast_convert_type(jnp.concatenate(bits, axis), dtype)


def _ungroup(form: Form, grouped: Array, rest: tuple[int, ...]) -> Grid:
    """The inverse of `_group`: the arrays of places, [C, *rest] each."""
    n = form.window
    x = grouped.reshape(n, n, grouped.shape[0] * grouped.shape[1] // n**2, *rest)
    return [[x[u, v] for v in range(n)] for u in range(n)]
