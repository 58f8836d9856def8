"""`gan project`: the latents whose samples are nearest to given images, found by descent from several starts.

https://arxiv.org/abs/1609.03552, sections 3.1 and 4.1. What is found for an image is a function of the seed and of the
image, whatever else is looked for beside it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gan_cli import media
from gan_cli.engine import kept, parallel, sampler
from gan_cli.engine.sampler import Inputs, Told, untold
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.runs.load import Loaded, load_run
from gan_cli.sampling.controls import resolve
from gan_cli.sampling.descent import DISTANCE, Projection, Rows, descent, latent_names
from gan_cli.sampling.latents import apply_conditions, count, painter, prior_of
from gan_cli.sampling.request import Conditions

CANDIDATES = 1000  # samples among which the starts are chosen
AT_ONCE = 250  # of them that are made at once


class Projected(NamedTuple):
    """What was found."""

    inputs: Inputs  # the generator's, leaves [n, ...]
    found: np.ndarray  # their samples uint8 [n, H, W, C]
    psnr: np.ndarray  # dB [n], of the known pixels


def project(
    loaded: Loaded,
    images: np.ndarray,
    wanted: Projection,
    *,
    known: np.ndarray | None = None,
    near: Inputs | None = None,
    told: Told = untold,
) -> Projected:
    """The latents whose samples are nearest to images uint8 [n, H, W, C]. `loaded` must be `whole`.

    known: bool [H, W, 1] or [n, H, W, 1], the pixels that count; None: all. near: latents of one image, or of n, from
    which the descent starts and near which it stays. Raises InputError for a model without latents, images of another
    shape and latents of another number.
    """
    experiment = loaded.experiment
    names = latent_names(experiment)
    shape, n = experiment.spec.shape, len(images)
    if images.shape[1:] != shape or images.dtype != np.uint8 or not n:
        raise InputError(f"uint8 {('n', *shape)} is wanted, not {images.dtype} {images.shape}")
    if min(wanted.starts, wanted.steps, wanted.batch) < 1:
        raise InputError("starts, steps and batch: at least 1 would do")
    if known is not None and known.shape not in ((*shape[:2], 1), (n, *shape[:2], 1)):
        raise InputError(f"mask: {list(shape[:2])} or {[n, *shape[:2]]} is wanted, not {list(known.shape[:-1])}")
    if near is not None:
        _check_near(near, experiment, wanted)
    if near is not None and count(near) not in (1, n):
        raise InputError(f"{count(near)} latents to stay near, for {n} images: one, or one each, would do")
    known = np.broadcast_to(True if known is None else known, (n, *shape[:2], 1)).astype(np.float32)
    if not known.any(axis=(1, 2, 3)).all():
        raise InputError("the mask is black all over: no pixel is known, so that every sample is as near as any other")
    paint = painter(loaded, raw=wanted.raw, batch=AT_ONCE)
    if near is None:
        starts = _nearest(loaded, images, known, wanted, paint)  # [n, S, ...]
    else:
        starts = {name: np.broadcast_to(x, (n, *x.shape[1:]))[:, None] for name, x in near.items()}
    rows = {
        "inputs": starts,
        "target": np.broadcast_to(images[:, None], (n, starts[names[0]].shape[1], *shape)),
        "known": np.broadcast_to(known[:, None], (n, starts[names[0]].shape[1], *known.shape[1:])),
        **({} if near is None else {"near": {name: starts[name] for name in names}}),
    }
    made = _descended(loaded, rows, wanted, told)
    best = made.pop(DISTANCE).argmin(axis=1)
    inputs = {name: x[np.arange(n), best] for name, x in {**starts, **made}.items()}
    found = paint(inputs)
    return Projected(inputs, found, _psnr(images, found, known))


def _check_near(near: Inputs, experiment: Experiment, wanted: Projection) -> None:
    """Raise InputError for inputs that are not those of this model's samples, and for classes beside them."""
    if any(wanted.controls):
        raise InputError("--class and --code: with --near they stay those of its latents")
    for name, like in sampler.drawn_shapes(experiment).items():
        if name not in near or near[name].shape[1:] != like.shape[1:]:
            found = list(near[name].shape) if name in near else "none"
            raise InputError(f"near: {name}: {['n', *like.shape[1:]]} is wanted, not {found}")


def whole(loaded: Loaded) -> Loaded:
    """The same checkpoint with the weights of the last step beside the averages: a discriminator has no others."""
    return loaded if loaded.leaves(True) else load_run(loaded.folder.checkpoints / str(loaded.step))


