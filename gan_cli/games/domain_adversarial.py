"""Domain adaptation: a classifier whose features tell the classes, and not the domain that an example is from."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from gan_cli.games.classifier import classifying, cross_entropy
from gan_cli.games.game import Game, Turn
from gan_cli.games.networks import NetFactory, Nets, features_shape
from gan_cli.types import Adversarial, Array, Aux, Batch, Penalty, Ports, Spec


def domain_adversarial(
    source: Spec,
    target: Spec,
    classifier: NetFactory,
    critic: NetFactory,
    *,
    loss: Adversarial,
    confusion: NonNegativeFloat = 1.0,  # λ, weight of the critic's loss, which features enlarge; 0: the source alone
    ramp: NonNegativeInt = 0,  # steps in which λ rises, as 2 / (1 + exp(-10 p)) - 1 of the share p of them; 0: at once
    critic_steps: PositiveInt = 1,  # critic updates for each update of the classifier
    penalties: tuple[Penalty, ...] = (),  # added to the critic's loss at every step
) -> Game:
    """The classifier minimises -E log p(y|x) over the source - λ the loss of a critic that tells domains by features.

    Target labels are never seen. `loss = "adversarial.minimax"` with a ramp is DANN, https://arxiv.org/abs/1505.07818,
    whose reversal of gradients is here a turn of each; `adversarial.wasserstein` with `penalties.wgan_gp` and several
    critic steps is WDGRL, https://arxiv.org/abs/1707.01217, which ARDA is, too. Features are the classifier's
    "features"; both domains are one batch for its batch norm. Departure: each critic step has a batch of its own, and
    the penalty is between domains alone, not at the examples, too. Raises ValueError for domains of different shapes
    or classes, a source without labels, and lazy penalties.
    """
    _require_domains(source, target)
    if any(penalty.every > 1 for penalty in penalties):
        raise ValueError("penalties of the critic are applied at every step: every = 1")
    trunk = partial(classifier, Ports(source.shape, (len(source.classes),)))

    def look(nets: Nets, batch: Batch) -> tuple[Array, Array, Array]:
        """Logits of the source, features of the source and of the target [B, F]."""
        n = len(batch["source_x"])
        logits, inside = nets["classifier"](jnp.concatenate([batch["source_x"], batch["target_x"]]))
        features = inside["features"].reshape(len(logits), -1)
        return logits[:n], features[:n], features[n:]

    def critic_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        _, of_source, of_target = look(nets, batch)
        real, fake = nets["critic"](of_source)[0], nets["critic"](of_target)[0]
        value = loss.discriminator(real, fake)
        report = {"critic_loss": value, "accuracy": jnp.mean(real > fake)}  # of pairs of both domains: 0.5 is guessing
        keys = jax.vmap(jax.random.key)(batch["seed"])
        for penalty in penalties:
            value += penalty.term(lambda h: nets.frozen("critic")(h)[0], of_source, of_target, keys)
        return value, report

    def classifier_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        logits, of_source, of_target = look(nets, batch)
        error, right = cross_entropy(logits, batch["source_y"])
        report = {"error": error, "source_accuracy": right}
        if not confusion:
            return error, report
        told = loss.discriminator(nets["critic"](of_source)[0], nets["critic"](of_target)[0])
        share = jnp.minimum(nets.step / ramp, 1.0) if ramp else jnp.ones(())
        weight = confusion * (2 / (1 + jnp.exp(-10 * share)) - 1 if ramp else share)
        return error - weight * told, {**report, "weight": weight}

    def build_critic(rngs: Any) -> Any:
        return critic(Ports((math.prod(features_shape(trunk, source.shape)),), ()), rngs)

    return Game(
        networks={"classifier": trunk, "critic": build_critic},
        turns=(
            Turn("critic", ("critic",), critic_loss),
            Turn("classifier", ("classifier",), classifier_loss, every=critic_steps),
        ),
        draw=lambda key, n: {"seed": jax.random.bits(key, (n,))},
        asks={
            "target": classifying("classifier", "target_x", "target_y" if target.classes else "source_y"),
            "source": classifying("classifier", "source_x", "source_y"),
        },
        labels={"source": "all"},
        per_example=("critic",) if penalties else (),
    )


def _require_domains(source: Spec, target: Spec) -> None:
    if source.shape != target.shape:
        ends = " and ".join("x".join(map(str, spec.shape)) for spec in (source, target))
        raise ValueError(f"both domains go through one network, and their examples are {ends}; see size")
    if not source.classes:
        raise ValueError("the source has no labels, from which the classifier learns")
    if target.classes and target.classes != source.classes:
        named = " and ".join(", ".join(spec.classes) for spec in (source, target))
        raise ValueError(f"both domains have the same classes in the same order, and these have {named}")
