"""Deep generative replay: tasks come one after the other; a generator stands in for the data of those before."""

from functools import partial

import jax
import jax.numpy as jnp
from pydantic import PositiveInt

from gan_cli.games.classifier import classifying
from gan_cli.games.game import Ask, Copy, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Prior, decoder, draw_latent
from gan_cli.types import Adversarial, Array, Aux, Batch, Penalty, Ports, Spec, Tasks, X, Y


def replay(
    spec: Spec,
    tasks: Tasks,
    generator: NetFactory,
    discriminator: NetFactory,
    solver: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    penalties: tuple[Penalty, ...] = (),  # added to the discriminator's loss at every step
    replayed: bool = True,  # False: nothing of the tasks before is seen again, and they are forgotten
    distil: bool = True,  # what is replayed has the old solver's probabilities; False: the class it thinks likeliest
) -> Game:
    """Of task t, from 1, a share 1 / t of what is learnt is its own; the rest is what the old generator makes.

    The old solver labels it: https://arxiv.org/abs/1705.08690. The share is drawn for each example, and the teachers
    are copies at the ends of tasks, [data] `tasks` and `task_steps`. Optimisers run on from task to task, of which the
    paper says nothing. Raises ValueError for data without labels, and lazy penalties.
    """
    if not spec.classes:
        raise ValueError("the data have no labels, which the solver learns")
    if any(penalty.every > 1 for penalty in penalties):
        raise ValueError("penalties of the discriminator are applied at every step: every = 1")
    classes = len(spec.classes)
    students = {
        "generator": partial(generator, Ports((latent,), spec.shape)),
        "solver": partial(solver, Ports(spec.shape, (classes,))),
    }

    def task(nets: Nets) -> Array:
        """The number of the task, from 0."""
        return jnp.minimum(nets.step // tasks.steps, tasks.number - 1)

    def mixed(nets: Nets, batch: Batch) -> tuple[Array, Array, Array]:
        """Examples, the probabilities of their classes, and which of them are the task's own [B]."""
        own = batch["coin"] * (task(nets) + 1) < 1
        if not replayed:
            return batch[X], jax.nn.one_hot(batch[Y], classes), jnp.ones_like(own)
        past = nets.frozen("old_generator")(batch["old_z"])[0]
        logits = nets.frozen("old_solver")(past)[0]
        told = jax.nn.softmax(logits) if distil else jax.nn.one_hot(logits.argmax(axis=1), classes)
        x = jnp.where(own.reshape(-1, *[1] * (past.ndim - 1)), batch[X], past)
        return x, jnp.where(own[:, None], jax.nn.one_hot(batch[Y], classes), told), own

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        x, fake = mixed(nets, batch)[0], nets["generator"](batch["z"])[0]
        real_score, fake_score = nets["discriminator"](x)[0], nets["discriminator"](fake)[0]
        value = loss.discriminator(real_score, fake_score)
        keys = jax.vmap(jax.random.key)(batch["seed"])
        for penalty in penalties:
            value += penalty.term(lambda x: nets.frozen("discriminator")(x)[0], x, fake, keys)
        accuracy = jnp.mean(real_score > fake_score)
        return value, {"real_score": real_score.mean(), "fake_score": fake_score.mean(), "accuracy": accuracy}

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        real_score = nets["discriminator"](mixed(nets, batch)[0])[0]
        return loss.generator(real_score, nets["discriminator"](nets["generator"](batch["z"])[0])[0]), {}

    def solver_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        x, wanted, own = mixed(nets, batch)
        log_p = jax.nn.log_softmax(nets["solver"](x)[0])
        return -jnp.sum(wanted * log_p, axis=1).mean(), {"own": own.mean(), "task": task(nets).astype(jnp.float32)}

    def draw(key: jax.Array, n: int) -> dict[str, Array]:
        z, old_z, coin, seed = jax.random.split(key, 4)
        return {
            "z": draw_latent(z, n, latent, prior),
            "old_z": draw_latent(old_z, n, latent, prior),
            "coin": jax.random.uniform(coin, (n,)),
            "seed": jax.random.bits(seed, (n,)),
        }

    return Game(
        networks={
            **students,
            "discriminator": partial(discriminator, Ports(spec.shape, ())),
            **{f"old_{role}": build for role, build in students.items()},
        },
        turns=(
            Turn("discriminator", ("discriminator",), discriminator_loss),
            Turn("generator", ("generator",), generator_loss),
            Turn("solver", ("solver",), solver_loss),
        ),
        draw=draw,
        asks={
            "sample": Ask(lambda nets, batch: nets["generator"](batch["z"])[0]),
            "classify": classifying("solver"),
        },
        latent=latent,
        decode=decoder(prior),
        copies=tuple(Copy(role, f"old_{role}", tasks.steps, stop=tasks.number * tasks.steps) for role in students),
        labels="all",
        per_example=("discriminator",) if penalties else (),
    )