def _nearest(
    loaded: Loaded, images: np.ndarray, known: np.ndarray, wanted: Projection, paint: Callable[[Inputs], np.ndarray]
) -> dict[str, np.ndarray]:
    """The inputs of the samples, of many, whose pixels are nearest to each image: [n, S, ...].

    Where the game has an encoder, what it says of the image, with the nearest sample in its holes, is the last of them.
    """
    n, experiment = len(images), loaded.experiment
    if len(wanted.controls) not in (1, n):
        raise InputError(f"{len(wanted.controls)} classes for {n} images: one, or one each, would do")
    for setting in (setting for own in wanted.controls for setting in resolve(own, experiment.game.controls)):
        if setting.is_sweep:
            raise InputError(f"{setting.name}: an image has one value, not {len(setting.values)}")
    drawn = sampler.draw_many(experiment, wanted.seed, max(CANDIDATES, wanted.starts))
    of_image = [wanted.controls[i % len(wanted.controls)] for i in range(n)]
    starts = {name: np.empty((n, wanted.starts, *x.shape[1:]), x.dtype) for name, x in drawn.items()}
    for own in dict.fromkeys(of_image):
        candidates = apply_conditions(experiment, drawn, (Conditions(controls=own),), prior_of(loaded))
        samples = paint(candidates).reshape(len(drawn[next(iter(drawn))]), -1).astype(np.float32)
        for i in (i for i in range(n) if of_image[i] == own):
            places = _distances(images[i], known[i], samples).argsort(kind="stable")[: wanted.starts]
            for name, x in candidates.items():
                starts[name][i] = x[places]
    if experiment.game.encode:
        filled = np.where(known > 0, images, paint({name: x[:, 0] for name, x in starts.items()}))
        for name, x in _encoded(loaded, filled, wanted).items():
            starts[name][:, -1] = x
    return starts


def _distances(image: np.ndarray, known: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Squared distances of the known pixels of an image from those of samples, float32 [N, H W C]: [N]."""
    weights = np.broadcast_to(known, image.shape).ravel()
    distances: np.ndarray = np.square(samples - image.ravel().astype(np.float32)) @ weights
    return distances


def _encoded(loaded: Loaded, images: np.ndarray, wanted: Projection) -> dict[str, np.ndarray]:
    """What the game's encoder takes images uint8 [n, H, W, C] to be made of: leaves [n, ...]."""
    experiment, devices = loaded.experiment, parallel.everyone()
    encode, decode, at_once = experiment.game.encode, media.of(experiment.spec).decode, _at_once(wanted)
    assert encode
    run = sampler.in_evaluation(experiment, lambda nets, x: encode(nets, decode(x)))
    program = kept.shared(run, devices, ("encode", experiment.identity))
    placed = parallel.replicate(loaded.leaves(wanted.raw), devices)
    blocks = (images[start : start + at_once] for start in range(0, len(images), at_once))
    parts = [jax.device_get(program(placed, parallel.padded(block, at_once))) for block in blocks]
    return {name: np.concatenate([part[name] for part in parts])[: len(images)] for name in parts[0]}


def _at_once(wanted: Projection) -> int:
    """Images at once: a multiple of the number of devices."""
    return wanted.batch + -wanted.batch % len(parallel.everyone())


def _descended(loaded: Loaded, rows: Rows, wanted: Projection, told: Told) -> dict[str, np.ndarray]:
    """The latents [n, S, ...] that descents from rows [n, S, ...] end at, and their distances [n, S]."""
    experiment, devices = loaded.experiment, parallel.everyone()
    n, starts = rows["target"].shape[:2]
    images = _at_once(wanted)
    weights = {**loaded.leaves(True), **loaded.leaves(wanted.raw)}  # a discriminator has no average
    options = (wanted.steps, wanted.rate, wanted.features, wanted.stay, prior_of(loaded))
    about = ("project", experiment.identity, *map(str, options))
    descend = kept.shared(descent(experiment, wanted, prior_of(loaded)), devices, about)
    placed = parallel.replicate(weights, devices)
    parts = []
    for start in range(0, n, images):
        told(start, n)
        block = jax.tree.map(lambda x, at=start: x[at : at + images], rows)
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), parallel.padded(block, images))
        made = jax.device_get(descend(placed, flat))
        parts.append({name: x.reshape(images, starts, *x.shape[1:])[: n - start] for name, x in made.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _psnr(images: np.ndarray, found: np.ndarray, known: np.ndarray) -> np.ndarray:
    """dB [n] of the known pixels; 100 of equal ones."""
    error = known * np.square((images.astype(np.float32) - found) / 255)
    mean = error.sum(axis=(1, 2, 3)) / (known.sum(axis=(1, 2, 3)) * images.shape[3])
    decibels: np.ndarray = -10 * np.log10(np.maximum(mean, 1e-10))
    return decibels
