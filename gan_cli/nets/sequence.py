"""Networks of tokens: an LSTM that writes them one after the other, and one that reads windows of several lengths."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from pydantic import PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.categorical import quantile
from gan_cli.nets.mlp import Keep
from gan_cli.types import Array, Ports

NORMAL = nnx.initializers.normal(0.1)
FORGET = 1.0  # added to a forget gate's logit, so that a new cell remembers
CARRY = -2.0  # added to a highway's, so that a new one carries

State = tuple[Array, Array]  # hidden units and cells of an LSTM, [B, H] each


class Cell(nnx.Module):
    """A step of an LSTM: https://doi.org/10.1162/neco.1997.9.8.1735, with a forget gate."""

    def __init__(self, inputs: int, units: int, rngs: nnx.Rngs):
        self.gates = layers.Linear(inputs + units, 4 * units, rngs, init=NORMAL)
        self.units = units

    def start(self, n: int) -> State:
        """The state before n sequences."""
        return jnp.zeros((n, self.units)), jnp.zeros((n, self.units))

    def __call__(self, state: State, x: Array) -> State:
        """The state after an input [B, I]."""
        h, c = state
        enter, keep, show, new = jnp.split(self.gates(jnp.concatenate([x, h.astype(x.dtype)], axis=1)), 4, axis=1)
        c = jax.nn.sigmoid(keep + FORGET) * c + jax.nn.sigmoid(enter) * jnp.tanh(new)
        return (jax.nn.sigmoid(show) * jnp.tanh(c)).astype(jnp.float32), c.astype(jnp.float32)


class Writer(nnx.Module):
    """An LSTM language model; sequences begin with a word of their own."""

    def __init__(self, words: int, rngs: nnx.Rngs, embedding: int, units: int):
        self.embedding = layers.Embedding(words + 1, embedding, rngs, NORMAL)  # the last word begins
        self.cell = Cell(embedding, units, rngs)
        self.out = layers.Linear(units, words, rngs, init=NORMAL)
        self.words = words

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """Tokens int32 [B, T] -> (logits of each, given those before it [B, T, V], {})."""
        before = jnp.pad(x[:, :-1], ((0, 0), (1, 0)), constant_values=self.words)

        def advance(state: State, word: Array) -> tuple[State, Array]:
            state = self.cell(state, self.embedding(word))
            return state, state[0]

        _, h = lax.scan(advance, self.cell.start(len(x)), before.T)  # [T, B, H]
        logits = self.out(h.reshape(-1, h.shape[-1])).reshape(*h.shape[:2], -1)
        return logits.swapaxes(0, 1), {}

    def write(self, u: Array, given: Array, known: Array) -> Array:
        """Tokens int32 [B, T]: the first `known` int32 [] are those of `given` [B, T], then each is drawn.

        A token is drawn at the quantile u [B, T] of its conditional.
        """

        def advance(carry: tuple[State, Array], now: tuple[Array, Array, Array]) -> tuple[tuple[State, Array], Array]:
            (state, word), (own_u, own, place) = carry, now
            state = self.cell(state, self.embedding(word))
            word = jnp.where(place < known, own, quantile(self.out(state[0]), own_u))
            return (state, word), word

        start = self.cell.start(len(u)), jnp.full(len(u), self.words, jnp.int32)
        _, words = lax.scan(advance, start, (u.T, given.T, jnp.arange(u.shape[1])))
        return words.T


class Reader(nnx.Module):
    """Windows of several lengths over the embedded words, the largest answer of each filter, a highway, a score."""

    def __init__(
        self, ports: Ports, rngs: nnx.Rngs, embedding: int, lengths: tuple[int, ...], filters: int, keep: float
    ):
        self.embedding = layers.Embedding(ports.words, embedding, rngs, NORMAL)
        self.lengths = lengths
        self.windows = nnx.List([layers.Linear(n * embedding, filters, rngs) for n in lengths])
        size = filters * len(lengths)
        self.gate = layers.Linear(size, size, rngs)
        self.change = layers.Linear(size, size, rngs)
        self.score = layers.Linear(size, 1, rngs)
        self.dropout = nnx.Dropout(1 - keep)
        self.noise = rngs.dropout.fork()

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """Tokens int32 [B, T] -> (scores [B], {"features": what stands before the score [B, F]})."""
        embedded = self.embedding(x)  # [B, T, E]
        found = []
        for length, filters in zip(self.lengths, self.windows, strict=True):
            places = x.shape[1] - length + 1
            seen = jnp.concatenate([embedded[:, i : i + places] for i in range(length)], axis=-1)  # [B, places, n E]
            answers = filters(seen.reshape(-1, seen.shape[-1])).reshape(len(x), places, -1)
            found.append(jax.nn.relu(answers).max(axis=1))
        h = jnp.concatenate(found, axis=-1)  # [B, F]
        gate = jax.nn.sigmoid(self.gate(h) + CARRY)
        h = gate * jax.nn.relu(self.change(h)) + (1 - gate) * h
        return self.score(self.dropout(h, rngs=self.noise))[:, 0], {"features": h}


def _require_tokens(ports: Ports, net: str) -> None:
    """Raise InputError unless a network's input is tokens without a label."""
    if not ports.words or ports.classes:
        raise InputError(f'net = "{net}" reads tokens without labels; [data] source = "oracle" has such')


def lstm(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    embedding: PositiveInt = 32,  # numbers that stand for a word
    units: PositiveInt = 32,  # of the LSTM
) -> nnx.Module:
    """LSTM language model, SeqGAN's generator: logits of each token given those before it; it also writes.

    https://arxiv.org/abs/1609.05473, section 3.3. Raises InputError unless its input is tokens.
    """
    _require_tokens(ports, "sequence.lstm")
    return Writer(ports.words, rngs, embedding, units)


def reader(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    embedding: PositiveInt = 64,  # numbers that stand for a word
    lengths: tuple[PositiveInt, ...] = (1, 2, 3, 4, 5),  # words that a filter sees; longer ones than sequences are not
    filters: PositiveInt = 32,  # of each length
    keep: Keep = 0.75,  # dropout: probability to keep a feature
) -> nnx.Module:
    """Convolutions over time with their maxima, and a highway: SeqGAN's discriminator.

    https://arxiv.org/abs/1609.05473, section 4.2. Raises InputError unless its input is tokens.
    """
    _require_tokens(ports, "sequence.reader")
    return Reader(ports, rngs, embedding, tuple(n for n in lengths if n <= ports.inputs[0]), filters, keep)
