"""Attributes: whether shape, colour, size and place, read off the pixels, are those of the truth."""

import math

import jax.numpy as jnp
import numpy as np

from gan_cli.data.captioned import ATTRIBUTES, COLOURS, PLACES, SHAPES, SIZES, inside
from gan_cli.errors import InputError
from gan_cli.metrics.metric import Metric, Sample, Scope
from gan_cli.metrics.pairs import levels, require_sides
from gan_cli.types import Array


def attributes() -> Metric:
    """Share of attributes that are those of the truth, both read off the pixels, of `captioned` pictures; 1 is best.

    `attributes-colour` and its like are the shares of one of them, `attributes-all` that of results of which all are
    right. Guessing is right in 0.35 of all attributes. Pictures with nothing coloured in them are read as anything.
    """
    return Metric(
        name="attributes",
        lower_is_better=False,
        one_line="sees results that are not what was asked for; cannot see how good or how varied they are",
        paper="https://arxiv.org/abs/1612.03242",
        compute=compute_attributes,
        pair=lambda results, truths: read(results) == read(truths),
        check=check,
    )


def check(plan: Scope) -> tuple[str, ...]:
    """Raise InputError unless results are images. Returns no notices."""
    if plan.shape[2:] != (3,):
        raise InputError(f"attributes reads the colours of RGB images, and these are {plan.shape}")
    return require_sides("attributes", plan, least=8)


def compute_attributes(real: Sample | None, fake: Sample) -> dict[str, float]:  # noqa: ARG001
    """The shares over all results."""
    right = np.asarray(fake.pairs["attributes"])  # bool [N, 4]
    each = {f"attributes-{name}": float(share) for name, share in zip(ATTRIBUTES, right.mean(axis=0), strict=True)}
    return {"attributes": float(right.mean()), "attributes-all": float(right.all(axis=1).mean()), **each}


def read(images: Array) -> Array:
    """Pictures uint8 [B, H, W, 3] -> the numbers of their attributes, in the order of ATTRIBUTES: int32 [B, 4].

    What is coloured, at least half as much as the most coloured pixel, is the shape. Its area is its size, its centroid
    its place, its mean colour is compared with all colours by direction, and it with all shapes of that area there.
    """
    x = levels(images)
    chroma = x.max(axis=-1) - x.min(axis=-1)  # [B, H, W]
    mask = chroma >= jnp.maximum(chroma.max(axis=(1, 2), keepdims=True) / 2, 1 / 255)
    weight = mask / jnp.maximum(mask.sum(axis=(1, 2), keepdims=True), 1)
    _, height, width = mask.shape
    right, down = (jnp.arange(width) + 0.5) / width, ((jnp.arange(height) + 0.5) / height)[:, None]
    middle_x, middle_y = ((weight * along).sum(axis=(1, 2), keepdims=True) for along in (right, down))
    area = mask.mean(axis=(1, 2), keepdims=True)
    shapes = jnp.stack([inside(shape, right - middle_x, down - middle_y, area) for shape in SHAPES])  # [3, B, H, W]
    overlap = (shapes & mask).sum(axis=(2, 3)) / jnp.maximum((shapes | mask).sum(axis=(2, 3)), 1)
    colour = (weight[..., None] * x).sum(axis=(1, 2))  # [B, 3]
    known = np.array(list(COLOURS.values()), np.float32)
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    sizes, places = np.array(list(SIZES.values())), np.array(list(PLACES.values()))
    between = math.sqrt(math.prod(sizes))
    found = (
        overlap.argmax(axis=0),
        (colour @ known.T).argmax(axis=1),
        (area[:, 0, 0] > between).astype(jnp.int32),
        jnp.abs(middle_x[:, 0] - places).argmin(axis=1),
    )
    return jnp.stack([number.astype(jnp.int32) for number in found], axis=1)
