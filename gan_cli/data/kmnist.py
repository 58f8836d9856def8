"""Kuzushiji-MNIST: https://arxiv.org/abs/1812.01718, https://github.com/rois-codh/kmnist (CC BY-SA 4.0)."""

from gan_cli.data import idx
from gan_cli.data.source import Source
from gan_cli.data.store import Store

PUBLISHED = idx.Published(
    name="kmnist",
    mirrors=(
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://storage.googleapis.com/kuzushiji-mnist/",
    ),
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    # Nobody publishes checksums of the content: these are the .gz files', as torchvision's data set prototypes and
    # others give them. A file that was unpacked by hand can be checked for its structure only.
    sha256={},
    gz_sha256={
        "train-images-idx3-ubyte": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "train-labels-idx1-ubyte": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "t10k-images-idx3-ubyte": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "t10k-labels-idx1-ubyte": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    },
)
ORIGIN = idx.origin(PUBLISHED)


def kmnist(store: Store, *, split: idx.Split = "train") -> Source:
    """Kuzushiji-MNIST: cursive Japanese characters, 28x28 grey, 10 classes; 60,000 to train, 10,000 to test."""
    return idx.load_split(PUBLISHED, store, split)
