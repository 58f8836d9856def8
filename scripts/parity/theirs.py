"""Their side of `make parity`: other people's code on the features and images that ours.py has written.

    python scripts/parity/theirs.py FOLDER

in an environment with requirements.txt and without this project. Writes FOLDER/theirs.json, their numbers and the
versions of their code, and FOLDER/theirs.npz, arrays of the same names as in FOLDER/ours.npz.
"""

import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import inception_torch
import kernel_theirs
import neighbours_theirs
import numpy as np
import torch
from cleanfid.resize import build_resizer
from pytorch_msssim import ms_ssim
from record import Record
from torch.nn.functional import interpolate
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

VERSIONS = "torch torchvision torch-fidelity pytorch-fid prdc POT pytorch-msssim clean-fid scikit-learn scipy numpy"
IMAGES = 4  # of each size, as in ours.py
SIDE = 299


def main(folder: Path) -> None:
    records = [
        record._replace(of=of.replace("-", ", "))
        for of in sorted(path.parent.name for path in folder.glob("*/settings.json"))
        for record in judge(folder / of)
    ]
    versions = {name: metadata.version(name) for name in VERSIONS.split()}
    found = {"records": [record._asdict() for record in records], "versions": versions}
    (folder / "theirs.json").write_text(json.dumps(found, indent=1))
    inception_torch.write_features(folder, folder / "inception.npz", IMAGES)
    with np.load(folder / "inception.npz") as of_inception:
        np.savez(folder / "theirs.npz", **of_inception, **resized(), **similar(folder / "pairs.npz"))


def judge(folder: Path) -> Iterator[Record]:
    """All that their code can say about one set of features."""
    real, fake, held, directions = (
        np.load(folder / f"{name}.npy").astype(np.float64) for name in ("real", "fake", "held", "directions")
    )
    settings = json.loads((folder / "settings.json").read_text())
    yield from kernel_theirs.frechet(real, fake)
    if "fid_infinity" in settings:
        yield from kernel_theirs.fid_infinity(real, fake, settings["fid_infinity"])
    yield from kernel_theirs.kernels(real, fake, settings["width"])
    yield from kernel_theirs.transport(real, fake, directions, settings["wasserstein"])
    if (folder / "logits.npy").exists():
        yield from kernel_theirs.scores(np.load(folder / "logits.npy"))
        yield from neighbours_theirs.memorisation(real, held, fake)
    yield from neighbours_theirs.precision_recall(real, fake)
    yield from neighbours_theirs.density_coverage(real, fake)
    yield from neighbours_theirs.one_nn(real, fake)
    if "parzen" in settings:
        yield from neighbours_theirs.parzen(real, fake, settings["parzen"])


def resized() -> dict[str, np.ndarray]:
    """Grey levels [n, 299, 299, C] of images of each size, by the functions that their programs call."""
    found = {}
    clean = build_resizer("clean")
    for shape in inception_torch.SIZES:
        x = inception_torch.images(shape, IMAGES)
        colours = np.broadcast_to(x, (*x.shape[:3], 3))
        planes = torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32))
        made = {
            "inception": _images(
                interpolate_bilinear_2d_like_tensorflow1x(planes, size=(SIDE, SIDE), align_corners=False)
            ),
            "inception.pytorch": _images(255 * interpolate(planes / 255, (SIDE, SIDE), mode="bilinear")),
            "inception.clean": np.stack([clean(image) for image in colours])[..., : shape[2]],
        }
        found |= {f"resize {way} {'x'.join(map(str, shape))}": value for way, value in made.items()}
    return found


def _images(planes: torch.Tensor) -> np.ndarray:
    return planes.numpy().transpose(0, 2, 3, 1)


def similar(file: Path) -> dict[str, np.ndarray]:
    """MS-SSIM of each pair of images."""
    with np.load(file) as pairs:
        planes = {name: torch.from_numpy(pairs[name].transpose(0, 1, 4, 2, 3).astype(np.float32)) for name in pairs}
    return {
        name: ms_ssim(*both, data_range=255, win_size=11, size_average=False).numpy() for name, both in planes.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
