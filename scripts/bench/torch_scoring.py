"""The PyTorch peer of FID: the same classifier with the same weights, and the distance as pytorch-fid computes it."""

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy import linalg
from torch_networks import DigitClassifier
from worker import serve_prepared


def pictures(n: int, seed: int) -> np.ndarray:
    """The images of ours_scoring.py: uint8 [n, 1, 32, 32]."""
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 1), dtype=np.uint8).transpose(0, 3, 1, 2)


def distance(mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray) -> float:
    """pytorch-fid's calculate_frechet_distance."""
    root = linalg.sqrtm(sigma1.dot(sigma2))
    return float(((mu1 - mu2) ** 2).sum() + np.trace(sigma1) + np.trace(sigma2) - 2 * np.trace(root.real))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="gan_cli/features/digits.npz")
    parser.add_argument("--batch", type=int, default=250, help="images judged at once")
    parser.add_argument("--variant", default="eager", help="eager or compile, and channels_last")
    parser.add_argument("--images", type=Path, help="as ours_scoring.py has it")
    a = parser.parse_args()

    layout = torch.channels_last if "channels_last" in a.variant else torch.contiguous_format
    network = DigitClassifier(a.weights).to(memory_format=layout).eval()
    if "compile" in a.variant:
        import torch._inductor.config as inductor

        inductor.freezing = True
        network = torch.compile(network)

    @torch.inference_mode() if "compile" not in a.variant else torch.no_grad()  # freezing wants no_grad
    def statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = []
        for start in range(0, len(images), a.batch):
            batch = torch.from_numpy(images[start : start + a.batch]).float().div_(127.5).sub_(1)
            found.append(network(batch.to(memory_format=layout))[0].numpy())
        features = np.concatenate(found).astype(np.float64)
        return features.mean(0), np.cov(features, rowvar=False)

    if a.images:
        reals, fakes = np.split(np.load(a.images).transpose(0, 3, 1, 2), 2)
    else:
        known = statistics(pictures(2000, 1) // 2)

    def prepare(n: int):
        if a.images:
            return lambda: distance(*statistics(fakes[:n]), *statistics(reals[:n]))
        fake = pictures(n, 0)
        return lambda: distance(*statistics(fake), *known)

    serve_prepared(prepare, backend="cpu", fid=prepare(2000)())


if __name__ == "__main__":
    main()
