"""One pass over images through a feature network, for any number of metrics at once."""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from gan_cli import media
from gan_cli.data.pipeline import ahead
from gan_cli.devices import everyone, replicate, share
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.media.medium import to_levels
from gan_cli.metrics.frechet import no_moments
from gan_cli.metrics.metric import Metric, Sample
from gan_cli.types import Array, Spec

Images = np.ndarray | Array
IMAGES = "images"  # what `keep` calls the images themselves
COMPOSITED = "transparency composited on white"  # what a protocol says of it


class NotFiniteError(InputError):
    """An image holds NaN or infinity, or makes the feature network overflow."""


def collect(features: Features, batches: Iterable[Images], *, keep: Collection[str] = ()) -> Sample:
    """Statistics of the features of all images, and the outputs named in `keep` in full.

    Batches are images [B, H, W, C], uint8 or float32 in [-1, 1] (rounded to 8 bits, so that images straight from a
    generator and the PNG files made of them give the same numbers; RGBA is composited on white), videos or volumes
    alike, or vectors [B, D] or series [B, T, F] float32, taken as they are. The network is compiled once for the first
    batch's size; shorter batches are padded and longer ones divided. Memory grows with the number of images only
    through `keep`, where "images" stands for the images themselves, uint8.

    Raises InputError when there are no images or the network lacks an output, NotFiniteError when an image has a
    feature that is not finite.
    """
    check_outputs(features, keep)
    moments = None
    kept: dict[str, list[np.ndarray]] = {name: [] for name in keep}
    for outputs in extract(features, batches, images=IMAGES in keep):
        moments = moments or no_moments(outputs["features"].shape[1])
        bad = np.flatnonzero(~np.isfinite(outputs["features"]).all(1))
        if bad.size:
            raise NotFiniteError(
                f"image {moments.n + bad[0]} has features that are not finite: the image holds NaN or infinity"
            )
        moments = moments.add(outputs["features"])
        for name in kept:
            kept[name].append(outputs[name])
    if moments is None:
        raise InputError("there are no images to measure")
    return Sample(moments.statistics(), {name: np.concatenate(parts) for name, parts in kept.items()})


def check_outputs(features: Features, keep: Collection[str]) -> None:
    """Raise InputError when the network does not have all outputs that are to be kept."""
    unknown = set(keep) - {IMAGES, "features", *features.others} - ({"logits"} if features.classes else set())
    if unknown:
        raise InputError(f"feature network '{features.name}' has no {', '.join(sorted(unknown))}, which a metric needs")


def extract(features: Features, batches: Iterable[Images], *, images: bool = False) -> Iterator[dict[str, np.ndarray]]:
    """The network's outputs [B, ...] for one batch of images after the other, as `collect` takes them.

    images: whether the images themselves are among the outputs, uint8. All devices of the job share each batch.
    """
    devices = tuple(everyone())
    apply = features.apply if isinstance(features.apply, Partial) else Partial(features.apply)
    network, forward = replicate(apply, devices), compiled(images, devices)
    for outputs, n in ahead((forward(network, batch), n) for batch, n in equal_batches(batches, len(devices))):
        yield {name: np.asarray(output)[:n] for name, output in outputs.items()}


@functools.cache
def compiled(keep: bool, devices: Sequence[jax.Device]) -> Callable[[Partial, Images], dict[str, Array]]:
    """(network, images) -> its outputs, on all devices.

    keep: whether the images, uint8, are among the outputs. Cached, so that a metric taken every 1000 steps is compiled
    once: the network is an argument, and JAX keeps a program for each.
    """

    def forward(apply: Partial, images: Array) -> dict[str, Array]:
        images = composited(images)
        outputs = apply(eight_bit(images))
        return {**outputs, IMAGES: images if images.dtype == jnp.uint8 else to_levels(images)} if keep else outputs

    return share(forward, devices)


def composited(images: Array) -> Array:
    """RGBA [B, H, W, 4], uint8 or float in [-1, 1] -> RGB on white, uint8, as Pillow does it; others as they are."""
    if images.ndim != 4 or images.shape[-1] != 4:
        return images
    levels = (images if images.dtype == jnp.uint8 else to_levels(images)).astype(jnp.int32)
    colours, alpha = levels[..., :3], levels[..., 3:]
    return ((2 * (colours * alpha + 255 * (255 - alpha)) + 255) // 510).astype(jnp.uint8)


def composited_spec(spec: Spec) -> Spec:
    """The spec of images after `composited`: three channels in the place of four."""
    return spec._replace(shape=(*spec.shape[:2], 3)) if spec.shape[2:] == (4,) else spec


def eight_bit(images: Array) -> Array:
    """Levels uint8, or float in [-1, 1] to be rounded to 256 of them -> float32 in [-1, 1]; other numbers as they are.

    Images, videos and volumes are made of levels, and nothing else has three axes or more.
    """
    if images.ndim in (2, 3):
        return images
    if images.dtype != jnp.uint8:
        images = jnp.round((images.astype(jnp.float32).clip(-1, 1) + 1) * 127.5)
    return images.astype(jnp.float32) / 127.5 - 1


def equal_batches(batches: Iterable[Images], multiple: int = 1) -> Iterator[tuple[Images, int]]:
    """The same images in batches of the first one's size, rounded up to a `multiple`; short ones are padded with zeros.

    Yields (batch, number of images in it). Raises InputError for single examples without a batch axis, and for tokens.
    """
    rows = 0
    for batch in batches:
        if batch.ndim < 2 or batch.dtype == np.int32 or (batch.dtype == np.uint8 and batch.ndim < 4):
            why = f": {media.find('tokens').unlike}" if batch.dtype == np.int32 else ""
            raise InputError(
                "features are of images [batch, height, width, channels], of vectors [batch, length] and of other "
                f"numbers, not of {batch.dtype} of shape {batch.shape}{why}"
            )
        rows = rows or -(-len(batch) // multiple) * multiple
        if len(batch) == rows:
            yield batch, rows
            continue
        for part in np.split(np.asarray(batch), range(rows, len(batch), rows)):
            padding = [(0, rows - len(part))] + [(0, 0)] * (part.ndim - 1)
            yield np.pad(part, padding), len(part)


def evaluate(metrics: Iterable[Metric], real: Sample | None, fake: Sample) -> dict[str, float]:
    """The values of all metrics by name, from one pass over the images of each kind; InputError from a metric."""
    return {key: value for metric in metrics for key, value in metric.compute(real, fake).items()}


def kept_by(metrics: Iterable[Metric], *, real: bool = False) -> tuple[str, ...]:
    """Names of the outputs that `collect` must keep for these metrics, for fake images or for `real` ones."""
    return tuple(sorted({name for metric in metrics for name in (metric.keeps_real if real else metric.keeps)}))
