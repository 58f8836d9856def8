"""Shapes, value ranges and the words that every part of the program shares, stated once."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax

Array = jax.Array
Key = jax.Array  # a typed JAX PRNG key: jax.random.key(seed)
Shape = tuple[int, ...]  # of one example, without the batch axis

Batch = Mapping[str, Array]
"""Examples and what goes with them. Every leaf is [B, ...].

`x`: real examples, images [B, H, W, C] float32 in [-1, 1] or vectors [B, D] float32; `y`: labels int32 [B];
and the game's own draws (see `Game.draw`), usually `z`: latents float32 [B, L]. Where only some labels are known
(`data/pipeline.py`), there is no `y`, but another batch beside the first, `labelled_x` and `labelled_y`.
"""

Aux = dict[str, Array]  # what a loss reports: scalars are logged, arrays only reach `Game.remember`

DEVICES = "devices"  # the name of the mapped axis over which gradients, metrics and batch statistics are averaged


class Spec(NamedTuple):
    """What one example of a data set looks like."""

    shape: Shape  # (H, W, C) of an image, (D,) of a vector
    classes: tuple[str, ...] = ()  # names of the classes, by label; empty when the data has no labels
    shares: tuple[float, ...] = ()  # of the classes among the examples; empty: equal


class Ports(NamedTuple):
    """What a network stands between: the game's wiring of one role."""

    inputs: Shape  # of one example at its input: (L,) for a latent, (H, W, C) for an image
    outputs: Shape  # of one example at its output; () is a single score
    classes: int = 0  # number of classes of the label `y` it is given as well; 0: no label


CLASS = "class"  # the name of the control that is the data's label


class Control(NamedTuple):
    """An input of a generator that a person can set: the class, or a code.

    Its values are what `Game.draw` draws under its name: categories int32 [n], or numbers float32 [n].
    """

    categories: int = 0  # 0 .. categories - 1; 0: it is a number
    names: tuple[str, ...] = ()  # of the categories; empty: they have none but their numbers
    low: float = -1.0  # where a number usually lies
    high: float = 1.0
    entropy: float = 0.0  # nats: of the distribution that it is drawn from


Critic = Callable[[Array], Array]  # examples [B, ...] -> raw scores [B], or [B, h, w] of patches


class Adversarial(NamedTuple):
    """What the two players minimise. Scores are D's raw outputs (logits), of any shape; the result is a scalar."""

    discriminator: Callable[[Array, Array], Array]  # (real scores, fake scores) -> []
    generator: Callable[[Array, Array], Array]  # (real scores, fake scores) -> []


class Penalty(NamedTuple):
    """A term of the discriminator's loss on the gradient of its scores with respect to its input."""

    term: Callable[[Critic, Array, Array, Array], Array]  # (critic, real [B, ...], fake [B, ...], keys [B]) -> []
    every: int = 1  # steps between two applications of it; its weight is then `every` times as large
