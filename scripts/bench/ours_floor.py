"""The floor of a DCGAN step: its direct matrix products and nothing else, by XLA, in one compiled call.

A convolution of a map of P places costs the same three products whichever way it is computed directly: forward
[O, kkI] x [kkI, BP], data gradient [kkI, O] x [O, BP], weight gradient [O, BP] x [BP, kkI]. A transposed convolution
has the same three in other roles, P being the places of its input.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from worker import serve

from gan_cli.engine import platform
from gan_cli.nets.dcgan import Pyramid, plan

TAPS = 16  # of a 4x4 kernel
LARGE = 4096  # two sides of the product that measures the device's ceiling; the third follows from the operations


class Layer(NamedTuple):
    """A convolution, or a transposed one seen from its larger side."""

    wide: int  # kernel taps times the channels on the side of the larger map
    narrow: int  # channels on the side of the smaller map
    places: int  # of the smaller map


Product = tuple[int, int, int]  # [m, k] x [k, n]


def layers(pyramid: Pyramid, outer: int) -> list[Layer]:
    """From the image inwards; `outer`: channels beyond the smallest map: 1 score or the latent's size."""
    channels, side = (pyramid.colours, *pyramid.widths), pyramid.base << len(pyramid.widths)
    downs = [
        Layer(TAPS * wide, narrow, (side >> level) ** 2 // 4) for level, (wide, narrow) in enumerate(pairwise(channels))
    ]
    return [*downs, Layer(pyramid.base**2 * channels[-1], outer, 1)]


def forward(layer: Layer, batch: int) -> Product:
    return layer.narrow, layer.wide, batch * layer.places


def backward(layer: Layer, batch: int) -> Product:
    return layer.wide, layer.narrow, batch * layer.places


def weights(layer: Layer, batch: int) -> Product:
    return layer.narrow, batch * layer.places, layer.wide


def step(pyramid: Pyramid, latent: int, batch: int) -> Iterator[Product]:
    """The products of one update of each player that are really needed.

    G forward once. D's turn: forward and weight gradients for real and fake, data gradients but to the image.
    G's turn: D forward and data gradients down to the image, no weight gradients of D; G's weight gradients, and its
    data gradients but to the latent.
    """
    G, D = layers(pyramid, latent), layers(pyramid, 1)
    for layer in D:
        yield from (forward(layer, 2 * batch), weights(layer, 2 * batch), forward(layer, batch), backward(layer, batch))
    for layer in D[1:]:
        yield backward(layer, 2 * batch)
    for layer in G:  # its forward pass is the other's data gradient
        yield from (backward(layer, batch), weights(layer, batch))
    for layer in G[:-1]:
        yield forward(layer, batch)


def flops(products: list[Product]) -> int:
    return sum(2 * m * k * n for m, k, n in products)


def repeated(products: list[Product], dtype: str):
    """All products, n times: a compiled function of n."""
    keys = jax.random.split(jax.random.key(0), (len(products), 2))
    operands = [
        (jax.random.normal(left, (m, k), dtype), jax.random.normal(right, (k, n), dtype))
        for (left, right), (m, k, n) in zip(keys, products, strict=True)
    ]

    def body(i, operands):
        operands, _ = lax.optimization_barrier((operands, i))  # else the products do not depend on i: done once
        return [jnp.matmul(a, b) for a, b in operands]

    @jax.jit
    def run(operands, n):
        zeros = [jnp.zeros((m, n), dtype) for m, _, n in products]
        return lax.fori_loop(0, n, lambda i, _: body(i, operands), zeros)

    return lambda n: jax.block_until_ready(run(operands, jnp.int32(n)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--ceiling", action="store_true", help="as many operations, in one large product")
    a = parser.parse_args()

    platform.start()
    pyramid = plan((a.size, a.size, a.channels), "dcgan", "image", a.width, 512)
    products = list(step(pyramid, a.latent, a.batch))
    needed = flops(products)
    if a.ceiling:
        products = [(LARGE, LARGE, max(1, round(needed / (2 * LARGE**2))))]
    run = repeated(products, a.precision)
    run(1)
    serve(run, gigaflop=needed / 1e9, backend=jax.default_backend())


if __name__ == "__main__":
    main()
