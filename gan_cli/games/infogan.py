"""InfoGAN: codes that a network on the discriminator's features can read off the samples."""

from typing import Literal

import jax.numpy as jnp
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from gan_cli.games.codes import Categories, Codes, addition, controls, report, weighted
from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Options, Prior, Seen, play
from gan_cli.types import Adversarial, Array, Aux, Batch, Penalty, Spec


def infogan(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    recognition: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 62,  # size of the noise z, beside the codes
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    categorical: tuple[Categories, ...] = (10,),  # categories of each of the first codes, c0, c1, ...
    continuous: NonNegativeInt = 2,  # codes after them that are numbers
    continuous_prior: Literal["uniform", "normal"] = "uniform",  # of the numbers: U(-1, 1) or N(0, 1)
    learned_sd: bool = False,  # Q also gives a standard deviation of each number; otherwise it is 1
    information: NonNegativeFloat = 1.0,  # λ of categorical codes
    continuous_information: NonNegativeFloat = 1.0,  # λ of numbers
    informed: bool = True,  # False: Q learns, but the generator does not help it: the paper's control, figure 1
    discriminator_steps: PositiveInt = 1,  # k: steps, each on a new batch, for each update of the generator
    penalties: tuple[Penalty, ...] = (),  # added to the discriminator's loss
) -> Game:
    """The standard game, with both players also minimising -λ L_I, L_I = E log Q(c|G(z, c)) + H(c) <= I(c; G(z, c)).

    https://arxiv.org/abs/1606.03657, equations 5 and 6. Q stands on the discriminator's features and is trained with
    it, by [optimisers.discriminator]. Reports the bound of all categorical codes together and of each code, in nats.
    Numbers have a Gaussian Q; with a standard deviation of 1, as in the authors' code for MNIST, their bound stays
    below -0.22 for the uniform and 0.5 for the normal prior.
    """
    if not categorical and not continuous:
        raise ValueError("InfoGAN without codes is the standard game; categorical = [10] would do")
    codes = Codes(controls(categorical, continuous, continuous_prior), continuous_prior, learned_sd)

    def term(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        bounds = codes.bounds(codes.read(nets["recognition"](seen.fake_features)[0]), batch)
        return -weighted(codes, bounds, information, continuous_information), report(codes, bounds)

    def generator_term(nets: Nets, batch: Batch, seen: Seen) -> tuple[Array, Aux]:
        value, reported = term(nets, batch, seen)
        return (value if informed else jnp.zeros(())), reported

    options = Options(loss, latent, prior, discriminator_steps, penalties=penalties)
    # both players minimise the same term; only the generator reports it
    added = addition(spec, discriminator, recognition, codes, lambda *seen: (term(*seen)[0], {}), generator_term)
    return play(options, spec, generator, discriminator, added)
