"""The graph of Inception-v3 as FID uses it, as a table: TensorFlow's of 2015-12-05, with PyTorch's names.

It differs from the Inception-v3 of https://arxiv.org/abs/1512.00567 and of torchvision: average pools do not count the
padding, the last block pools by maximum, and there are 1,008 classes.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gan_cli.types import Shape

SIDE = 299  # pixels of the square that the network looks at
DIM = 2048  # length of its feature vector
CLASSES = 1008


class Conv(NamedTuple):
    """A convolution without bias, then batch normalisation and ReLU."""

    name: str
    channels: int  # of its output
    size: tuple[int, int] = (1, 1)  # height and width of the kernel
    stride: int = 1
    padded: bool = True  # with zeros, so that the output is as large as the input; else not at all


class Branch(NamedTuple):
    """One of the paths through a block: a pool, if it has one, then convolutions; some steps fork into two."""

    steps: tuple[tuple[Conv, ...], ...] = ()
    pool: str = ""  # see inception_net.POOLS

    @property
    def leads(self) -> bool:
        """Whether it begins with a 1x1 convolution that can be computed together with those of the other branches.

        An average, unlike a maximum, may as well be taken after that convolution, when there is less to be averaged.
        """
        return self.pool in ("", "average") and self.steps[0][0].size == (1, 1)


Block = tuple[Branch, ...]


def branch(*steps: Conv | tuple[Conv, Conv], pool: str = "") -> Branch:
    """A branch of these steps; a pair of convolutions is a fork."""
    return Branch(tuple((step,) if isinstance(step, Conv) else step for step in steps), pool)


def _a(pooled: int) -> Block:
    """A block of 5x5 and two 3x3 convolutions."""
    return (
        branch(Conv("branch1x1", 64)),
        branch(Conv("branch5x5_1", 48), Conv("branch5x5_2", 64, (5, 5))),
        branch(Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, (3, 3)), Conv("branch3x3dbl_3", 96, (3, 3))),
        branch(Conv("branch_pool", pooled), pool="average"),
    )


def _c(width: int) -> Block:
    """A block of 7x7 convolutions, each divided into 1x7 and 7x1."""
    return (
        branch(Conv("branch1x1", 192)),
        branch(Conv("branch7x7_1", width), Conv("branch7x7_2", width, (1, 7)), Conv("branch7x7_3", 192, (7, 1))),
        branch(
            Conv("branch7x7dbl_1", width),
            Conv("branch7x7dbl_2", width, (7, 1)),
            Conv("branch7x7dbl_3", width, (1, 7)),
            Conv("branch7x7dbl_4", width, (7, 1)),
            Conv("branch7x7dbl_5", 192, (1, 7)),
        ),
        branch(Conv("branch_pool", 192), pool="average"),
    )


def _e(pool: str) -> Block:
    """A block of 3x3 convolutions, the last of which fork into 1x3 and 3x1."""
    return (
        branch(Conv("branch1x1", 320)),
        branch(Conv("branch3x3_1", 384), (Conv("branch3x3_2a", 384, (1, 3)), Conv("branch3x3_2b", 384, (3, 1)))),
        branch(
            Conv("branch3x3dbl_1", 448),
            Conv("branch3x3dbl_2", 384, (3, 3)),
            (Conv("branch3x3dbl_3a", 384, (1, 3)), Conv("branch3x3dbl_3b", 384, (3, 1))),
        ),
        branch(Conv("branch_pool", 192), pool=pool),
    )


STEM = (  # each row ends in a maximum
    (
        Conv("Conv2d_1a_3x3", 32, (3, 3), 2, False),
        Conv("Conv2d_2a_3x3", 32, (3, 3), 1, False),
        Conv("Conv2d_2b_3x3", 64, (3, 3)),
    ),
    (Conv("Conv2d_3b_1x1", 80), Conv("Conv2d_4a_3x3", 192, (3, 3), 1, False)),
)
BLOCKS = {
    "Mixed_5b": _a(32),
    "Mixed_5c": _a(64),
    "Mixed_5d": _a(64),
    "Mixed_6a": (
        branch(Conv("branch3x3", 384, (3, 3), 2, False)),
        branch(
            Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, (3, 3)), Conv("branch3x3dbl_3", 96, (3, 3), 2, False)
        ),
        branch(pool="shrink"),
    ),
    "Mixed_6b": _c(128),
    "Mixed_6c": _c(160),
    "Mixed_6d": _c(160),
    "Mixed_6e": _c(192),
    "Mixed_7a": (
        branch(Conv("branch3x3_1", 192), Conv("branch3x3_2", 320, (3, 3), 2, False)),
        branch(
            Conv("branch7x7x3_1", 192),
            Conv("branch7x7x3_2", 192, (1, 7)),
            Conv("branch7x7x3_3", 192, (7, 1)),
            Conv("branch7x7x3_4", 192, (3, 3), 2, False),
        ),
        branch(pool="shrink"),
    ),
    "Mixed_7b": _e("average"),
    "Mixed_7c": _e("max"),
}


def convolutions() -> Iterator[tuple[str, Conv, int]]:
    """Path, convolution and channels of its input, for all convolutions in the order of the graph."""
    channels = 3
    for conv in (conv for row in STEM for conv in row):
        yield conv.name, conv, channels
        channels = conv.channels
    for name, block in BLOCKS.items():
        total = 0
        for path in block:
            width = channels
            for step in path.steps:
                yield from ((f"{name}.{conv.name}", conv, width) for conv in step)
                width = sum(conv.channels for conv in step)
            total += width
        channels = total


def shapes() -> dict[str, Shape]:
    """The names and shapes of all weights, as PyTorch has them."""
    found: dict[str, Shape] = {}
    for path, conv, inputs in convolutions():
        found[f"{path}.conv.weight"] = (conv.channels, inputs, *conv.size)
        found |= {f"{path}.bn.{part}": (conv.channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    return found | {"fc.weight": (CLASSES, DIM)}
