"""The discriminator that the theory of the 2014 paper assumes, beside one that was trained."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt
from scipy.special import expit, rel_entr
from scipy.stats import multivariate_normal

from gan_cli import build
from gan_cli.binding import Table
from gan_cli.data.source import Mixture
from gan_cli.data.store import Store
from gan_cli.lab import Demonstration, Note, table
from gan_cli.lab.training import Network, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Target = Annotated[float, Field(gt=0.5, le=1)]

SD = 1.2  # of p_model
REACH = 8.0  # densities are integrated over [-8, 8] in each dimension
POINTS = {1: 4001, 2: 241}  # in each dimension
NEGLIGIBLE = 0.01  # of the peak of p_data + p_model: D is compared with D* where there is more
DATA: dict[int, Table] = {
    1: {"source": "toy.mixture", "means": [-1.5, 1.5], "sds": [0.5, 0.8]},
    2: {"source": "toy.ring", "modes": 4, "radius": 1.5, "sd": 0.5},
}


class Plane(NamedTuple):
    """A regular grid of M points, and what is known and what was learned there."""

    points: np.ndarray  # [M, dims]
    cell: float  # length or area of a point's share
    p: np.ndarray  # p_data [M]
    q: np.ndarray  # p_model [M]
    score: np.ndarray  # of the trained discriminator [M]
    best: np.ndarray  # score of the optimal one [M]
    seen: np.ndarray  # bool [M]: where data or samples are

    def value(self, score: np.ndarray, target: float) -> float:
        """V = E_data [t log D + (1 - t) log(1 - D)] + E_model log(1 - D) in nats, D = sigmoid(score), t the target.

        score: of the discriminator at the points [M].
        """
        yes, no = -np.logaddexp(0, -score), -np.logaddexp(0, score)  # log D, log(1 - D)
        return self.cell * float(np.sum(self.p * (target * yes + (1 - target) * no) + self.q * no))

    def jensen_shannon(self) -> float:
        """JSD(p_data, p_model), nats."""
        m = (self.p + self.q) / 2
        return self.cell * float(np.sum(rel_entr(self.p, m) + rel_entr(self.q, m))) / 2


def optimal_discriminator(
    note: Note,
    *,
    dims: Literal[1, 2] = 1,  # data on the line or in the plane
    real_target: Target = 1.0,  # t: what D wants for reals; below 1: one-sided label smoothing
    steps: PositiveInt = 5000,
    seed: NonNegativeInt = 0,
) -> Demonstration:
    """A trained discriminator is p_data / (p_data + p_model), and its value -log 4 + 2 JSD.

    https://arxiv.org/abs/1406.2661, proposition 1 and theorem 1. The standard game plays its discriminator's turn only;
    the generator is affine and stays as it starts, so that p_model is a known Gaussian. With one-sided label smoothing,
    https://arxiv.org/abs/1606.03498, D is t p_data / (p_data + p_model). Densities are integrated on a grid; D and D*
    are compared where p_data + p_model is above 1% of its peak.
    """
    prepared = build.prepare(_tables(dims, real_target, steps), "optimal discriminator", Store.from_environment())
    game = prepared.experiment.game
    alone = prepared.experiment._replace(game=game._replace(turns=game.turns[:1]), identity="")
    trained = train("discriminator", alone, prepared.source, [seed], note)
    mixture = prepared.source.mixture
    assert mixture is not None  # every toy has one
    plane = _plane(dims, mixture, trained.network(0, "generator"), trained.network(0, "discriminator"), real_target)
    error = np.abs(expit(plane.score) - expit(plane.best))  # |D - D*| [M]
    values = {
        "largest_error": float(error[plane.seen].max()),
        "mean_error": plane.cell * float(np.sum((plane.p + plane.q) / 2 * error)),
        "value": plane.value(plane.score, real_target),
        "optimal_value": plane.value(plane.best, real_target),
        "two_jsd_minus_log_4": 2 * plane.jensen_shannon() - float(np.log(4)),
    }
    formula = f"D* = {'' if real_target == 1 else f'{real_target:g} '}p_data / (p_data + p_model)"
    rows = [
        [f"largest |D - D*|, {formula}", f"{values['largest_error']:.4f}", "0"],
        ["mean |D - D*| under (p_data + p_model) / 2", f"{values['mean_error']:.4f}", "0"],
        ["value V of D, nats", f"{values['value']:.5f}", f"{values['optimal_value']:.5f}"],
    ]
    known = f"-log 4 + 2 JSD(p_data, p_model) = {values['two_jsd_minus_log_4']:.5f} nats"
    ends = "which is V of D*" if real_target == 1 else "which V of D* is for real_target = 1 only"
    return Demonstration(
        text=f"{table(['', 'trained', 'truth'], rows)}\n{known}, {ends}.",
        values=values,
        draw=lambda figure: (_draw_line if dims == 1 else _draw_plane)(figure, plane, formula),
        size=(8, 6) if dims == 1 else (13, 4),
    )


def _tables(dims: int, target: float, steps: int) -> Table:
    """The recipe; its generator's optimiser is never used."""
    adam = {"name": "adam", "learning_rate": 1e-3}
    falling = {"schedule": "cosine_decay_schedule", "init_value": 1e-2, "decay_steps": steps}
    return {
        "data": DATA[dims],
        "networks": {
            "generator": {"net": "mlp", "hidden": [], "init": "orthogonal", "init_scale": SD},
            "discriminator": {"net": "mlp", "hidden": [32, 32], "activation": "softplus"},
        },
        "game": {
            "play": "standard",
            "loss": {"name": "adversarial.minimax", "real_target": target},
            "latent": dims,
        },
        "optimisers": {"generator": adam, "discriminator": {"name": "adam", "learning_rate": falling}},
        "train": {"steps": steps, "batch": 512, "steps_per_call": 100},
    }


