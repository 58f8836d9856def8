"""AC-GAN: the discriminator also tells the class of what it sees, and the generator is to make it right."""

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli.games.codes import log_likelihood
from gan_cli.games.game import Game, NetFactory, Nets
from gan_cli.games.two_players import Addition, Options, Prior, Seen, class_control, head, play
from gan_cli.types import CLASS, Adversarial, Array, Aux, Batch, Penalty, Spec


def acgan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    classifier: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    discriminator_steps: PositiveInt = 1,  # k: steps, each on a new batch, for each update of the generator
    penalties: tuple[Penalty, ...] = (),  # added to the discriminator's loss
    real_class: NonNegativeFloat = 1.0,  # weight of -log P(class | real) in the discriminator's loss
    fake_class: NonNegativeFloat = 1.0,  # weight of -log P(class | fake) in the discriminator's loss
    generator_class: NonNegativeFloat = 1.0,  # weight of -log P(class | fake) in the generator's loss
) -> Game:
    """D maximises L_S + L_C and G maximises L_C - L_S: the source, and the log-likelihood of the right class.

    https://arxiv.org/abs/1610.09585, equations 2 and 3. The classifier is a head on the discriminator's features,
    trained with it; a network `mlp` with `hidden = []` is the paper's. The generator is given the label (its network's
    `condition`), the discriminator is not. The authors of WGAN-GP have `generator_class = 0.1`.
    """
    heads = {"classifier": head(classifier, discriminator, spec, len(spec.classes))}
    label = class_control(spec)

    def log_probabilities(nets: Nets, features: Array) -> Array:
        return jax.nn.log_softmax(nets["classifier"](features)[0])  # [B, K]

    def error(found: Array, y: Array) -> Array:
        return -log_likelihood(label, found, y).mean()

    def discriminator_terms(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        real, fake = (log_probabilities(nets, features) for features in (seen.real_features, seen.fake_features))
        report = {
            "real_class_accuracy": _accuracy(real, batch["y"]),
            "fake_class_accuracy": _accuracy(fake, batch["y"]),
        }
        return real_class * error(real, batch["y"]) + fake_class * error(fake, batch["y"]), report

    def generator_terms(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        wrong = error(log_probabilities(nets, seen.fake_features), batch["y"])
        return generator_class * wrong, {"class_error": wrong}

    def infer(nets: Nets, x: Array) -> dict[str, Array]:
        return {CLASS: log_probabilities(nets, nets["discriminator"](x)[1]["features"])}

    options = Options(loss, latent, prior, discriminator_steps, penalties=penalties, label="generator")
    return play(options, spec, generator, discriminator, Addition(heads, discriminator_terms, generator_terms, infer))


def _accuracy(log_probabilities: Array, y: Array) -> Array:
    return jnp.mean(log_probabilities.argmax(axis=1) == y)
