"""Triple-GAN: a generator and a classifier both make pairs of an image and a label, which a discriminator judges."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.nn import sigmoid, softplus
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from gan_cli import devices
from gan_cli.games.classifier import classifying, cross_entropy
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Prior, class_control, draw_classes, draw_latent
from gan_cli.types import CLASS, Array, Aux, Batch, Ports, Spec, X


def triple_gan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    classifier: NetFactory,
    *,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "uniform",  # z ~ N(0, 1) or U(-1, 1), independent components
    share: NonNegativeFloat = 0.5,  # α: weight of the classifier's pairs among those that D takes for fake
    entropy: NonNegativeFloat = 0.3,  # weight of the entropy of the classifier's predictions
    balance: NonNegativeFloat = 1e-3,  # weight of -mean_k log of the mean prediction, least where classes are equal
    pseudo: NonNegativeFloat = 0.1,  # α_P, weight of -log p(y|G(z, y))
    pseudo_start: NonNegativeInt = 1000,  # step from which on that counts
) -> Game:
    """D tells labelled examples from the pairs (G(z, y), y) and (x, y ~ C(x)); C also learns from the labels.

    https://arxiv.org/abs/1703.02291: C's way through the drawn label is REINFORCE, with D's probability that a pair is
    real as the reward; the authors' code takes the likeliest label, or sums over all, and -log D. `entropy` and
    `balance`, over all devices, are from that code. Departures: D is never shown pairs of C's own labels as real
    ones; no pre-training of C, no weight decay. Raises ValueError for data without labels, and a share over 1.
    """
    if not spec.classes:
        raise ValueError("the data have no labels, and pairs of an example and a label are what it judges")
    if share > 1:
        raise ValueError(f"share = {share}: of the fakes of two kinds; 0 to 1")
    classes = len(spec.classes)

    def answers(nets: Nets, batch: Batch) -> tuple[Array, Array]:
        """The classifier's log-probabilities of the examples [B, K], and a label drawn from them, int32 [B]."""
        log_p = jax.nn.log_softmax(nets["classifier"](batch[X])[0])
        below = jnp.cumsum(jnp.exp(log_p), axis=1) < batch["toss"][:, None]
        return log_p, below.sum(axis=1).clip(0, classes - 1)

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real = nets["discriminator"](batch["labelled_x"], batch["labelled_y"])[0]
        told = nets["discriminator"](batch[X], answers(nets, batch)[1])[0]
        made = nets["discriminator"](nets["generator"](batch["z"], batch[CLASS])[0], batch[CLASS])[0]
        value = softplus(-real).mean() + share * softplus(told).mean() + (1 - share) * softplus(made).mean()
        report = {"real_score": real.mean(), "fake_score": made.mean(), "told_score": told.mean()}
        return value, {**report, "accuracy": jnp.mean(real > made)}

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        made = nets["generator"](batch["z"], batch[CLASS])[0]
        return softplus(-nets["discriminator"](made, batch[CLASS])[0]).mean(), {}

    def classifier_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        log_p, drawn = answers(nets, batch)
        reward = sigmoid(nets["discriminator"](batch[X], drawn)[0])
        of_drawn = jnp.take_along_axis(log_p, drawn[:, None], axis=1)[:, 0]
        error, right = cross_entropy(nets["classifier"](batch["labelled_x"])[0], batch["labelled_y"])
        p = jnp.exp(log_p)
        value = error - share * (jax.lax.stop_gradient(reward) * of_drawn).mean()
        mean_p = devices.mean(p.mean(axis=0))
        value -= entropy * (p * log_p).sum(axis=1).mean() + balance * jnp.log(mean_p + 1e-12).mean()
        made = nets.frozen("generator")(batch["z"], batch[CLASS])[0]
        own, own_right = cross_entropy(nets["classifier"](made)[0], batch[CLASS])
        report = {"labelled": -error, "labelled_accuracy": right, "made_accuracy": own_right}
        return value + pseudo * jnp.where(nets.step >= pseudo_start, own, 0.0), report

    def draw(key: jax.Array, n: int) -> dict[str, Array]:
        z, label, toss = jax.random.split(key, 3)
        return {
            "z": draw_latent(z, n, latent, prior),
            CLASS: draw_classes(label, n, spec),
            "toss": jax.random.uniform(toss, (n,)),
        }

    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), spec.shape, classes)),
            "discriminator": partial(discriminator, Ports(spec.shape, (), classes)),
            "classifier": partial(classifier, Ports(spec.shape, (classes,))),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator",), generator_loss),
            Turn("classifier", ("classifier",), classifier_loss),
        ),
        draw=draw,
        asks={
            "sample": Ask(lambda nets, batch: nets["generator"](batch["z"], batch[CLASS])[0]),
            "classify": classifying("classifier"),
        },
        controls={CLASS: class_control(spec)},
        labels="some",
    )
