"""CoGAN: two domains without pairs, two GANs with layers in common, one latent for a pair."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli import media
from gan_cli.games.classifier import cross_entropy
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Prior, draw_latent
from gan_cli.types import Adversarial, Array, Aux, Batch, Ports, Spec

DOMAINS = ("a", "b")


def cogan(
    a: Spec,
    b: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "uniform",  # z ~ N(0, 1) or U(-1, 1), independent components
    adversarial: NonNegativeFloat = 1.0,  # weight of the game in D's loss; 0: D learns to classify alone
    classification: NonNegativeFloat = 0.0,  # weight of telling a's classes apart, in D's loss; 0: labels are not read
    alike: NonNegativeFloat = 0.0,  # weight of D's features of a pair differing, E|f_a(G_a(z)) - f_b(G_b(z))|²
) -> Game:
    """The sum of both GANs' losses. Pairs come of what the networks have in common: `coupled.generator` and its like.

    https://arxiv.org/abs/1606.07536. Networks make and see an image of each domain at once, [B, 2, H, W, C]. With
    `classification` D also says which of a's classes an image shows, learnt of a's labelled examples and asked about
    b's, section 4; `alike` is from the authors' code. Raises ValueError for domains of different shapes or classes.
    """
    if a.shape != b.shape or not media.is_image(a):
        raise ValueError(
            f"both domains are images of one shape, and these have {a.shape} and {b.shape}: [data.b] size, channels"
        )
    if classification and a.classes != b.classes:
        raise ValueError(f"classification is of classes that both domains have: {a.classes} and {b.classes} differ")
    heads = 1 + len(a.classes) if classification else 1  # what D says of an image: a score, and logits of its class

    def make(nets: Nets, batch: Batch) -> Array:
        made: Array = nets["generator"](batch["z"])[0]  # [B, 2, H, W, C]
        return made

    def look(nets: Nets, x: Array) -> tuple[Array, Array, Any]:
        """Scores [B, 2], logits of classes [B, 2, K] and what D shows of its inside."""
        said, inside = nets["discriminator"](x)  # [B, 2, 1 + K]
        return said[..., 0], said[..., 1:], inside

    def real(batch: Batch) -> Array:
        return jnp.stack([batch["a_x"], batch["b_x"]], axis=1)

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real_score, logits, _ = look(nets, real(batch))
        fake_score, _, inside = look(nets, make(nets, batch))
        value = adversarial * sum(loss.discriminator(real_score[:, i], fake_score[:, i]) for i in range(2))
        report = {f"accuracy_{name}": jnp.mean(real_score[:, i] > fake_score[:, i]) for i, name in enumerate(DOMAINS)}
        if classification:
            error, report["class_accuracy"] = cross_entropy(logits[:, 0], batch["a_y"])
            value += classification * error
        if alike:
            features = inside["features"]  # [B, 2, F]
            report["unlike"] = jnp.square(features[:, 0] - features[:, 1]).mean()
            value += alike * report["unlike"]
        return jnp.asarray(value), report

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real_score, fake_score = look(nets, real(batch))[0], look(nets, make(nets, batch))[0]
        value = sum(loss.generator(real_score[:, i], fake_score[:, i]) for i in range(2))
        return jnp.asarray(value), {}

    def classify(domain: int, nets: Nets, batch: Batch) -> Array:
        x = batch[f"{DOMAINS[domain]}_x"]
        return jax.nn.log_softmax(look(nets, jnp.stack([x, x], axis=1))[1][:, domain])

    height, width, channels = a.shape
    asks = {
        "pair": Ask(
            lambda nets, batch: jnp.concatenate([*make(nets, batch).swapaxes(0, 1)], axis=2),
            like=Spec((height, 2 * width, channels)),
        ),
        "a": Ask(lambda nets, batch: make(nets, batch)[:, 0], like="a_x"),
        "b": Ask(lambda nets, batch: make(nets, batch)[:, 1], like="b_x"),
    }
    if classification:
        asks |= {
            "classify": Ask(partial(classify, 1), ("b_x",), like="b_y"),
            "classify_a": Ask(partial(classify, 0), ("a_x",), like="a_y"),
        }
    return Game(
        networks={
            "generator": partial(generator, Ports((latent,), (2, *a.shape))),
            "discriminator": partial(discriminator, Ports((2, *a.shape), (2, heads))),
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator",), generator_loss),
        ),
        draw=lambda key, n: {"z": draw_latent(key, n, latent, prior)},
        asks=asks,
        labels={"a": "all"} if classification else "unused",
    )
