"""What the speed comparison judges: made once for a case, the same for all contenders.

python scripts/parity/speed_fill.py features FOLDER N  # real.npy and fake.npy, float32 [N, 2048]
python scripts/parity/speed_fill.py images FOLDER N    # real/*.png and fake/*.png, 32x32 RGB
python scripts/parity/speed_fill.py digits FOLDER N    # digits.npy, uint8 [2 N, 32, 32, 1]: MNIST
"""

import sys
from pathlib import Path

import numpy as np


def features(folder: Path, n: int) -> None:
    """Positive and correlated, as Inception's are."""
    random = np.random.default_rng(0)
    mix = random.standard_normal((64, 2048), dtype=np.float32) / 8
    for name, spread in (("real", 1.0), ("fake", 1.1)):
        x = random.standard_normal((n, 64), dtype=np.float32) @ mix * np.float32(spread)
        x += np.float32(0.3) * random.standard_normal(x.shape, dtype=np.float32)
        np.save(folder / f"{name}.npy", np.abs(x, out=x))


def images(folder: Path, n: int) -> None:
    """Patches of colour and noise."""
    import inception_torch
    from PIL import Image

    made = inception_torch.images((32, 32, 3), 2 * n)
    for name, part in (("real", made[:n]), ("fake", made[n:])):
        (folder / name).mkdir()
        for i, image in enumerate(part):
            Image.fromarray(image).save(folder / name / f"{i:06}.png")


def digits(folder: Path, n: int) -> None:
    """Test images and as many training images, padded with black."""
    from gan_cli.data.mnist import mnist
    from gan_cli.data.store import Store

    store = Store.from_environment()
    sides = [mnist(store, split=split).load(np.arange(n))["x"] for split in ("train", "test")]
    np.save(folder / "digits.npy", np.pad(np.concatenate(sides), ((0, 0), (2, 2), (2, 2), (0, 0))))


if __name__ == "__main__":
    {"features": features, "images": images, "digits": digits}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
