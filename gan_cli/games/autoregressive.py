"""Autoregressive models: p(x) = Π p(x_i | x_1 .. x_{i-1}), one network for all of the factors."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from gan_cli import media
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.layers.categorical import quantile
from gan_cli.types import Array, Aux, Batch, Ports, Spec


def autoregressive(spec: Spec, model: NetFactory) -> Game:
    """-E log p(x), exactly, of images or tokens: PixelCNN and its like, by their networks.

    https://arxiv.org/abs/1601.06759. The network gives logits of each value's levels ([data] levels, or all 256), or of
    each token's words, given the values before it in the order of memory. A sample is drawn value after value, the i-th
    at the quantile u_i ~ U(0, 1) of its conditional, so that u decides it; each takes a pass of the whole network.
    """
    stored = media.of(spec)
    if stored.dtype not in ("uint8", "int32"):
        raise ValueError(f"its data have values of finitely many kinds, images or tokens, and these are {stored.many}")
    is_text = stored.dtype == "int32"
    count = len(spec.words) if is_text else spec.levels or 256
    size = math.prod(spec.shape)

    def numbers(x: Array) -> Array:
        """Values as games see them -> their levels or words, int32 from 0."""
        return x if is_text else jnp.round((x + 1) / 2 * (count - 1)).astype(jnp.int32)

    def values(number: Array) -> Array:
        return number if is_text else number.astype(jnp.float32) * (2 / (count - 1)) - 1

    def log_p(nets: Nets, batch: Batch) -> Array:
        chosen = numbers(batch["x"])
        logits, _ = nets["model"](values(chosen))  # [B, ..., count]
        each = jnp.take_along_axis(jax.nn.log_softmax(logits), chosen[..., None], axis=-1)
        return each.reshape(len(chosen), -1).sum(axis=1)

    def loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        nll = -log_p(nets, batch).mean()
        return nll, {"bits": nll / size / math.log(2)}  # a value

    def sample(nets: Nets, batch: Batch) -> Array:
        u, run = batch["u"], nets.frozen("model")  # [B, D]

        def put(i: Array, x: Array) -> Array:
            logits, _ = run(values(x).reshape(-1, *spec.shape))
            own = lax.dynamic_index_in_dim(logits.reshape(len(x), size, count), i, axis=1, keepdims=False)
            return x.at[:, i].set(quantile(own, u[:, i]))

        x = lax.fori_loop(0, size, put, jnp.zeros(u.shape, jnp.int32))
        return values(x).reshape(-1, *spec.shape)

    return Game(
        networks={"model": partial(model, Ports(spec.shape, (*spec.shape, count), words=count if is_text else 0))},
        turns=(Turn("model", ("model",), loss),),
        draw=lambda key, n: {"u": jax.random.uniform(key, (n, size))},
        asks={"sample": Ask(sample)},
        density=log_p,
    )
