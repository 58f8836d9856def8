"""Inception-v3's features as FID's programs take them: one network, three ways to bring an image before it.

The way is part of the number. `inception` is what the first FID program, torch-fidelity and the papers before 2022 did,
`inception.pytorch` is pytorch-fid's, `inception.clean` is clean-fid's. Weights: see inception_weights.py.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from jax.tree_util import Partial

from gan_cli.errors import InputError
from gan_cli.features.inception_blocks import CLASSES, DIM, SIDE
from gan_cli.features.inception_net import Weights, forward, in_parts
from gan_cli.features.inception_weights import find_weights, load_weights
from gan_cli.features.network import Features, Outline
from gan_cli.features.resize import bicubic, bilinear, levels, resize, tensorflow
from gan_cli.types import Array

NAMES = tuple(map(str, range(CLASSES)))  # of the classes: their numbers; the published weights come without names


class Way(NamedTuple):
    """How an image is brought before the network."""

    protocol: str  # in words
    prepare: Callable[[Array], Array]  # grey levels [B, H, W, 3] in 0..255 -> [B, 299, 299, 3] in about -1..1


def legacy_tf(levels: Array) -> Array:
    """Grey levels 0..255, [B, H, W, 3], as TensorFlow's graph of 2015 and torch-fidelity bring them to the network."""
    return (resize(levels, tensorflow, SIDE) - 128) / 128


def pytorch_fid(levels: Array) -> Array:
    """Grey levels 0..255, [B, H, W, 3], as pytorch-fid brings them to the network."""
    return 2 * resize(levels / 255, bilinear, SIDE) - 1


def clean_fid(levels: Array) -> Array:
    """Grey levels 0..255, [B, H, W, 3], as clean-fid's mode "clean" does: not rounded after resizing.

    https://arxiv.org/abs/2104.11222.
    """
    return (resize(levels, bicubic, SIDE).clip(0, 255) - 128) / 128


REST = "grey as three equal channels, logits without bias"
WAYS = {
    "inception": Way(f"resized to 299x299 by legacy-tf bilinear, (x - 128) / 128, {REST}", legacy_tf),
    "inception.pytorch": Way(
        f"resized to 299x299 by PyTorch bilinear without antialiasing, 2 x / 255 - 1, {REST}", pytorch_fid
    ),
    "inception.clean": Way(
        f"resized to 299x299 by antialiased PIL bicubic in float, (x - 128) / 128, {REST}", clean_fid
    ),
}


def inception() -> Features:
    """Inception-v3 of 2015-12-05 (FID, Inception Score): 2,048 features of images resized as TensorFlow 1 did.

    https://arxiv.org/abs/1706.08500. Its logits lack the bias, as in TTUR's and torch-fidelity's Inception Score.
    Raises InputError when the weights have not been imported (gan features import FILE).
    """
    return _features("inception")


def pytorch() -> Features:
    """The same network as pytorch-fid uses it: resized from pixel centres, and scaled to [-1, 1]."""
    return _features("inception.pytorch")


def clean() -> Features:
    """The same network as clean-fid uses it: images are shrunk with antialiasing. https://arxiv.org/abs/2104.11222."""
    return _features("inception.clean")


def _features(name: str) -> Features:
    weights, imported = load_weights()
    known = "" if imported.published else ", other weights than the published ones"
    return Features(
        name=name,
        hash=imported.sha256,
        dim=DIM,
        classes=NAMES,
        protocol=WAYS[name].protocol + known,
        apply=Partial(_program(name), weights),
        made_for="photographs",
    )


def outline(name: str) -> Outline:
    """What is known without the weights of the network that is taken in one of the WAYS.

    Outline.weights: "published", "not the published ones", "missing" or "damaged".
    """
    try:
        imported = find_weights()
    except InputError:
        return Outline(DIM, CLASSES, WAYS[name].protocol, "damaged")
    presence = "missing"
    if imported is not None:
        presence = "published" if imported.published else "not the published ones"
    return Outline(DIM, CLASSES, WAYS[name].protocol, presence)


@functools.cache
def _program(name: str) -> Callable[[Weights, Array], dict[str, Array]]:
    """(weights, images) -> outputs; cached, because a program is compiled for each function."""

    def seen(weights: Weights, images: Array) -> dict[str, Array]:
        return forward(weights, WAYS[name].prepare(levels(images, "Inception-v3")))

    return lambda weights, images: in_parts(functools.partial(seen, weights), images)
