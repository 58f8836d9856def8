"""AC-GAN: the discriminator also tells the class of what it sees, and the generator is to make it right."""

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli.games.codes import log_likelihood
from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
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

    def discriminator_terms(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        y = batch["y"]
        real, fake = (log_probabilities(nets, features) for features in (seen.real_features, seen.fake_features))
        report = {
            "real_class_accuracy": jnp.mean(real.argmax(axis=1) == y),
            "fake_class_accuracy": jnp.mean(fake.argmax(axis=1) == y),
        }
        wrong = (
            real_class * -log_likelihood(label, real, y).mean() + fake_class * -log_likelihood(label, fake, y).mean()
        )
        return wrong, report

    def generator_terms(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        error = -log_likelihood(label, log_probabilities(nets, seen.fake_features), batch["y"]).mean()
        return generator_class * error, {"class_error": error}

    options = Options(loss, latent, prior, discriminator_steps, penalties=penalties, label="generator")
    added = Addition(
        heads,
        discriminator_terms,
        generator_terms,
        infer=lambda nets, x: {CLASS: log_probabilities(nets, nets["discriminator"](x)[1]["features"])},
    )
    return play(options, spec, generator, discriminator, added)
