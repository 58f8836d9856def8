"""The PyTorch peer of short commands on the demo's generator: a grid of 64 samples, or the FID of N; then it ends."""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torch_networks import DigitClassifier, generator
from torch_scoring import distance

REALS = 1797  # digits of scikit-learn
SIDE, LATENT = 16, 64


@torch.inference_mode()
def samples(n: int, batch: int = 250) -> torch.Tensor:
    """[n, 1, 16, 16] in (-1, 1)."""
    G = generator(SIDE, 1, LATENT, 64).eval()
    return torch.cat([G(torch.randn(min(batch, n - i), LATENT, 1, 1)) for i in range(0, n, batch)])


def save(images: torch.Tensor, path: Path) -> None:
    """A square grid of 64 images."""
    levels = images.add(1).mul(127.5).round().to(torch.uint8).reshape(8, 8, SIDE, SIDE)
    Image.fromarray(levels.permute(0, 2, 1, 3).reshape(8 * SIDE, 8 * SIDE).numpy()).save(path)


@torch.inference_mode()
def fid(fakes: torch.Tensor, weights: Path, batch: int = 250) -> float:
    """Against random images in the place of digits."""
    network = DigitClassifier(weights).eval()

    def statistics(images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        larger = (interpolate(part, size=32, mode="bilinear", antialias=True) for part in images.split(batch))
        features = torch.cat([network(part)[0] for part in larger]).double().numpy()
        return features.mean(0), np.cov(features, rowvar=False)

    return distance(*statistics(fakes), *statistics(torch.rand(REALS, 1, SIDE, SIDE) * 2 - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path)
    parser.add_argument("--fid", type=int, default=0, metavar="N")
    parser.add_argument("--weights", type=Path, help="gan_cli/features/digits.npz")
    a = parser.parse_args()

    if a.grid:
        save(samples(64), a.grid)
    if a.fid:
        print(fid(samples(a.fid), a.weights))


if __name__ == "__main__":
    main()
