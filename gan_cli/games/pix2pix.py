"""pix2pix: a generator makes each example from its input; the discriminator is shown pairs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import relu
from pydantic import NonNegativeFloat, NonNegativeInt

from gan_cli import devices, media
from gan_cli.features import Features
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import Builder, NetFactory, Nets, shown
from gan_cli.games.segan import mask_cross_entropy, require_bounds
from gan_cli.types import INPUT, Adversarial, Array, Aux, Batch, Ports, Shape, Spec, X


def pix2pix(
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    *,
    loss: Adversarial,
    adversarial: NonNegativeFloat = 1.0,  # weight of the adversarial term; 0: regression
    l1: NonNegativeFloat = 100.0,  # λ: weight of the mean absolute difference from the true example
    l2: NonNegativeFloat = 0.0,  # weight of the mean squared difference
    cross_entropy: NonNegativeFloat = 0.0,  # weight of that of masks, of which x is one in each channel
    perceptual: tuple[NonNegativeFloat, ...] = (),  # λ_i: of that between D's maps, from the finest on
    content: Features | None = None,  # a fixed network, whose maps of results and of true examples are compared
    content_weights: tuple[NonNegativeFloat, ...] = (1.0,),  # of the mean squared differences, from the finest map on
    margin: NonNegativeFloat = 0.0,  # m: D keeps the perceptual term above it; 0: D does not look at it
    conditional: bool = True,  # D is shown the input beside the example
    pretrain: NonNegativeInt = 0,  # steps of the differences alone, before the game begins
) -> Game:
    """G makes x from `input`: adversarial + λ E|x - G(input)|; D tells true pairs from those with what G made.

    https://arxiv.org/abs/1611.07004. With `perceptual`, + Σ λ_i E|D_i(x) - D_i(G(input))|, and D's loss with `margin` m
    + [m - Σ ...]+: PAN, https://arxiv.org/abs/1706.09138. With `pretrain`, `l2` and a D that is not conditional:
    SRGAN, https://arxiv.org/abs/1609.04802, which also has `content`, + Σ w_i E(φ_i(x) - φ_i(G(input)))² with maps φ_i
    of another network, whose weights are constants of the compiled step. With `cross_entropy` in place of `l1` and
    `adversarial = 0.01`, of masks: SCAN, https://arxiv.org/abs/1703.08770. Noise enters as dropout in G, where its
    network has some, in sampling as in training. Raises ValueError for examples without an input.
    """
    given = spec.part(INPUT)
    seen = _pair_shape(given, spec) if conditional else spec.shape
    discriminator_of = partial(discriminator, Ports(seen, ()))
    _check_perceptual(perceptual, margin, discriminator_of, seen)
    if cross_entropy:
        require_bounds("generator", partial(generator, Ports(given.shape, spec.shape)), given.shape)
    unlike_content = _content_term(content, content_weights, spec) if content else None

    def make(nets: Nets, batch: Batch) -> Array:
        made: Array = nets["generator"](batch[INPUT], seeds=batch["seed"])[0]
        return made

    def look(nets: Nets, batch: Batch, x: Array) -> tuple[Array, Any]:
        """D's scores of examples, and its maps."""
        score, inside = nets["discriminator"](jnp.concatenate([batch[INPUT], x], axis=-1) if conditional else x)
        return score, inside.get("maps", ())

    def differences(made: Array, x: Array) -> tuple[Array, Aux]:
        error = jnp.abs(made - x).mean()
        value = l1 * error + l2 * jnp.square(made - x).mean()
        if not cross_entropy:
            return value, {"l1": error}
        of_masks = mask_cross_entropy((made + 1) / 2, (x + 1) / 2)
        return value + cross_entropy * of_masks, {"l1": error, "cross_entropy": of_masks}

    def pretrain_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        return differences(make(nets, batch), batch[X])

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real, maps = look(nets, batch, batch[X])
        fake, others = look(nets, batch, make(nets, batch))
        accuracy = jnp.mean(real > fake)  # share of true and made pairs that are told apart: 0.5 is guessing
        report = {"real_score": real.mean(), "fake_score": fake.mean(), "accuracy": accuracy}
        value = loss.discriminator(real, fake)
        return value + relu(margin - devices.mean(_unlike(perceptual, maps, others))) if margin else value, report

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        made = make(nets, batch)
        value, report = differences(made, batch[X])
        real, maps = look(nets, batch, batch[X])
        fake, others = look(nets, batch, made)
        if perceptual:
            report["perceptual"] = _unlike(perceptual, maps, others)
            value += report["perceptual"]
        if unlike_content:
            report["content"] = unlike_content(made, batch[X])
            value += report["content"]
        return value + adversarial * loss.generator(real, fake), report

    first = [Turn("pretrain", ("generator",), pretrain_loss, stop=pretrain, optim="generator")] if pretrain else []
    return Game(
        networks={
            "generator": partial(generator, Ports(given.shape, spec.shape)),
            "discriminator": discriminator_of,
        },
        turns=(
            *first,
            Turn("discriminator", ("discriminator",), discriminator_loss, start=pretrain),
            Turn("generator", ("generator",), generator_loss, start=pretrain),
        ),
        draw=lambda key, n: {"seed": jax.random.bits(key, (n,))},
        asks={"translate": Ask(make, (INPUT,))},
    )


