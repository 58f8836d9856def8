"""Random changes of examples inside the step: the same for all image parts of one, and new each time that it comes up.

Each is named in a list, `augment = ["augment.flip"]`. Metrics and pictures of real examples see them as they are.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from pydantic import Field, PositiveInt

from gan_cli import media
from gan_cli.binding import kind
from gan_cli.data.source import Source
from gan_cli.errors import InputError
from gan_cli.types import Array, Key, Spec, X

Share = Annotated[float, Field(ge=0, le=1)]


class Augment(NamedTuple):
    """A random change of one example."""

    apply: Callable[[Key, Mapping[str, Array]], Mapping[str, Array]]
    """(key, its image parts by name, float32 [H, W, C] in [-1, 1] each) -> the same parts, changed alike."""


AUGMENT = kind("augmentation", "augment", "gan_cli.data", Augment, option=True)


def flip(*, share: Share = 0.5) -> Augment:
    """Mirrors left and right, in this share of the examples."""

    def apply(key: Key, images: Mapping[str, Array]) -> Mapping[str, Array]:
        mirrored = jax.random.bernoulli(key, share)
        return {name: jnp.where(mirrored, x[:, ::-1], x) for name, x in images.items()}

    return Augment(apply)


def shift(*, pixels: PositiveInt = 2) -> Augment:
    """Moves by a whole number of pixels, at most so many up or down and to a side; the edge is repeated.

    Parts of other sizes than x move by as large a share of their own.
    """

    def apply(key: Key, images: Mapping[str, Array]) -> Mapping[str, Array]:
        rows, columns = jax.random.randint(key, (2,), -pixels, pixels + 1)
        height, width = images[X].shape[:2]

        def moved(x: Array) -> Array:
            down = jnp.arange(x.shape[0]) - jnp.rint(rows * x.shape[0] / height).astype(jnp.int32)
            right = jnp.arange(x.shape[1]) - jnp.rint(columns * x.shape[1] / width).astype(jnp.int32)
            return x[down.clip(0, x.shape[0] - 1)][:, right.clip(0, x.shape[1] - 1)]

        return {name: moved(x) for name, x in images.items()}

    return Augment(apply)


def zoom(*, least: Annotated[float, Field(gt=0, le=1)] = 0.895) -> Augment:
    """Enlarges a random part, at least this share of each side, to the whole size, bilinearly.

    pix2pix's jitter, 286 pixels of which 256 are taken (https://arxiv.org/abs/1611.07004, section 6.2), is least =
    0.895, but of one size there and of any from there to all of the image here.
    """

    def apply(key: Key, images: Mapping[str, Array]) -> Mapping[str, Array]:
        size, down, right = jax.random.uniform(key, (3,))
        share = least + (1 - least) * size
        corner = (1 - share) * jnp.stack([down, right])  # of the part, as a share of the sides

        def enlarged(x: Array) -> Array:
            sides = jnp.array(x.shape[:2])
            translation = -corner * sides / share
            return jax.image.scale_and_translate(
                x, x.shape, (0, 1), jnp.full(2, 1 / share), translation, method="linear", antialias=False
            )

        return {name: enlarged(x) for name, x in images.items()}

    return Augment(apply)


def change(source: Source, *, augment: tuple[Augment, ...] = ()) -> Source:
    """The source whose examples a training sees changed at random; raises InputError where they are no images."""
    if augment and not media.is_image(source.spec):
        raise InputError(f"{source.name}: [data] augment is for images, and these are {media.of(source.spec).many}")
    return source._replace(augment=augment) if augment else source


def augmented(augments: tuple[Augment, ...], spec: Spec, seeds: Array, parts: Mapping[str, Array]) -> dict[str, Array]:
    """Examples' parts [B, ...], those that are images changed, each by its example's seed uint32 [B]; jittable."""
    images = {X: spec, **{name: own for name, own in spec.parts.items() if media.is_image(own)}}

    def one(seed: Array, own: Mapping[str, Array]) -> Mapping[str, Array]:
        for i, augment in enumerate(augments):
            own = augment.apply(jax.random.fold_in(jax.random.key(seed), i), own)
        return own

    changed = jax.vmap(one)(seeds, {name: x for name, x in parts.items() if name in images})
    return {**parts, **changed}
