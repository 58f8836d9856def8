"""Minibatch discrimination: a discriminator that sees how close the examples of a batch are to each other."""

import jax.numpy as jnp
from flax import nnx

from gan_cli import devices
from gan_cli.types import Array


class MinibatchDiscrimination(nnx.Module):
    """Appends to features [B, F] the closeness of each example to the others of the batch, in several learnt views.

    https://arxiv.org/abs/1606.03498, section 3.2: o_b(i) = sum over j != i of exp(-|M_ib - M_jb|_1), M = f(x) T. The
    batch is that of all devices; as many examples as there are make the sum, so D's view depends on the batch's size.
    Departure: the authors' code centres o and scales T by its first batch; here T starts at N(0, 0.05²) and o as it is.
    """

    mixes = True  # what it makes of one example depends on the others

    def __init__(self, features: int, kernels: int, dims: int, rngs: nnx.Rngs):
        self.tensor = nnx.Param(nnx.initializers.normal(0.05)(rngs.params(), (features, kernels, dims)))

    def __call__(self, x: Array) -> Array:
        """[B, F] -> [B, F + kernels]."""
        views = jnp.einsum("bf,fkd->bkd", x, self.tensor[...].astype(x.dtype)).astype(jnp.float32)  # [B, K, D]
        others = devices.gather(views)  # [all B, K, D]
        # one term a dimension: three times as fast on a CPU as a sum over the last axis of [B, all B, K, D]
        terms = [jnp.abs(views[:, None, :, d] - others[:, :, d]) for d in range(views.shape[2])]
        distances = sum(terms[1:], terms[0])  # [B, all B, K]
        closeness = jnp.exp(-distances).sum(axis=1) - 1  # but for itself, at distance 0: [B, K]
        return jnp.concatenate([x, closeness.astype(x.dtype)], axis=1)


def minibatch(features: int, kernels: int, dims: int, rngs: nnx.Rngs) -> MinibatchDiscrimination | None:
    """The layer, or None for no kernels."""
    return MinibatchDiscrimination(features, kernels, dims, rngs) if kernels else None
