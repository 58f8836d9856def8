"""The arrays of a pytree by name, PRNG keys as their raw data: what is saved, and told to other processes."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp


def name(path: Any) -> str:
    """A leaf's path as "variables.generator.params.out.kernel.value"."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def flat(tree: Any, abstract: bool = False) -> dict[str, Any]:
    """The leaves by name; `abstract`: of a tree that may hold shapes only."""

    def plain(x: Any) -> Any:
        if not _is_key(x):
            return x
        return jax.eval_shape(jax.random.key_data, x) if abstract else jax.random.key_data(x)

    return {name(path): plain(x) for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def unflat(leaves: Mapping[str, Any], like: Any) -> Any:
    """The inverse of `flat`, for a tree like `like`."""

    def leaf(path: Any, x: Any) -> Any:
        value = jnp.asarray(leaves[name(path)])
        return jax.random.wrap_key_data(value) if _is_key(x) else value

    return jax.tree_util.tree_map_with_path(leaf, like)


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
