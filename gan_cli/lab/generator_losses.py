"""The three losses of the 2014 game's generator."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import PositiveFloat

from gan_cli.lab import Demonstration, Note, table
from gan_cli.losses import adversarial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 401
GRADIENTS = {  # dL_G/ds in closed form, σ the logistic function
    "minimax": ("-σ(s)", lambda s: -1 / (1 + np.exp(-s))),
    "non_saturating": ("-σ(-s)", lambda s: -1 / (1 + np.exp(s))),
    "maximum_likelihood": ("-exp(s)", lambda s: -np.exp(s)),
}
STYLES = ("-", "--", "-.")


def generator_losses(
    note: Note,  # noqa: ARG001 - it takes no time
    *,
    reach: PositiveFloat = 6.0,  # scores run from -reach to reach; D = sigmoid(score)
) -> Demonstration:
    """Three losses of the generator, and where their gradients are: minimax has none where D is sure of a fake.

    https://arxiv.org/abs/1701.00160, figure 16, whose cost of maximum likelihood has our sign: -exp(s). JAX takes the
    gradients of the losses as shipped, in float64; they are compared with their closed forms and shown in the figure.
    """
    scores = np.linspace(-reach, reach, POINTS)
    losses = {}  # the shipped losses of single scores and their derivatives, each [2, POINTS] float64
    for name in GRADIENTS:
        loss = getattr(adversarial, name)().generator
        with jax.enable_x64():
            both = jax.vmap(jax.value_and_grad(lambda s, loss=loss: loss(s, s)))(jnp.asarray(scores))
        losses[name] = np.stack(both)
    errors = {name: float(np.abs(losses[name][1] - GRADIENTS[name][1](scores)).max()) for name in GRADIENTS}
    ends = {name: losses[name][1][[0, POINTS // 2, -1]] for name in GRADIENTS}
    rows = [[name, GRADIENTS[name][0], *(f"{x:.4g}" for x in ends[name]), f"{errors[name]:.1e}"] for name in GRADIENTS]
    head = ["loss of G", "dL/ds", *(f"at s = {s:g}" for s in (-reach, 0, reach)), "largest error"]
    lowest, highest = (float(1 / (1 + np.exp(-score))) for score in (-reach, reach))
    text = f"dL/ds by JAX against the closed form, D = sigmoid(s) from {lowest:.4f} to {highest:.4f}.\n"
    return Demonstration(
        text=text + table(head, rows),
        values={f"error_{name}": error for name, error in errors.items()},
        draw=lambda figure: _draw(figure, scores, losses),
    )


def _draw(figure: "Figure", scores: np.ndarray, losses: dict[str, np.ndarray]) -> None:
    left, right = figure.subplots(1, 2)
    d = 1 / (1 + np.exp(-scores))
    for (name, (loss, gradient)), style in zip(losses.items(), STYLES, strict=True):
        left.plot(d, loss, style, label=name.replace("_", " "))
        right.plot(scores, gradient, style, label=f"{name.replace('_', ' ')}: {GRADIENTS[name][0]}")
    left.set(xlabel="D(G(z)), D's probability that the fake is real", ylabel="loss of G, nats", ylim=(-20, 6))
    left.set_title("What G minimises")
    right.set(xlabel="score s of the fake, D = σ(s)", ylabel="dL/ds, nats per unit of score", ylim=(-5, 0.2))
    right.set_title("How hard it is pushed: 0 is not at all")
    for axes in (left, right):
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.legend()
