"""Codes: inputs of a generator that a recognition network Q reads off its samples again.

What is to be read are `Control`s: categories, drawn with equal chances, and numbers. Q's output has K logits for each
control of K categories, then the mean of a Gaussian for each number, and its log standard deviation if that is learnt.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
from pydantic import Field

from gan_cli.games.networks import NetFactory
from gan_cli.games.two_players import Addition, Term, head
from gan_cli.types import Array, Aux, Batch, Control, Key, Spec

Categories = Annotated[int, Field(ge=2)]
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
LEAST_LOG_SD = -5.0  # a bound on Q's: a number that can be told exactly would have infinite information
NUMBERS = {
    "uniform": Control(low=-1.0, high=1.0, entropy=math.log(2)),  # U(-1, 1)
    "normal": Control(low=-2.0, high=2.0, entropy=HALF_LOG_2PI + 0.5),  # N(0, 1)
}


def controls(categorical: tuple[int, ...], continuous: int, prior: Literal["uniform", "normal"]) -> dict[str, Control]:
    """Controls named c0, c1, ...: one for each entry of `categorical`, its number of categories, then the numbers."""
    each = [Control(k, entropy=math.log(k)) for k in categorical] + [NUMBERS[prior]] * continuous
    return {f"c{i}": control for i, control in enumerate(each)}


class Codes(NamedTuple):
    """The codes of one game."""

    controls: Mapping[str, Control]
    prior: Literal["uniform", "normal"]  # the distribution of numbers
    learned_sd: bool  # whether Q has a standard deviation for numbers; otherwise it is 1

    @property
    def width(self) -> int:
        """Number of values that the codes take at the generator's input."""
        return sum(control.categories or 1 for control in self.controls.values())

    @property
    def outputs(self) -> int:
        """Number of values that Q returns for an example."""
        return sum(control.categories or 1 + self.learned_sd for control in self.controls.values())

    def draw(self, key: Key, n: int) -> dict[str, Array]:
        """n values of every code: categories int32 [n], numbers float32 [n]."""
        drawn = {}
        for i, (name, control) in enumerate(self.controls.items()):
            own_key = jax.random.fold_in(key, i)
            if control.categories:
                drawn[name] = jax.random.randint(own_key, (n,), 0, control.categories)
            elif self.prior == "normal":
                drawn[name] = jax.random.normal(own_key, (n,))
            else:
                drawn[name] = jax.random.uniform(own_key, (n,), minval=-1.0, maxval=1.0)
        return drawn

    def beside(self, batch: Batch) -> Array:
        """The generator's input [B, L + width]: z, then categories one-hot and numbers as they are."""
        parts = [
            jax.nn.one_hot(batch[name], control.categories) if control.categories else batch[name][:, None]
            for name, control in self.controls.items()
        ]
        return jnp.concatenate([batch["z"], *parts], axis=1)

    def read(self, output: Array) -> dict[str, Array]:
        """Q's output [B, outputs] -> log-probabilities [B, K], or mean and log standard deviation [B, 2]."""
        found, at = {}, 0
        for name, control in self.controls.items():
            size = control.categories or 1 + self.learned_sd
            own = output[:, at : at + size]
            at += size
            if control.categories:
                found[name] = jax.nn.log_softmax(own)
            elif self.learned_sd:
                found[name] = jnp.stack([own[:, 0], own[:, 1].clip(LEAST_LOG_SD)], axis=1)
            else:
                found[name] = jnp.concatenate([own, jnp.zeros_like(own)], axis=1)
        return found

    def bounds(self, found: Mapping[str, Array], batch: Batch) -> dict[str, Array]:
        """E log Q(c|x) + H(c) of each code, []: a lower bound on its mutual information with the samples, in nats.

        `found` is what `read` returns. https://arxiv.org/abs/1606.03657, equation 4.
        """
        return {
            name: log_likelihood(control, found[name], batch[name]).mean() + control.entropy
            for name, control in self.controls.items()
        }


def log_likelihood(control: Control, found: Array, values: Array) -> Array:
    """log Q(c|x) [B], in nats, of the values [B] of a code, where `found` is Q's answer as `Codes.read` returns it."""
    if control.categories:
        return jnp.take_along_axis(found, values[:, None], axis=1)[:, 0]
    mean, log_sd = found[:, 0], found[:, 1]
    return -0.5 * ((values - mean) / jnp.exp(log_sd)) ** 2 - log_sd - HALF_LOG_2PI


def addition(
    spec: Spec,
    discriminator: NetFactory,
    recognition: NetFactory,
    codes: Codes,
    discriminator_term: Term,
    generator_term: Term,
) -> Addition:
    """The codes at the generator's input and Q on the discriminator's features, with the terms that they add."""
    return Addition(
        {"recognition": head(recognition, discriminator, spec, codes.outputs)},
        discriminator_term,
        generator_term,
        infer=lambda nets, x: codes.read(nets["recognition"](nets["discriminator"](x)[1]["features"])[0]),
        codes=codes.width,
        with_codes=codes.beside,
        draw=codes.draw,
        controls=codes.controls,
    )


def weighted(codes: Codes, bounds: Mapping[str, Array], categorical: float, continuous: float) -> Array:
    """Σ λ L_I over the given bounds, []; λ is `categorical` or `continuous`, by the kind of the code."""
    terms = [(categorical if codes.controls[name].categories else continuous) * bound for name, bound in bounds.items()]
    return sum(terms, start=jnp.zeros(()))


def report(codes: Codes, bounds: Mapping[str, Array]) -> Aux:
    """The bounds in nats, for the log: the sum over all categorical codes, and each code's own."""
    together = sum((bounds[name] for name, control in codes.controls.items() if control.categories), jnp.zeros(()))
    return {"information": together, **{f"information_{name}": bound for name, bound in bounds.items()}}
