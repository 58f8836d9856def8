"""ss-InfoGAN: InfoGAN with one code that a few labelled examples tie to the class."""

import math
from typing import Literal

import jax.numpy as jnp
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from gan_cli.games.codes import Categories, Codes, addition, controls, log_likelihood, report, weighted
from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Options, Prior, Seen, class_control, play
from gan_cli.types import CLASS, Adversarial, Array, Aux, Batch, Penalty, Spec


def ssinfogan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    recognition: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 62,  # size of the noise z, beside the codes
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    categorical: tuple[Categories, ...] = (),  # categories of each of the free codes c0, c1, ...; the class is another
    continuous: NonNegativeInt = 2,  # free codes after them that are numbers
    continuous_prior: Literal["uniform", "normal"] = "uniform",  # of the numbers: U(-1, 1) or N(0, 1)
    learned_sd: bool = False,  # Q also gives a standard deviation of each number; otherwise it is 1
    supervision: NonNegativeFloat = 2.0,  # λ2, of the class: read off labelled examples, and off samples
    information: NonNegativeFloat = 0.8,  # λ1 of the free categorical codes
    continuous_information: NonNegativeFloat = 0.8,  # λ1 of numbers
    discriminator_steps: PositiveInt = 1,  # k: steps, each on a new batch, for each update of the generator
    penalties: tuple[Penalty, ...] = (),  # added to the discriminator's loss
) -> Game:
    """InfoGAN with a code that is tied to the label by few labelled examples ([data] labelled), the others free.

    https://arxiv.org/abs/1707.04487, equation 6: both players minimise -λ1 L_I(free codes). For the class code c, Q and
    the discriminator it stands on learn from labelled examples alone, -λ2 (E log Q(y|x) + H(y)), and the generator is
    to follow them, -λ2 (E log Q(c|G(z, c)) + H(c)), as in the authors' code. All labels have equal chances. Departure:
    a batch of labelled examples goes with every batch, and D sees them as real only where they come up in the latter;
    the authors take whole batches of labelled examples, all at first and then 10% less in each epoch.
    """
    tied = class_control(spec)._replace(entropy=math.log(max(1, len(spec.classes))))
    free = controls(categorical, continuous, continuous_prior)
    codes = Codes({CLASS: tied, **free}, continuous_prior, learned_sd)

    def of_fakes(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, dict[str, Array]]:
        bounds = codes.bounds(codes.read(nets["recognition"](seen.fake_features)[0]), batch)
        return -weighted(codes, {c: bounds[c] for c in free}, information, continuous_information), bounds

    def discriminator_term(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        value, _ = of_fakes(nets, batch, seen)
        _, trunk = nets.frozen("discriminator")(batch["labelled_x"])  # batch statistics are to be those of all examples
        found = codes.read(nets.frozen("recognition")(trunk["features"])[0])[CLASS]
        right = log_likelihood(tied, found, batch["labelled_y"]).mean() + tied.entropy
        accuracy = jnp.mean(found.argmax(axis=1) == batch["labelled_y"])
        return value - supervision * right, {"labelled": right, "labelled_accuracy": accuracy}

    def generator_term(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        value, bounds = of_fakes(nets, batch, seen)
        return value - supervision * bounds[CLASS], report(codes, bounds)

    options = Options(loss, latent, prior, discriminator_steps, penalties=penalties)
    added = addition(spec, discriminator, recognition, codes, discriminator_term, generator_term)
    return play(options, spec, generator, discriminator, added._replace(labels="some"))
