"""Classifiers: what games that classify are compared with."""

from functools import partial

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat

from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.types import Array, Aux, Batch, Ports, Spec, X, Y


def classifier(spec: Spec, network: NetFactory) -> Game:
    """The network minimises -E log p(y|x), nothing else. Raises ValueError for data without labels."""
    _require_classes(spec)

    def network_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        value, right = cross_entropy(nets["network"](batch[X])[0], batch[Y])
        return value, {"right": right}

    return _classifying(spec, network, Turn("network", ("network",), network_loss))._replace(labels="all")


def lsro(
    real: Spec,
    generated: Spec,
    network: NetFactory,
    *,
    weight: NonNegativeFloat = 1.0,  # of the generated images' loss; 0: the real ones alone
) -> Game:
    """Label smoothing for outliers: what a GAN made has no class, and its label is uniform.

    The network minimises -E log p(y|x) over the real examples, and `weight` times -E mean_k log p(k|x) over the
    generated ones: https://arxiv.org/abs/1701.07717, equation 6, where both are one sum over a batch. Raises ValueError
    for real examples without labels, or generated ones of another shape.
    """
    _require_classes(real)
    if real.shape != generated.shape:
        raise ValueError(f"real examples have the shape {real.shape}, generated ones {generated.shape}: one size")

    def network_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        logits = nets["network"](jnp.concatenate([batch["real_x"], batch["generated_x"]]))[0]
        n = len(batch["real_x"])
        value, right = cross_entropy(logits[:n], batch["real_y"])
        outliers = -jax.nn.log_softmax(logits[n:]).mean()
        return value + weight * outliers, {"right": right, "outliers": outliers}

    game = _classifying(real, network, Turn("network", ("network",), network_loss), "real_")
    return game._replace(labels={"real": "all"})


def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """-E log p(y|x) of logits [B, K] and labels int32 [B], and the share that is right: scalars."""
    of_labels = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -of_labels.mean(), jnp.mean(logits.argmax(axis=1) == labels)


def classifying(role: str, given: str = X, like: str = Y) -> Ask:
    """The ask for the log-probabilities of the classes of examples, the leaf `given`, by the logits of a network."""
    return Ask(lambda nets, batch: jax.nn.log_softmax(nets[role](batch[given])[0]), (given,), like=like)


def _classifying(spec: Spec, network: NetFactory, turn: Turn, stream: str = "") -> Game:
    return Game(
        networks={"network": partial(network, Ports(spec.shape, (len(spec.classes),)))},
        turns=(turn,),
        draw=lambda key, n: {},  # noqa: ARG005
        asks={"classify": classifying("network", stream + X, stream + Y)},
    )


def _require_classes(spec: Spec) -> None:
    if not spec.classes:
        raise ValueError("the data have no labels, and a classifier learns from them; [data] labels = true, maybe")
