"""The PyTorch peer of the data pipeline: an ImageFolder, as torchvision's, and PyTorch's DataLoader."""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from worker import serve


class ImageFolder(Dataset):
    """Images in a folder for each class: (uint8 [3, H, W], label)."""

    def __init__(self, root: Path):
        classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        self.samples = [
            (os.path.join(place, name), label)
            for label, folder in enumerate(classes)
            for place, _, names in sorted(os.walk(root / folder))
            for name in sorted(names)
            if name.endswith(".png")
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.samples[index]
        with open(path, "rb") as file:
            pixels = np.array(Image.open(file).convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), label


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--what", choices=["open", "epoch"], default="epoch")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    a = parser.parse_args()

    if a.what == "open":
        serve(lambda _: ImageFolder(a.folder))
        return
    torch.set_num_threads(1)  # the workers need the cores
    source = ImageFolder(a.folder)
    loader = DataLoader(
        source, a.batch, shuffle=True, drop_last=True, num_workers=a.workers, persistent_workers=a.workers > 0
    )

    def work(n: int) -> None:
        for _ in range(n):
            for images, _ in loader:  # as bytes through the workers' shared memory: a quarter of the traffic
                images.to(torch.float32).div_(127.5).sub_(1)

    work(1)  # the workers start once
    serve(work, images=len(source))


if __name__ == "__main__":
    main()