def _content_term(network: Features, weights: Sequence[float], spec: Spec) -> Callable[[Array, Array], Array]:
    """Of results and true examples: Σ w_i E(φ_i(a) - φ_i(b))² with the maps φ_i of a fixed network, the finest first.

    Raises ValueError for a network that shows fewer maps.
    """
    maps: Callable[[Array], tuple[Array, ...]] = network.maps or (lambda _: ())
    seen = len(jax.eval_shape(maps, jax.ShapeDtypeStruct((1, *spec.shape), "float32")))
    if seen < len(weights):
        raise ValueError(
            f"content_weights are {len(weights)}, and content = {network.name!r} shows {seen} maps; photos shows 5"
        )

    def term(made: Array, x: Array) -> Array:
        pairs = zip(weights, maps(made), maps(x), strict=False)
        return sum((weight * jnp.square(a - b).mean() for weight, a, b in pairs), jnp.zeros(()))

    return term


def _pair_shape(given: Spec, made: Spec) -> Shape:
    """The shape of an input and an example beside each other; raises ValueError where they are of two sizes."""
    if not (media.is_image(given) and media.is_image(made) and given.shape[:-1] == made.shape[:-1]):
        ends = " and ".join("x".join(map(str, spec.shape)) for spec in (given, made))
        raise ValueError(
            "the discriminator is shown input and example beside each other, which wants images of one size, and these "
            f"are {ends}; conditional = false shows it examples alone"
        )
    return (*made.shape[:-1], given.shape[-1] + made.shape[-1])


def _check_perceptual(weights: Sequence[float], margin: float, discriminator: Builder, seen: Shape) -> None:
    """Raise ValueError unless the discriminator shows a map for each weight, and a margin has a term."""
    if margin and not weights:
        raise ValueError("margin is of the perceptual term, and there is none; perceptual = [1.0] would do")
    if weights and len(maps := shown(discriminator, seen).get("maps", ())) < len(weights):
        raise ValueError(
            f"perceptual has {len(weights)} weights, and the discriminator shows {len(maps)} maps; "
            '[networks.discriminator] net = "patchgan" shows one for each layer but the last'
        )


def _unlike(weights: Sequence[float], maps: Sequence[Array], others: Sequence[Array]) -> Array:
    """The perceptual term: how far D's maps of what is made are from those of the true examples."""
    terms = zip(weights, maps, others, strict=False)
    return sum((weight * jnp.abs(a - b).mean() for weight, a, b in terms), jnp.zeros(()))
