"""MNIST: http://yann.lecun.com/exdb/mnist/."""

from gan_cli.data import idx
from gan_cli.data.source import Source
from gan_cli.data.store import Store

PUBLISHED = idx.Published(
    name="mnist",
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    classes=tuple("0123456789"),
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    gz_sha256={},
)
ORIGIN = idx.origin(PUBLISHED, "ylecun/mnist")


def mnist(store: Store, *, split: idx.Split = "train") -> Source:
    """MNIST: handwritten digits, 28x28 grey, 10 classes; 60,000 to train, 10,000 to test."""
    return idx.load_split(PUBLISHED, store, split)