def _plane(dims: int, mixture: Mixture, generator: Network, discriminator: Network, target: float) -> Plane:
    """The data, the generator's Gaussian, the trained discriminator and the optimal one on a grid."""
    ticks, step = np.linspace(-REACH, REACH, POINTS[dims], retstep=True)
    points = np.stack(np.meshgrid(*[ticks] * dims, indexing="ij"), axis=-1).reshape(-1, dims)  # [M, dims]
    modes = zip(mixture.means, mixture.sds, strict=True)
    p = np.mean([multivariate_normal(mean, sd**2).pdf(points) for mean, sd in modes], axis=0)
    shift = generator(np.zeros((1, dims)))  # [1, dims]
    weights = generator(np.eye(dims)) - shift  # [dims, dims]
    model = multivariate_normal(shift[0], weights.T @ weights)  # of shift + z weights, z ~ N(0, 1)
    log_p, log_q = np.log(np.maximum(p, 1e-300)), model.logpdf(points)
    q = np.exp(log_q)
    best = np.log(target) + log_p - np.logaddexp(np.log1p(-target) + log_p, log_q) if target < 1 else log_p - log_q
    seen = p + q > NEGLIGIBLE * (p + q).max()
    return Plane(points, float(step) ** dims, p, q, discriminator(points), best, seen)


def _draw_line(figure: "Figure", plane: Plane, formula: str) -> None:
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    x = plane.points[:, 0]
    for density, label, color in ((plane.p, "p_data", "tab:blue"), (plane.q, "p_model", "tab:orange")):
        top.plot(x, density, color=color, label=label)
        top.fill_between(x, density, color=color, alpha=0.2)
    bottom.plot(x, expit(plane.best), color="0.6", linewidth=5, label=formula)
    bottom.plot(x, expit(plane.score), color="tab:red", label="D, trained")
    bottom.fill_between(x, 0, 1.1, where=~plane.seen, color="0.93", label="hardly any data or samples here")
    top.set(ylabel="density", xlim=(-5, 5), ylim=(0, None))
    bottom.set(xlabel="x, units of the data", ylabel="probability that x is real", ylim=(0, 1.1))
    for axes in (top, bottom):
        axes.legend(loc="upper left")


def _draw_plane(figure: "Figure", plane: Plane, formula: str) -> None:
    side = POINTS[2]
    hidden = np.where(plane.seen, 1.0, np.nan)
    panels: list[tuple[str, np.ndarray, str, Any]] = [
        (formula, expit(plane.best), "viridis", 1.0),
        ("D, trained", expit(plane.score), "viridis", 1.0),
        ("|D - D*|", np.abs(expit(plane.score) - expit(plane.best)), "magma_r", None),
    ]
    x, y = (plane.points[:, i].reshape(side, side) for i in range(2))
    for axes, (title, z, colors, top) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
        mesh = axes.pcolormesh(x, y, (z * hidden).reshape(side, side), cmap=colors, vmin=0, vmax=top)
        axes.contour(x, y, plane.p.reshape(side, side), 4, colors="white" if top else "0.4", linewidths=0.7)
        axes.set(title=title, xlabel="x₁, units of the data", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal")
        figure.colorbar(mesh, ax=axes, shrink=0.85, label="probability")
    figure.axes[0].set_ylabel("x₂, units of the data")
