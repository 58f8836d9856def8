"""Two parallel lines: what the 2014 game and WGAN can tell a generator whose samples and data do not overlap."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from pydantic import Field, PositiveInt

from gan_cli.data.source import Source, in_memory
from gan_cli.engine.loop import Means
from gan_cli.engine.state import Experiment, definitions
from gan_cli.games.game import Game
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.standard import standard
from gan_cli.lab import Demonstration, Note, table
from gan_cli.lab.training import train
from gan_cli.losses import adversarial, penalties
from gan_cli.nets.mlp import mlp
from gan_cli.recipe import Ema, Train
from gan_cli.types import Adversarial, Array, Aux, Batch, Key, Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 50_000  # real examples
HEIGHTS = (np.arange(256) + 0.5) / 256  # of the points at which a trained discriminator is judged
NEAREST, FARTHEST = 0.2, 1.2  # |θ| of the fixed lines
START = 1.0  # θ of a generator that is trained
CRITIC_STEPS = 5  # before each update of the generator
CALL = 50  # steps between two points of a curve

DISCRIMINATOR = partial(mlp, hidden=(32, 32), activation="softplus")


class Line(nnx.Module):
    """The generator: (θ, U), U ~ U(0, 1), whose one parameter is θ."""

    def __init__(self, start: Array):
        self.theta = nnx.Param(start)

    def __call__(self, z: Array) -> tuple[Array, dict[str, Array]]:
        """z ~ U(-1, 1) [B, 1] -> ([B, 2], {})."""
        return jnp.concatenate([jnp.full_like(z, self.theta[...]), (z + 1) / 2], axis=1), {}


class Scores(NamedTuple):
    """The verdicts of trained discriminators on fixed lines, one number a line."""

    theta: np.ndarray  # where the line is
    value: np.ndarray  # what the discriminator maximises
    gradient: np.ndarray  # of the generator's loss with respect to θ


class Moved(NamedTuple):
    """A generator on its way."""

    steps: list[int]
    thetas: list[float]  # θ at those steps, the mean over the seeds
    ends: np.ndarray  # θ of each seed


def disjoint_lines(
    note: Note,
    *,
    lines: Annotated[int, Field(ge=2)] = 12,  # fixed θ, drawn from ±[0.2, 1.2]
    seeds: PositiveInt = 3,  # of the generators that are trained
    steps: PositiveInt = 3000,  # of each discriminator
) -> Demonstration:
    """Data (0, U), samples (θ, U): the Jensen-Shannon divergence is log 2 wherever the line is, WGAN's distance is |θ|.

    https://arxiv.org/abs/1701.07875, example 1. First discriminators of fixed lines are trained, one for each θ: that
    of the 2014 game and WGAN-GP's critic, https://arxiv.org/abs/1704.00028, which stands in for the Lipschitz one. Its
    penalty has a price: with weight λ the best critic's slope is 1 + |θ| / 2λ, not 1. Then a generator with the one
    parameter θ starts at 1 and is trained by either game, the 2014 one with its minimax loss. Adam divides a gradient
    by its own size, so that one which is all but nothing still moves θ, in time.
    """
    games = {
        "minimax": (adversarial.minimax(), ()),
        "wgan_gp": (adversarial.wasserstein(), (penalties.wgan_gp(),)),
    }
    points = np.stack([np.zeros(SIZE), np.random.default_rng(0).random(SIZE)], axis=1)  # (0, U) [SIZE, 2]
    source = in_memory("lines", points.astype(np.float32))
    judged, moved = {}, {}
    for name, (loss, penalty) in games.items():
        make = partial(standard, Spec((2,)), loss=loss, latent=1, prior="uniform", penalties=penalty)
        judged[name] = _judge(name, make, loss, source, lines, steps, note)
        moved[name] = _move(name, make, source, seeds, steps, note)
    values, text = _numbers(judged, moved)
    return Demonstration(
        text=text,
        values=values,
        draw=lambda figure: _draw(figure, judged, moved),
        size=(14, 4.2),
    )


def _line(start: Callable[[Key], Array]) -> NetFactory:
    """The network factory of a `Line` whose θ is drawn by `start`."""
    return lambda ports, rngs: Line(start(rngs.params()))  # noqa: ARG005 - its ports are the plane's


def _anywhere(key: Key) -> Array:
    """θ ~ U(±[NEAREST, FARTHEST])."""
    place = jax.random.uniform(key, minval=NEAREST - FARTHEST, maxval=FARTHEST - NEAREST)
    return place + jnp.where(place < 0, -NEAREST, NEAREST)


def _experiment(game: Game, steps: int) -> Experiment:
    """Adam with WGAN-GP's moments; both rates fall to 0, so that θ comes to rest."""
    adam = partial(optax.adam, b1=0.0, b2=0.9)
    optimisers = {
        "discriminator": adam(optax.cosine_decay_schedule(5e-3, steps)),
        "generator": adam(optax.cosine_decay_schedule(2e-2, max(steps // CRITIC_STEPS, 1))),
    }
    options = Train(steps=steps, batch=128, steps_per_call=CALL)
    return Experiment({"": Spec((2,))}, game, definitions(game), optimisers, options, Ema(decay=0.0))


def _judge(
    name: str, make: Callable[..., Game], loss: Adversarial, source: Source, lines: int, steps: int, note: Note
) -> Scores:
    """Train a discriminator for each of a number of fixed lines, and ask it what the generator would be told."""
    game = make(generator=_line(_anywhere), discriminator=DISCRIMINATOR)
    alone = _experiment(game._replace(turns=game.turns[:1]), steps)
    trained = train(f"{name}, fixed lines", alone, source, range(lines), note)
    heights = jnp.asarray(HEIGHTS, jnp.float32)

    def score(nets: Nets, x: Array) -> Array:
        scores: Array = nets.frozen("discriminator")(jnp.stack([jnp.full_like(heights, x), heights], axis=1))[0]
        return scores

    thetas = [trained.network(i, "generator")(np.zeros((1, 1)))[0, 0] for i in range(lines)]
    values, gradients = [], []
    for i, theta in enumerate(thetas):
        nets = trained.nets(i)
        real_score = score(nets, jnp.zeros(()))
        told = jax.grad(lambda x, nets=nets, real=real_score: loss.generator(real, score(nets, x)))
        values.append(-float(loss.discriminator(real_score, score(nets, jnp.float32(theta)))))
        gradients.append(float(told(jnp.float32(theta))))
    return Scores(np.array(thetas), np.array(values), np.array(gradients))


def _move(name: str, make: Callable[..., Game], source: Source, seeds: int, steps: int, note: Note) -> Moved:
    """Train generators from START, and watch them."""
    at_start = _line(lambda _: jnp.float32(START))
    game = make(generator=at_start, discriminator=DISCRIMINATOR, discriminator_steps=CRITIC_STEPS)
    *others, last = game.turns

    def reporting(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        """The generator's loss, which also reports θ."""
        value, report = last.loss(nets, batch)
        return value, {**report, "theta": nets.frozen("generator")(batch["z"])[0][:, 0].mean()}

    game = game._replace(turns=(*others, last._replace(loss=reporting)))
    path: dict[int, float] = {0: START}

    def watch(step: int, means: Means) -> None:
        if "generator/theta" in means:  # its turn may not have come in the few steps of a last call
            path[step] = means["generator/theta"]

    trained = train(f"{name}, moving line", _experiment(game, steps), source, range(seeds), note, watch)
    ends = [trained.network(i, "generator")(np.zeros((1, 1)))[0, 0] for i in range(seeds)]
    return Moved(list(path), list(path.values()), np.array(ends))


def _numbers(judged: dict[str, Scores], moved: dict[str, Moved]) -> tuple[dict[str, float], str]:
    """The demonstration's values, and its text."""
    old, new = judged["minimax"], judged["wgan_gp"]
    old_ends, new_ends = moved["minimax"].ends, moved["wgan_gp"].ends
    jsd = (old.value + np.log(4)) / 2  # what the 2014 discriminators take the divergence to be
    distance = np.abs(new.theta)
    slope, intercept = np.polyfit(distance, new.value, 1)
    r_squared = float(1 - (new.value - (slope * distance + intercept)).var() / new.value.var())
    pulls = new.gradient * np.sign(new.theta)
    values = {
        "jsd_lowest": float(jsd.min()),
        "jsd_highest": float(jsd.max()),
        "minimax_largest_gradient": float(np.abs(old.gradient).max()),
        "wgan_gp_slope": float(slope),
        "wgan_gp_r_squared": r_squared,
        "wgan_gp_lowest_gradient": float(pulls.min()),
        "wgan_gp_highest_gradient": float(pulls.max()),
        "wgan_gp_farthest_end": float(np.abs(new_ends).max()),
        "minimax_nearest_end": float(np.abs(old_ends).min()),
        "minimax_farthest_end": float(np.abs(old_ends).max()),
    }
    columns = zip(old.theta, jsd, old.gradient, new.value, new.gradient, strict=True)  # the θ of both are equal
    rows = [
        [f"{theta:+.3f}", f"{found:.4f}", f"{told:+.1e}", f"{value:.4f}", f"{abs(theta):.4f}", f"{told_new:+.3f}"]
        for theta, found, told, value, told_new in sorted(columns)
    ]
    head = ["θ", f"JSD (truth {np.log(2):.4f})", "dL/dθ minimax (0)", "WGAN-GP's W", "|θ|", "dL/dθ WGAN-GP (±1)"]
    listed_new, listed_old = (", ".join(f"{x:+.4f}" for x in ends) for ends in (new_ends, old_ends))
    return values, (
        f"{table(head, rows)}\n"
        f"WGAN-GP's estimate against |θ|: slope {slope:.3f}, R² {r_squared:.5f}; truth 1, 1.\n"
        f"A generator from θ = {START:g} ends at θ = {listed_new} with WGAN-GP, "
        f"at {listed_old} with minimax; the data are at 0."
    )


def _draw(figure: "Figure", judged: dict[str, Scores], moved: dict[str, Moved]) -> None:
    estimates, gradients, paths = figure.subplots(1, 3)
    old, new = judged["minimax"], judged["wgan_gp"]
    x = np.linspace(-1.1 * FARTHEST, 1.1 * FARTHEST, 401)
    estimates.plot(x, np.abs(x), color="0.6", label="|θ|, the truth of WGAN")
    estimates.plot(x, np.full_like(x, np.log(2)), "--", color="0.6", label="log 2, the truth of JSD")
    estimates.plot(new.theta, new.value, "o", color="tab:blue", label="WGAN-GP's critic")
    estimates.plot(old.theta, (old.value + np.log(4)) / 2, "s", color="tab:red", label="the 2014 discriminator")
    estimates.set(xlabel="θ, where the line of samples is", ylabel="distance to the data: W in units of x, JSD in nats")
    gradients.plot(x, np.sign(x), color="0.6", label="sign of θ, the truth of WGAN")
    gradients.plot(new.theta, new.gradient, "o", color="tab:blue", label="WGAN-GP")
    gradients.plot(old.theta, old.gradient, "s", color="tab:red", label="minimax")
    gradients.set(xlabel="θ, where the line of samples is", ylabel="dL/dθ, L the loss of G", ylim=(-1.2, 1.9))
    for name, label, color in (("wgan_gp", "WGAN-GP", "tab:blue"), ("minimax", "minimax", "tab:red")):
        paths.plot(moved[name].steps, moved[name].thetas, color=color, label=f"{label}, mean of seeds")
        paths.plot([moved[name].steps[-1]] * len(moved[name].ends), moved[name].ends, "o", color=color)
    paths.axhline(0, color="0.6", linewidth=0.8)
    paths.set(xlabel="steps of the discriminator", ylabel="θ of a generator that is trained")
    titles = ("What D says of fixed lines", "What G is told of fixed lines", f"G trained from θ = {START:g}")
    for axes, title in zip((estimates, gradients, paths), titles, strict=True):
        axes.set_title(title)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.legend(fontsize="small", framealpha=0.95)
