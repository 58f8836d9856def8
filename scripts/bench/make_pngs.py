"""A folder of PNGs 64x64 RGB that compress and decode about as photographs do: smooth colours and a little noise."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64
FOLDERS = 10  # an ImageFolder has one for each class


def picture(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    colours = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    smooth = np.asarray(colours.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray((smooth + random.integers(-4, 5, smooth.shape)).clip(0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=20_000)
    a = parser.parse_args()

    for name in range(FOLDERS):
        (a.folder / str(name)).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda i: picture(i).save(a.folder / str(i % FOLDERS) / f"{i:06d}.png"), range(a.n)))


if __name__ == "__main__":
    main()
