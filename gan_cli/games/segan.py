"""SegAN: a segmentor, and a critic that looks for differences between its masks and the true ones on several scales."""

from functools import partial

import jax.numpy as jnp
from pydantic import NonNegativeFloat

from gan_cli import media
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import Builder, NetFactory, Nets, bounded_by, shown
from gan_cli.types import INPUT, Array, Aux, Batch, Ports, Shape, Spec, X

TINY = 1e-6  # below a probability, under the logarithm


def segan(
    spec: Spec,
    segmentor: NetFactory,
    critic: NetFactory,
    *,
    adversarial: NonNegativeFloat = 1.0,  # weight of the critic's differences; 0: of pixels alone
    cross_entropy: NonNegativeFloat = 0.0,  # weight of that of pixels, which the paper does without
    dice: NonNegativeFloat = 0.0,  # weight of 1 - a soft Dice coefficient; the authors' code has one, too
    masked: bool = True,  # the critic is shown the image within each mask; False: the masks alone
) -> Game:
    """S minimises, and C maximises, the mean over C's maps of E|f(x S(x)) - f(x y)|: https://arxiv.org/abs/1706.01805.

    In the formula x is the image, `input` of the data, and y its masks, x of the data, one a channel. What the critic
    is shown is among its maps. Its weights are kept small: [optimisers.critic] clip_weights = 0.05. The soft Dice
    coefficient of each mask is 2 Σpy / Σ(p + y); the authors' has squares below. Raises ValueError for examples without
    an input, or one of another size, for a critic that shows no maps, and a segmentor without bounds.
    """
    given = spec.part(INPUT)
    if given.shape[:-1] != spec.shape[:-1]:
        raise ValueError(f"masks and images are of one size, and these are {spec.shape[:-1]} and {given.shape[:-1]}")
    if media.of(spec) is not media.of(given):
        raise ValueError(f"masks of {media.of(given).many} are {media.of(given).many}, too")
    seen_shape = (*spec.shape[:-1], spec.shape[-1] * (given.shape[-1] if masked else 1))
    segmentor_of = partial(segmentor, Ports(given.shape, spec.shape))
    critic_of = partial(critic, Ports(seen_shape, ()))
    require_bounds("segmentor", segmentor_of, given.shape)
    if "maps" not in shown(critic_of, seen_shape):
        raise ValueError('the critic shows no maps, which are compared; [networks.critic] net = "patchgan" does')

    def masks(nets: Nets, batch: Batch) -> tuple[Array, Array, Array]:
        """Probabilities, truths, and images, in [0, 1]: [B, ..., K] and [B, ..., C]."""
        made, _ = nets["segmentor"](batch[INPUT])
        return (made + 1) / 2, (batch[X] + 1) / 2, (batch[INPUT] + 1) / 2

    def difference(nets: Nets, p: Array, truth: Array, image: Array) -> Array:
        def seen(mask: Array) -> list[Array]:
            within = [image * mask[..., k : k + 1] for k in range(mask.shape[-1])] if masked else [mask]
            x = jnp.concatenate(within, axis=-1)
            return [x, *nets["critic"](x)[1]["maps"]]

        terms = [jnp.abs(a - b).mean() for a, b in zip(seen(p), seen(truth), strict=True)]
        return jnp.stack(terms).mean()

    def critic_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        value = difference(nets, *masks(nets, batch))
        return -value, {"difference": value}

    def segmentor_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        p, truth, image = masks(nets, batch)
        cross = mask_cross_entropy(p, truth)
        within = tuple(range(1, p.ndim - 1))  # of each example: a ratio over the batch would be another on two devices
        overlap = (2 * (p * truth).sum(within) / ((p + truth).sum(within) + TINY)).mean()
        value = cross_entropy * cross + dice * (1 - overlap)
        if adversarial:
            value += adversarial * difference(nets, p, truth, image)
        return value, {"cross_entropy": cross, "dice": overlap}

    return Game(
        networks={
            "segmentor": segmentor_of,
            "critic": critic_of,
        },
        turns=(Turn("critic", ("critic",), critic_loss), Turn("segmentor", ("segmentor",), segmentor_loss)),
        draw=lambda key, n: {},  # noqa: ARG005
        asks={"segment": Ask(lambda nets, batch: nets["segmentor"](batch[INPUT])[0], (INPUT,))},
    )


def require_bounds(role: str, build: Builder, example: Shape) -> None:
    """Raise ValueError unless a network makes masks in (-1, 1), so that probabilities are in (0, 1)."""
    if not bounded_by(build, example):
        raise ValueError(f'masks are made in (-1, 1): [networks.{role}] output = "tanh", or net = "translator.unet"')


def mask_cross_entropy(p: Array, truth: Array) -> Array:
    """-E log p of pixels, [], of probabilities and masks in [0, 1]."""
    return -(truth * jnp.log(p + TINY) + (1 - truth) * jnp.log(1 - p + TINY)).mean()
