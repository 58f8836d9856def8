"""MNIST-M: MNIST's digits blended with patches of photographs, https://arxiv.org/abs/1505.07818."""

from pathlib import Path
from typing import Literal

from gan_cli.data.folder import folder
from gan_cli.data.source import Source
from gan_cli.data.store import Store


def mnist_m(store: Store, *, split: Literal["train", "test"] = "train") -> Source:
    """MNIST-M: digits on patches of photographs, 32x32 RGB, 10 classes. Nothing is downloaded.

    Reads DIR/mnist_m/train.zip and test.zip: a folder of PNG files for each class. Raises InputError.
    """
    return folder(store, path=Path("mnist_m") / f"{split}.zip", labels=True)._replace(name=f"mnist_m {split}")
