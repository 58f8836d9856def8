"""Inception-v3 features by the programs people trust, through random weights: for tests/test_inception.py.

Run where torch, torch_fidelity, pytorch_fid and cleanfid are installed (gan_cli need not be):

    python inception_torch.py weights FOLDER               # legacy.pth and zip.pth, by torch.save
    python inception_torch.py features FOLDER OUT.npz [N]  # features and logits through FOLDER/legacy.pth
    python inception_torch.py small FOLDER                 # small_legacy.pth and small_zip.pth: kinds of tensors
    python inception_torch.py speed FOLDER                 # serves: a batch size a line in, seconds out

tests/data/inception.npz is `features` of one image a size, tests/data/small_*.pth are `small`.

The weights are random and reproducible bit for bit: bits of Philox, and arithmetic that IEEE 754 rounds in one way.
They are scaled so that activations neither vanish nor explode, and the batch statistics are not trivial.
"""

import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = ((28, 28, 1), (32, 32, 3), (64, 48, 3), (299, 299, 3), (320, 320, 3))  # height, width, channels
WAYS = ("inception", "inception.pytorch", "inception.clean")


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1), float64, that depend on the name alone."""
    bits = np.random.Philox(key=zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    return ((bits >> np.uint64(40)).astype(np.float64) * 2.0**-24).reshape(shape)


def random_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The weights of this name: kernels keep the scale of what they see, the rest is within half of its usual value."""
    u = uniform(name, shape)
    if len(shape) > 1:
        return ((2 * u - 1) * np.sqrt(6 / np.prod(shape[1:]))).astype(np.float32)
    if name.endswith(("running_var", "bn.weight")):
        return (u + 0.5).astype(np.float32)
    return (0.6 * (u - 0.5)).astype(np.float32)


def images(shape: tuple[int, int, int], n: int) -> np.ndarray:
    """Images [n, H, W, C] uint8: large patches of colour with noise on them."""
    height, width, channels = shape
    name = f"{height}x{width}x{channels}"
    coarse = np.repeat(np.repeat(uniform(name, (n, 4, 4, channels)), -(-height // 4), 1), -(-width // 4), 2)
    noise = uniform(f"noise {name}", (n, *shape))
    return np.floor(256 * (0.7 * coarse[:, :height, :width] + 0.3 * noise)).astype(np.uint8)


def write_weights(folder: Path) -> None:
    """The same weights in both layouts that torch.save has."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    FeatureExtractorInceptionV3.load_state_dict = lambda *_: None  # type: ignore[method-assign]
    original, torch.load = torch.load, lambda *_, **__: {}
    state = FeatureExtractorInceptionV3("weights", ["2048"], feature_extractor_weights_path="none").state_dict()
    torch.load = original
    for name, value in state.items():
        if not name.endswith("num_batches_tracked"):
            state[name] = torch.from_numpy(random_array(name, tuple(value.shape)))
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(state, folder / "zip.pth")


def write_small(folder: Path) -> None:
    """Tensors of all kinds that a reader must know, in both layouts."""
    import torch

    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tensors = {
        "plain": base,
        "transposed": base.T,  # of the same storage, as are the next two
        "part": base[1:, 1:3],
        "scalar": base[2, 3],
        "half": torch.tensor([0.5, -2], dtype=torch.float16),
        "double": torch.tensor([[1 / 3]], dtype=torch.float64),
        "count": torch.tensor(7),
        "trained": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        "empty": torch.zeros(0, 5),
    }
    state = torch.nn.Module().state_dict()  # an OrderedDict with attributes of its own
    state |= tensors
    torch.save(state, folder / "small_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(state, folder / "small_zip.pth")


def networks(weights: Path) -> dict[str, Callable[[np.ndarray], dict[str, np.ndarray]]]:
    """Way -> (images uint8 [B, H, W, 3] -> features and logits without bias), each by its own program."""
    import torch
    from cleanfid.resize import build_resizer
    from pytorch_fid import inception as fid
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    fid.load_state_dict_from_url = lambda *_, **__: torch.load(weights)
    fidelity = FeatureExtractorInceptionV3(
        "fidelity", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )
    classes = fidelity.fc.weight.T

    def by_pytorch(x: Any, **options: bool) -> dict[str, np.ndarray]:
        features = fid.InceptionV3([3], **options).eval()(x)[0][:, :, 0, 0]
        return {"features": features.numpy(), "logits": (features @ classes).numpy()}

    def by_fidelity(x: np.ndarray) -> dict[str, np.ndarray]:
        features, logits = fidelity(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        return {"features": features.numpy(), "logits": logits.numpy()}

    def by_clean(x: np.ndarray) -> dict[str, np.ndarray]:
        resized = np.stack([build_resizer("clean")(image) for image in x])
        levels = (torch.from_numpy(resized.transpose(0, 3, 1, 2).copy()) - 128) / 128
        return by_pytorch(levels, resize_input=False, normalize_input=False)

    as_floats = lambda x: torch.from_numpy(x.transpose(0, 3, 1, 2) / np.float32(255))  # noqa: E731
    return {
        "inception": by_fidelity,
        "inception.pytorch": lambda x: by_pytorch(as_floats(x)),
        "inception.clean": by_clean,
    }


def write_features(folder: Path, out: Path, n: int) -> None:
    """Features and logits of n images of each size in all ways, as "WAY HxWxC features"."""
    import torch

    found = {}
    with torch.no_grad():
        for way, network in networks(folder / "legacy.pth").items():
            for shape in SIZES:
                x = np.broadcast_to(images(shape, n), (n, *shape[:2], 3))
                found |= {f"{way} {'x'.join(map(str, shape))} {k}": value for k, value in network(x).items()}
    np.savez_compressed(out, **found)


def measure_speed(folder: Path) -> None:
    """Serve: for a line "BATCH" on stdin, print the wall and CPU seconds that torch_fidelity's network took."""
    import torch

    torch.set_num_threads(2)
    network = networks(folder / "legacy.pth")["inception"]
    for line in sys.stdin:
        x = np.broadcast_to(images((32, 32, 3), int(line)), (int(line), 32, 32, 3))
        with torch.no_grad():
            start, used = time.perf_counter(), time.process_time()
            network(x)
            print(time.perf_counter() - start, time.process_time() - used, flush=True)


def main(task: str, folder: Path, *rest: str) -> None:
    if task == "weights":
        write_weights(folder)
    elif task == "small":
        write_small(folder)
    elif task == "features":
        write_features(folder, Path(rest[0]), int(rest[1]) if len(rest) > 1 else 1)
    else:
        measure_speed(folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
