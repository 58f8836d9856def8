"""Turn, Ask and Game: the vocabulary in which every GAN of this package is written.

A game is an ordered tuple of turns. A turn is a pure loss and the roles it may move; all others are constants in it.
The engine owns gradients, optimisers, devices, averaging and checkpoints; a game sees none of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from gan_cli.games.networks import Builder, Memory, Nets
from gan_cli.types import Array, Aux, Batch, Control, Key, Spec, X

Labels = Literal["unused", "all", "some"]


Loss = Callable[[Nets, Batch], tuple[Array, Aux]]
"""A turn's loss: a scalar to minimise, and what it reports. The batch holds this device's data and the game's draws,
leaves [B, ...].

All randomness is among the draws, a seed for each example where a loss needs more: a key of the step would give other
numbers on another number of devices.
"""


class Turn(NamedTuple):
    """One kind of update: which roles move to make which loss smaller, and when."""

    name: str
    trains: tuple[str, ...]
    loss: Loss
    every: int = 1  # steps between two of this turn; the first is at step start + every - 1
    start: int = 0  # first step at which it can run
    stop: int | None = None  # first step at which it no longer runs; None: never stops
    optim: str = ""  # the table of `[optimisers]` that it uses; empty: its own name
    when: Callable[[Array], Array] | None = None  # step -> whether it runs, in place of `every`

    @property
    def optimiser(self) -> str:
        """The name of its table in `[optimisers]`."""
        return self.optim or self.name

    @property
    def always(self) -> bool:
        """Whether it runs at every step."""
        return self.every == 1 and self.start == 0 and self.stop is None and self.when is None

    def due(self, step: Array) -> Array:
        """Whether it runs at `step` (from 0): a boolean scalar."""
        due = self.when(step) if self.when else (step - self.start + 1) % self.every == 0
        due &= step >= self.start
        return due if self.stop is None else due & (step < self.stop)


def keep(memory: Memory, reports: Mapping[str, Aux]) -> Memory:  # noqa: ARG001
    """The `remember` of games without memory."""
    return memory


class Ask(NamedTuple):
    """Something that a trained game can be asked: to draw, to translate, to segment, to classify, to reconstruct.

    Which of them it is follows from what is given and what the result is like. All chance is among the game's draws, a
    seed for each example where a result needs more, so that result i is a function of (seed, i) and of what is given.
    """

    do: Callable[[Nets, Batch], Array]  # the game's draws, and the leaves in `given`, [B, ...] each -> results [B, ...]
    given: tuple[str, ...] = ()  # the leaves of the data that it starts from; empty: it starts from nothing, and draws
    like: str | Spec = X
    """The leaf of the data that results are like, or a format of their own. Of a label (`y`) a result is the
    log-probabilities of its classes, float32 [B, K]."""


DENSITY = "density"  # what asking for `Game.density` is called


class Copy(NamedTuple):
    """Weights of one role that become another's: a teacher's, a target network's, a lagged policy's.

    The target begins with the weights that its source begins with.
    """

    source: str  # the role whose weights are copied
    target: str  # the role that has them then; no turn trains it
    every: int = 1  # steps between two copies; the first is after step `every`
    keep: float = 0.0  # share of its old weights that the target keeps: an average over copies
    stop: int | None = None  # steps done from which on nothing is copied; None: never


class Game(NamedTuple):
    """A GAN: its networks, its turns and what it can be asked."""

    networks: Mapping[str, Builder]  # role -> builds the Flax module
    turns: tuple[Turn, ...]
    draw: Callable[[Key, int], dict[str, Array]]  # (key, n) -> the game's own inputs, {"z": [n, L]}, beside the data's
    asks: Mapping[str, Ask]  # by name; the first one is shown in pictures and judged where nobody names another
    controls: Mapping[str, Control] = {}  # those of `draw`'s inputs that a person can set: "class", "c0"
    infer: Callable[[Nets, Array], Mapping[str, Array]] | None = None
    """Examples [B, ...] -> what a network of the game takes their controls to be, by name: log-probabilities [B, K] of
    K categories, or the mean and log standard deviation of a Gaussian [B, 2] for a number."""
    latent: int = 0  # numbers in the latent that `decode` takes
    decode: Callable[[Nets, Array], Array] | None = None
    """Latents [B, latent] of a standard normal prior -> samples [B, ...]; None: something else decides them, too."""
    encode: Callable[[Nets, Array], Mapping[str, Array]] | None = None
    """Examples [B, ...] -> those of `draw`'s inputs that an encoder of the game takes their samples to be made of."""
    maps: Callable[[Nets, Array, Batch], Mapping[str, Array]] | None = None
    """Examples [B, ...], with the inputs that samples like them have (their class) -> what a discriminator shows of its
    inside, by name, [B, ...] each: distances there are nearer to a person's than those of pixels. None: none shows
    any."""
    density: Callable[[Nets, Batch], Array] | None = None
    """Examples as games see them, with the game's draws -> log p(x) of the examples as they are stored, or a bound of
    it, in nats: [B]. None: the game has none."""
    copies: tuple[Copy, ...] = ()  # after the turns of a step, in order
    memory: Memory = ()  # BEGAN's k, Fisher's multiplier, ADA's p, CycleGAN's image pool
    remember: Callable[[Memory, Mapping[str, Aux]], Memory] = keep  # (memory, turn -> its report) -> memory
    labels: Labels | Mapping[str, Labels] = "unused"  # which labels the losses read, of which stream
    per_example: tuple[str, ...] = ()  # roles that must treat each example by itself: no batch statistics
    together: int = 1  # examples of a batch that belong together: they divide what a device sees at once
    differentiates: tuple[str, ...] = ()  # tables of [optimisers] through whose updates a loss is differentiated
    simultaneous: bool = False  # True: every turn sees the weights from before the step; False: turn after turn

    def ask(self, name: str = "") -> Ask:
        """The ask of that name, the first one without a name; raises KeyError. DENSITY is that of `density`."""
        if name == DENSITY and self.density:
            return Ask(self.density, (X,), Spec((1,)))
        return self.asks[name or next(iter(self.asks))]

    def labels_of(self, stream: str) -> Labels:
        """Which labels of a stream's data the losses read; some: `data/labelled.py`."""
        return self.labels.get(stream, "unused") if isinstance(self.labels, Mapping) else self.labels

    def turn(self, name: str) -> Turn:
        """The turn of that name; raises KeyError."""
        return {turn.name: turn for turn in self.turns}[name]

    def with_turn(self, name: str, **changes: Any) -> "Game":
        """The game with these fields of one turn replaced; all its other turns, those of penalties too, stay."""
        changed = self.turn(name)._replace(**changes)
        return self._replace(turns=tuple(changed if turn.name == name else turn for turn in self.turns))
