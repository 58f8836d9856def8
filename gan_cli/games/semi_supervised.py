"""Semi-supervised GAN: the discriminator is a classifier, for which what is generated is one class more."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli.games.classifier import classifying, cross_entropy
from gan_cli.games.feature_matching import feature_distance
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Prior, decoder, draw_latent
from gan_cli.types import Adversarial, Array, Aux, Batch, Ports, Spec

LABELLED, REAL, FAKE = range(3)  # what the discriminator is shown: each has noise of its own


def semi_supervised(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "uniform",  # z ~ N(0, 1) or U(-1, 1), independent components
    unsupervised: NonNegativeFloat = 0.5,  # weight of telling real from fake; 0: D learns from labelled examples alone
    matching: NonNegativeFloat = 1.0,  # weight of feature matching in G's loss
    adversarial: NonNegativeFloat = 0.0,  # weight of the loss's own term of G
    noise: NonNegativeFloat = 0.0,  # standard deviation of Gaussian noise on all that D sees in training
) -> Game:
    """D has K logits; its score that an example is real is their log-sum-exp, as if fakes were a class of logit 0.

    https://arxiv.org/abs/1606.03498, section 5: D minimises -E log p(y|x, real) over the labelled examples
    ([data] labelled) and, over all, the loss of telling real from fake; the paper's is `adversarial.minimax` or
    `non_saturating` with weight 1/2, as in its authors' code. G matches D's mean features, section 3.1. Departure: the
    noise is on D's input alone, not on its hidden layers.
    """

    def seen(nets: Nets, batch: Batch, x: Array, which: int) -> tuple[Array, Array]:
        """D's logits [B, K] and features [B, F] of x; the same noise wherever a step shows D the same examples."""
        if noise:
            keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), which))(batch["seed"])
            x = x + noise * jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
        logits, found = nets["discriminator"](x)
        return logits, found["features"]

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        logits, _ = seen(nets, batch, batch["labelled_x"], LABELLED)
        real, _ = seen(nets, batch, batch["x"], REAL)
        fake, _ = seen(nets, batch, nets["generator"](batch["z"])[0], FAKE)
        error, right = cross_entropy(logits, batch["labelled_y"])
        real_score, fake_score = logsumexp(real, axis=1), logsumexp(fake, axis=1)
        return unsupervised * loss.discriminator(real_score, fake_score) + error, {
            "real_score": real_score.mean(),
            "fake_score": fake_score.mean(),
            "accuracy": jnp.mean(real_score > fake_score),  # share of pairs that are told apart
            "labelled": -error,
            "labelled_accuracy": right,
        }

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real, real_features = seen(nets, batch, batch["x"], REAL)
        fake, fake_features = seen(nets, batch, nets["generator"](batch["z"])[0], FAKE)
        distance = feature_distance(real_features, fake_features)
        value = matching * distance
        if adversarial:
            value += adversarial * loss.generator(logsumexp(real, axis=1), logsumexp(fake, axis=1))
        return value, {"feature_distance": distance}

    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape)),
            "discriminator": partial(discriminator, Ports(spec.shape, (len(spec.classes),))),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator",), generator_loss),
        ),
        draw=lambda key, n: {
            "z": draw_latent(key, n, latent, prior),
            "seed": jax.random.bits(jax.random.fold_in(key, 1), (n,)),
        },
        asks={
            "sample": Ask(lambda nets, batch: nets["generator"](batch["z"])[0]),
            "classify": classifying("discriminator"),
        },
        latent=latent,
        decode=decoder(prior),
        labels="some",
    )
