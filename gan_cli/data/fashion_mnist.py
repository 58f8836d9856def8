"""Fashion-MNIST: https://arxiv.org/abs/1708.07747, https://github.com/zalandoresearch/fashion-mnist."""

from gan_cli.data import idx
from gan_cli.data.source import Source
from gan_cli.data.store import Store

PUBLISHED = idx.Published(
    name="fashion_mnist",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    # As several public projects publish them for the unpacked files; one of them derived them from archives that
    # match the MD5 of the data set's own README.
    sha256={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    gz_sha256={},
)  # fmt: skip
ORIGIN = idx.origin(PUBLISHED, "zalando-datasets/fashion_mnist")


def fashion_mnist(store: Store, *, split: idx.Split = "train") -> Source:
    """Fashion-MNIST: clothes, 28x28 grey, 10 classes; 60,000 to train, 10,000 to test."""
    return idx.load_split(PUBLISHED, store, split)
