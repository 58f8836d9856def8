"""Sequences that a known model wrote: an LSTM with random weights, SeqGAN's oracle."""

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Store
from gan_cli.types import Spec

AT_ONCE = 500  # sequences that are written side by side: [AT_ONCE, words] numbers each time

Units = tuple[np.ndarray, np.ndarray]  # hidden units and cells, [n, H] each


class Oracle(NamedTuple):
    """An LSTM language model."""

    embedding: np.ndarray  # [V, E]; a sequence begins after word 0
    kernel: np.ndarray  # [E + H, 4 H]: of the input, forget and output gates, and of the new cells
    bias: np.ndarray  # [4 H]
    out: np.ndarray  # [H, V]
    out_bias: np.ndarray  # [V]

    def start(self, n: int) -> Units:
        """The state of n sequences before their first word."""
        zeros = np.zeros((n, self.kernel.shape[1] // 4))
        return self.advance((zeros, zeros), np.zeros(n, int))

    def advance(self, state: Units, words: np.ndarray) -> Units:
        """The state after words int [n]."""
        h, c = state
        gates = np.concatenate([self.embedding[words], h], axis=1) @ self.kernel + self.bias
        enter, keep, show, new = np.split(gates, 4, axis=1)
        c = _sigmoid(keep) * c + _sigmoid(enter) * np.tanh(new)
        return _sigmoid(show) * np.tanh(c), c

    def log_p(self, state: Units) -> np.ndarray:
        """log p of each next word, in nats: [n, V]."""
        logits = state[0] @ self.out + self.out_bias
        logits -= logits.max(axis=1, keepdims=True)
        found: np.ndarray = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return found

    def write(self, u: np.ndarray) -> np.ndarray:
        """Sequences int32 [n, T], each word at the quantile u [n, T] of its conditional."""
        state, words = self.start(len(u)), np.empty(u.shape, np.int32)
        for place, own in enumerate(u.T):
            until = np.exp(self.log_p(state)).cumsum(axis=1)
            words[:, place] = (until[:, :-1] < own[:, None]).sum(axis=1)
            state = self.advance(state, words[:, place])
        return words

    def log_likelihood(self, x: np.ndarray) -> np.ndarray:
        """log p of sequences int [n, T], in nats: [n] float64."""
        state, total = self.start(len(x)), np.zeros(len(x))
        for words in x.T:
            total += np.take_along_axis(self.log_p(state), words[:, None].astype(int), axis=1)[:, 0]
            state = self.advance(state, words)
        return total


def _sigmoid(x: np.ndarray) -> np.ndarray:
    made: np.ndarray = 1 / (1 + np.exp(-x))
    return made


def _normal(bits: np.random.Philox, *shape: int) -> np.ndarray:
    """Draws from N(0, 1) by the method of Box and Muller: of Philox's bits, whose stream is promised to stay."""
    radius, angle = (_uniform(bits, *shape) for _ in range(2))
    made: np.ndarray = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
    return made


def _uniform(bits: np.random.Philox, *shape: int) -> np.ndarray:
    made: np.ndarray = (bits.random_raw(int(np.prod(shape))) >> np.uint64(11)).reshape(shape) * 2.0**-53
    return made


def oracle(
    store: Store,  # noqa: ARG001
    *,
    n: Annotated[int, Field(gt=0, le=10**6)] = 10_000,  # sequences
    length: Annotated[int, Field(gt=0, le=1000)] = 20,  # tokens of each
    words: Annotated[int, Field(ge=2, le=10_000)] = 5000,
    units: PositiveInt = 32,  # of the embedding and of the LSTM
    sd: PositiveFloat = 1.0,  # of its weights
    seed: NonNegativeInt = 0,  # of the sequences; the oracle is always the same
) -> Source:
    """Sequences of an LSTM whose weights are N(0, sd²): https://arxiv.org/abs/1609.05473, section 5.1.

    It says how likely any sequence is (`Source.log_likelihood`), so that what a game writes can be judged.
    """
    weights = np.random.Philox(key=0)
    shapes = ((words, units), (2 * units, 4 * units), (4 * units,), (units, words), (words,))
    made = Oracle(*(sd * _normal(weights, *shape) for shape in shapes))
    chance = _uniform(np.random.Philox(key=1 + seed), n, length)
    x = np.concatenate([made.write(chance[i : i + AT_ONCE]) for i in range(0, n, AT_ONCE)])
    source = in_memory("oracle", x)
    spec = Spec((length,), medium="tokens", words=tuple(map(str, range(words))))
    return source._replace(spec=spec, log_likelihood=made.log_likelihood)
