"""Our side of `make parity`: features of real and of harmed digits, and what `gan eval` makes of them.

    GAN_CACHE_DIR=CACHE python scripts/parity/ours.py FOLDER [--data-dir DATA]

In the cache are the weights of FOLDER/legacy.pth (gan features import). Into FOLDER go, for each set of fakes and each
feature network, NETWORK-SET/real.npy, fake.npy and others that theirs.py reads, with settings.json; ours.json: numbers
by set and key, as `gan eval` names them; and ours.npz: arrays that are compared as a whole.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import inception_torch
import jax.numpy as jnp
import numpy as np
from PIL import Image
from scipy.special import ndtri

from gan_cli import features, metrics
from gan_cli.data.mnist import mnist
from gan_cli.data.order import order
from gan_cli.data.store import Store
from gan_cli.engine import platform
from gan_cli.features.inception_blocks import SIDE
from gan_cli.features.resize import bicubic, bilinear, resize, tensorflow
from gan_cli.metrics import fid_infinity, sliced_wasserstein, ssim, wasserstein
from gan_cli.metrics.collect import collect
from gan_cli.metrics.metric import Sample

N = 2000  # images of each kind
NOISE = 60  # grey levels: the standard deviation of what the harmed images have on them
BATCH = 250  # images judged at once
MATCHED = 1000  # a side, of the exact Wasserstein distance: half of the reals, the other half is for its floor
IMAGES = 4  # of each size, through Inception-v3
PAIRS, LARGE = 64, 192  # pairs for MS-SSIM, and their pixels
RULES = {"inception": tensorflow, "inception.pytorch": bilinear, "inception.clean": bicubic}
ALIKE = (
    "fid",
    "kid",
    "mmd",
    "wasserstein",
    "sliced-wasserstein",
    "precision-recall",
    "density-coverage",
    "one-nn",
)  # judged of any features
OF = {"digits": (*ALIKE, "fid-infinity", "inception-score", "memorisation"), "pixels": (*ALIKE, "parzen")}
KEEP = {"digits": ("features", "logits"), "pixels": ("features",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data-dir", type=Path, help="holds MNIST; else as `gan train` finds it")
    given = parser.parse_args()
    platform.start()
    store = Store.from_environment(given.data_dir)
    real, test = pictures(store, "train"), pictures(store, "test")
    held = pictures(store, "test", part=1)
    fakes = {"test": test, "noise": harmed(test)}
    values = {
        f"{network}, {kind}": judge(given.folder / f"{network}-{kind}", network, real, held, fake)
        for network in OF
        for kind, fake in fakes.items()
    }
    arrays: dict[str, Any] = through_inception() | resized() | similar(given.folder / "pairs.npz", real, fakes)
    (given.folder / "ours.json").write_text(json.dumps(values, indent=1))
    np.savez(given.folder / "ours.npz", **arrays)


def pictures(store: Store, split: Literal["train", "test"], part: int = 0) -> np.ndarray:
    """A fixed random choice of MNIST, or the next one after it: uint8 [N, 28, 28, 1]."""
    source = mnist(store, split=split)
    return source.load(order(0, source.size, 0)[part * N : (part + 1) * N])["x"]


def harmed(images: np.ndarray) -> np.ndarray:
    """The same with Gaussian noise, always the same."""
    bits = np.random.Philox(np.random.SeedSequence(1)).random_raw(images.size).reshape(images.shape)
    noise = ndtri(((bits >> np.uint64(11)) + 0.5) / 2**53)
    return (images + NOISE * noise).round().clip(0, 255).astype(np.uint8)


def seen(network: str, images: np.ndarray) -> Sample:
    """Images as metrics get them."""
    batches = np.split(images, range(BATCH, len(images), BATCH))
    return collect(features.find_network(network), batches, keep=KEEP[network])


def judge(folder: Path, network: str, real: np.ndarray, held: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """All values of one set of fakes; what theirs.py needs for the same is written to the folder."""
    folder.mkdir()
    one, other, unseen = (seen(network, images) for images in (real, fake, held))
    values: dict[str, float] = {}
    for name in OF[network]:
        sides = (unseen._replace(training=one), other) if name == "memorisation" else (one, other)
        values |= metrics.find_metric(name, **({"most": MATCHED} if name == "wasserstein" else {})).compute(*sides)
    x, y = (sample.outputs["features"] for sample in (one, other))
    arrays = {"real": x, "fake": y, "held": unseen.outputs["features"]}
    arrays["directions"] = sliced_wasserstein.draw_directions(1000, x.shape[1])
    arrays |= {"logits": other.outputs["logits"]} if "logits" in other.outputs else {}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "settings.json").write_text(json.dumps(settings(values, x, y)))
    return values


def settings(values: Mapping[str, float], x: np.ndarray, y: np.ndarray) -> dict[str, object]:
    """What we chose by ourselves and they have to be told: widths, and the subsets that were drawn."""
    sides = ((wasserstein.REAL, x), (wasserstein.FAKE, y))
    matched = [order(seed, len(side), 0)[:MATCHED].tolist() for seed, side in sides]
    chosen: dict[str, object] = {"width": values["mmd-width"], "wasserstein": matched}
    if "fid-infinity" in values:
        sizes = enumerate(fid_infinity.sizes(len(y), y.shape[1], 15))
        chosen["fid_infinity"] = [order(fid_infinity.SEED, len(y), i)[:n].tolist() for i, n in sizes]
    if "parzen" in values:
        chosen["parzen"] = values["parzen-width"]
    return chosen


def through_inception() -> dict[str, np.ndarray]:
    """Features and logits in all three ways, by the names that inception_torch.py gives them."""
    found: dict[str, np.ndarray] = {}
    for way in inception_torch.WAYS:
        for shape in inception_torch.SIZES:
            x = inception_torch.images(shape, IMAGES)
            outputs = collect(features.find_network(way), [x], keep=("features", "logits")).outputs
            found |= {f"{way} {words(shape)} {output}": value for output, value in outputs.items()}
    return found


def resized() -> dict[str, np.ndarray]:
    """Grey levels [n, 299, 299, C] of images of each size, by each rule."""
    return {
        f"resize {way} {words(shape)}": np.asarray(
            resize(jnp.asarray(inception_torch.images(shape, IMAGES), jnp.float32), rule, SIDE).clip(0, 255)
        )
        for way, rule in RULES.items()
        for shape in inception_torch.SIZES
    }


def similar(file: Path, real: np.ndarray, fakes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """MS-SSIM of pairs, each by itself: of different digits, and of digits with their harmed selves."""
    large = [np.stack([enlarged(image) for image in images[:PAIRS]]) for images in (real, *fakes.values())]
    pairs: dict[str, Any] = {
        "MS-SSIM of digits": (large[0], large[1]),
        "MS-SSIM of a digit and noise": (large[1], large[2]),
    }
    stacked: dict[str, Any] = {name: np.stack(pair) for name, pair in pairs.items()}
    np.savez(file, **stacked)
    return {name: np.asarray(ssim.ms_ssim(*map(jnp.asarray, pair))) for name, pair in pairs.items()}


def enlarged(image: np.ndarray) -> np.ndarray:
    """[28, 28, 1] -> [LARGE, LARGE, 1] uint8."""
    return np.asarray(Image.fromarray(image[..., 0]).resize((LARGE, LARGE), Image.Resampling.BICUBIC))[..., None]


def words(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


if __name__ == "__main__":
    main()
