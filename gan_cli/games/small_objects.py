"""Perceptual GAN for small objects: the features of a small object become like those of a large one of its class."""

from functools import partial

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli import media
from gan_cli.games.classifier import cross_entropy
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.types import INPUT, Adversarial, Array, Aux, Batch, Ports, Spec, X, Y


def small_objects(
    spec: Spec,
    trunk: NetFactory,
    residual: NetFactory,
    classifier: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    features: PositiveInt = 64,  # numbers that the trunk makes of an object
    adversarial: NonNegativeFloat = 0.1,  # weight of lifted features looking like those of large objects; 0: no game
) -> Game:
    """f + R(f), f the features of `input`, a small object, should look like those of x, large ones, and be classified.

    https://arxiv.org/abs/1706.05274: trunk, R and classifier minimise -E log p(y | lifted) - E log p(y | large) +
    `adversarial` L_G, the discriminator tells lifted features from large objects' own. `input` is enlarged to the size
    of x. Departures: whole pictures are classified, no boxes are found in them; R sees f itself, not the trunk's lower
    layers; the trunk learns from both, and is no constant for its large objects. Raises ValueError for data without
    labels or an input, or an input of other channels.
    """
    given = spec.part(INPUT)
    if not (media.is_image(given) and media.is_image(spec) and given.shape[2] == spec.shape[2]):
        raise ValueError(f"small and large objects are images of as many channels, not {given.shape} and {spec.shape}")
    classes = len(spec.classes)
    if not classes:
        raise ValueError("the data have no labels, which the classifier learns")

    def enlarged(small: Array) -> Array:
        return jax.image.resize(small, (len(small), *spec.shape), "linear")

    def lifted(nets: Nets, f: Array) -> Array:
        made: Array = f + nets["residual"](f)[0]
        return made

    def look(nets: Nets, batch: Batch) -> tuple[Array, Array, Array, Array]:
        """Features of large objects and lifted ones [B, F], and the discriminator's scores of both."""
        n = len(batch[X])
        f = nets["trunk"](jnp.concatenate([batch[X], enlarged(batch[INPUT])]))[0]  # one batch for its batch norm
        own, made = f[:n], lifted(nets, f[n:])
        return own, made, nets["discriminator"](own)[0], nets["discriminator"](made)[0]

    def classify(nets: Nets, f: Array) -> Array:
        return jax.nn.log_softmax(nets["classifier"](f)[0])

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        _, _, real, fake = look(nets, batch)
        return loss.discriminator(real, fake), {"real_score": real.mean(), "fake_score": fake.mean()}

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        own, made, real, fake = look(nets, batch)
        (of_small, small_right), (of_large, large_right) = (
            cross_entropy(nets["classifier"](f)[0], batch[Y]) for f in (made, own)
        )
        value = of_small + of_large + (adversarial * loss.generator(real, fake) if adversarial else 0)
        return value, {"small_accuracy": small_right, "large_accuracy": large_right}

    return Game(
        networks={
            "trunk": partial(trunk, Ports(spec.shape, (features,))),
            "residual": partial(residual, Ports((features,), (features,))),
            "classifier": partial(classifier, Ports((features,), (classes,))),
            "discriminator": partial(discriminator, Ports((features,), ())),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("trunk", "residual", "classifier"), generator_loss),
        ),
        draw=lambda key, n: {},  # noqa: ARG005
        asks={
            "classify": Ask(
                lambda nets, batch: classify(nets, lifted(nets, nets["trunk"](enlarged(batch[INPUT]))[0])),
                (INPUT,),
                like=Y,
            ),
            "classify_large": Ask(lambda nets, batch: classify(nets, nets["trunk"](batch[X])[0]), (X,), like=Y),
        },
        labels="all",
    )
