"""Categories drawn by quantiles, so that chance is an input: whoever is given the same numbers draws the same."""

import jax
import jax.numpy as jnp

from gan_cli.types import Array


def quantile(logits: Array, u: Array) -> Array:
    """The category at quantile u [...] of the distribution of logits [..., K]: int32 [...]; sums are float32."""
    until = jnp.cumsum(jax.nn.softmax(logits.astype(jnp.float32)), axis=-1)
    return (until[..., :-1] < u[..., None]).sum(axis=-1, dtype=jnp.int32)  # by rounding the last sum may be below 1
