"""Shapes, value ranges and types that every part of the program shares, stated once."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

Array = jax.Array
Key = jax.Array  # a typed JAX PRNG key: jax.random.key(seed)
Shape = tuple[int, ...]  # shape of one example, without the batch axis

Batch = Mapping[str, Array]
"""Examples and what belongs to them. Every leaf is [B, ...].

The parts of an example: `x`, images [B, H, W, C] float32 in [-1, 1], vectors [B, D] float32 or another medium (see
`gan_cli/media`); `y`, labels int32 [B]; and those in `Spec.parts`, usually `input`, what x is to be made from. Of a
game with several streams their names have the stream's before them: `a_x`, `b_x` (`leaf`). Beside them the game's own
draws (see `Game.draw`), usually `z`: latents float32 [B, L]. Where only some labels are known (`data/labelled.py`),
there is no `y`, but a second batch beside the first, `labelled_x` and `labelled_y`.
"""

Aux = dict[str, Array]  # what a loss reports: scalars are logged, arrays go to `Game.remember` alone

DEVICES = "devices"  # the name of the mapped axis over which gradients, metrics and batch statistics are averaged


class Spec(NamedTuple):
    """The format of a data set's examples."""

    shape: Shape  # of `x`: (H, W, C) for images, (D,) for vectors
    classes: tuple[str, ...] = ()  # names of the classes, by label; empty when the data has no labels
    shares: tuple[float, ...] = ()  # share of each class among the examples; empty: all equal
    medium: str = ""  # what `x` is, a file of gan_cli/media; empty: an image or a vector, as its shape says
    parts: Mapping[str, "Spec"] = {}  # what else an example has: {"input": ...}
    words: tuple[str, ...] = ()  # those that tokens number
    rate: float = 0.0  # frames, events or numbers a second, where examples last; 0: unknown
    levels: int = 0  # equally spaced values that 8-bit numbers have, black and white included; 0: all 256

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON, without what is empty."""
        filled = {name: value for name, value in self._asdict().items() if value or name == "shape"}
        return {**filled, **({"parts": {name: p.to_json() for name, p in self.parts.items()}} if self.parts else {})}

    def part(self, name: str) -> "Spec":
        """The format of a part that examples have beside x; raises ValueError with the mend where they have none."""
        if name not in self.parts:
            raise ValueError(
                f"it wants examples with a part {name!r}, which x is made from, and these have none: [data] "
                'input_views = ["views.edges"] makes one of x; source = "pairs.side_by_side", "pairs.folders" or "npz" '
                "reads one"
            )
        return self.parts[name]


class Tasks(NamedTuple):
    """Tasks that a training learns one after the other: `[data] tasks` and `task_steps`."""

    number: int
    steps: int  # of each but the last, which lasts to the end


Specs = Mapping[str, Spec]
"""The format of each stream's examples, by the stream's name; "" is the stream of a game that has one."""

X, Y, INPUT = "x", "y", "input"  # parts of an example


def leaf(stream: str, part: str) -> str:
    """The name in a batch of a part of a stream's examples: ("a", "x") -> "a_x", ("", "x") -> "x"."""
    return f"{stream}_{part}" if stream else part


def leaves(specs: Specs) -> dict[str, Spec | None]:
    """The leaves that batches of such streams have, by name, and the spec of each; None of labels."""
    found: dict[str, Spec | None] = {}
    for stream, spec in specs.items():
        parts: dict[str, Spec | None] = {X: spec, **spec.parts, **({Y: None} if spec.classes else {})}
        found |= {leaf(stream, part): own for part, own in parts.items()}
    return found


class Ports(NamedTuple):
    """The shapes at both ends of a network: the game's wiring of one role."""

    inputs: Shape  # shape of one example at the input: (L,) for a latent, (H, W, C) for an image
    outputs: Shape  # shape of one example at the output; () is a single score
    classes: int = 0  # number of classes of the label `y` that it also gets; 0: no label
    words: int = 0  # number of words, where the input is tokens int32; 0: it is not


CLASS = "class"  # the name of the control that is the data's label


class Control(NamedTuple):
    """An input of a generator that a person can set: the class, or a code.

    Its values are what `Game.draw` draws under its name: categories int32 [n], or numbers float32 [n].
    """

    categories: int = 0  # number of categories, 0 .. categories - 1; 0: its values are numbers
    names: tuple[str, ...] = ()  # names of the categories; empty: they have only their numbers
    low: float = -1.0  # numbers usually lie between low and high
    high: float = 1.0
    entropy: float = 0.0  # entropy of the distribution that it is drawn from, in nats


Critic = Callable[[Array], Array]  # examples [B, ...] -> raw scores [B], or [B, h, w] for patches


class Adversarial(NamedTuple):
    """The losses that the two players minimise.

    Scores are D's raw outputs (logits), of any shape; the result is a scalar.
    """

    discriminator: Callable[[Array, Array], Array]  # (real scores, fake scores) -> []
    generator: Callable[[Array, Array], Array]  # (real scores, fake scores) -> []


class Penalty(NamedTuple):
    """A term of the discriminator's loss that penalises the gradient of its scores with respect to its input."""

    term: Callable[[Critic, Array, Array, Array], Array]  # (critic, real [B, ...], fake [B, ...], keys [B]) -> []
    every: int = 1  # it is applied at every so many steps, with `every` times its weight
