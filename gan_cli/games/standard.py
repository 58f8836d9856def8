"""The standard game: a generator and a discriminator, one loss each, and penalties on the discriminator's gradient.

DCGAN, LSGAN, hinge GANs, WGAN, WGAN-GP, DRAGAN, R1, f-GAN, PacGAN, spectral normalisation, CGAN and projection
discriminators are its recipes.
"""

from typing import Annotated

from pydantic import Field, PositiveInt

from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory
from gan_cli.games.two_players import Options, Prior, Share, play
from gan_cli.types import Adversarial, Penalty, Spec


def standard(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    conditional: bool = False,  # both networks are given the label; how it enters is their `condition`
    mismatched: Annotated[float, Field(ge=0, lt=1)] = 0.0,  # share, among fakes, of reals with a wrong label
    discriminator_steps: PositiveInt = 1,  # k: steps, each on a new batch, for each update of the generator
    thorough: bool = False,  # 100 steps before each of the generator's first 25 updates and every 500th, as WGAN's code
    penalties: tuple[Penalty, ...] = (),  # added to the discriminator's loss
    packing: PositiveInt = 1,  # m: examples that the discriminator scores together; divides the batch
    label_noise: Share = 0.0,  # share of pairs (real, fake) whose labels the discriminator is told the wrong way round
    simultaneous: bool = False,  # both players move from the same weights, instead of one after the other
) -> Game:
    """Two players: the discriminator tells real from fake, the generator is told how real its fakes look.

    https://arxiv.org/abs/1406.2661. A step is one update of the discriminator; the generator moves in every k-th.
    Packing is PacGAN, https://arxiv.org/abs/1712.04086; `thorough` is the critic's schedule of the authors' code of
    https://arxiv.org/abs/1701.07875; `conditional` is CGAN, https://arxiv.org/abs/1411.1784. `mismatched` = 0.5 is the
    matching-aware discriminator, https://arxiv.org/abs/1605.05396, algorithm 1: of its two kinds of fakes, what the
    generator made and real examples with the label of another class, each has half the weight. Where classes
    overlap, the generator is then driven away from what could as well be of another class.
    """
    options = Options(
        loss,
        latent,
        prior,
        discriminator_steps,
        thorough,
        penalties,
        packing,
        label_noise,
        simultaneous,
        label="both" if conditional else "none",
        mismatched=mismatched,
    )
    return play(options, spec, generator, discriminator)
