"""The nine f-GANs of table 3 of their paper: a Gaussian fitted to a mixture of two, by each divergence."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import PositiveInt
from scipy.optimize import minimize
from scipy.stats import norm

from gan_cli import build, recipe
from gan_cli.data.source import Mixture
from gan_cli.data.store import Store
from gan_cli.lab import Demonstration, Note, table
from gan_cli.lab.training import Network, Trained, train
from gan_cli.losses.divergences import DIVERGENCES, Map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Name = Literal[
    "gan", "jensen_shannon", "kl", "reverse_kl", "jeffrey", "squared_hellinger", "total_variation", "pearson", "neyman"
]
NAMES: tuple[Name, ...] = Name.__args__  # type: ignore[attr-defined]
POINTS, REACH = 8001, 12.0  # of the integrals: standard deviations beyond the outer modes
LARGEST = 300.0  # |log p/q| above which it counts as that: float64 still holds its square
HUGE = 100.0  # times the least value, from which on a divergence is shown as more than that


class Fit(NamedTuple):
    """The Gaussians that were fitted by one divergence, S seeds, beside its optimum."""

    optimum: np.ndarray  # (μ*, σ*): the Gaussian of least divergence
    least: float  # D_f there
    fits: np.ndarray  # (μ, σ) that were learned [S, 2]
    typical: np.ndarray  # their median (μ, σ)
    divergences: np.ndarray  # D_f(P || Q) of those [S]
    bounds: np.ndarray  # F, what the trained discriminators say it is [S]
    gaps: np.ndarray  # (D_f - F) / (D_f - f(1)) [S]
    zero: float  # f(1): D_f of equal distributions
    seconds: float  # of training, all seeds


class Data(NamedTuple):
    """The data P at the points of the integrals."""

    x: np.ndarray  # [M]
    log_p: np.ndarray  # [M]
    cell: float  # the distance between two points

    def divergence(self, name: str, gaussian: np.ndarray) -> float:
        """D_f(P || N(μ, σ²)) = ∫ q f(p/q), gaussian = (μ, σ); where it is infinite, a number that says little."""
        log_q = norm.logpdf(self.x, *gaussian)
        ratio = np.exp(np.clip(self.log_p - log_q, -LARGEST, LARGEST))
        return self.cell * float(np.sum(np.exp(log_q) * _in_float64(DIVERGENCES[name].f, ratio)))

    def bound(self, name: str, gaussian: np.ndarray, discriminator: Network) -> float:
        """F = E_P g_f(s) - E_Q f*(g_f(s)), at most D_f, for the scores s of a discriminator."""
        score, kind = discriminator(self.x[:, None]), DIVERGENCES[name]
        real, fake = np.exp(self.log_p), norm.pdf(self.x, *gaussian)
        terms = real * _in_float64(kind.activation, score) - fake * _in_float64(kind.conjugate, score)
        return self.cell * float(np.sum(terms))

    def best(self, name: str, starts: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
        """(μ*, σ*) and D_f there: the best end of a descent from each of the starts (μ, σ)."""
        options = {"xatol": 1e-5, "fatol": 1e-9}
        ends = [
            minimize(
                lambda at: self.divergence(name, np.array([at[0], np.exp(at[1])])),
                (mu, np.log(sigma)),
                method="Nelder-Mead",
                options=options,
            )
            for mu, sigma in starts
        ]
        end = min(ends, key=lambda e: e.fun)
        return np.array([end.x[0], np.exp(end.x[1])]), float(end.fun)


def fgan(
    note: Note,
    *,
    seeds: PositiveInt = 3,  # each recipe is trained once a seed, from 0
    steps: PositiveInt | None = None,  # of training; absent: those of the recipes
    only: tuple[Name, ...] = (),  # divergences; empty: all nine
) -> Demonstration:
    """Nine f-divergences fit a Gaussian to a mixture of two: each finds its own optimum, and its D knows how far it is.

    https://arxiv.org/abs/1606.00709, section 3 and table 3, by the recipes fgan/fgan_*. The optimum (μ*, σ*) of
    D_f(P || N(μ, σ²)) is found by integrals and Nelder-Mead; (μ, σ) are read from the averaged weights of the affine
    generator, and F of the trained discriminator is integrated too, so that no sample enters. The gap between F and D_f
    is in units of D_f - f(1). In the table of all against all, D_f of the median fit by g is in units of its least.
    """
    prepared = {name: _prepared(name, steps) for name in only or NAMES}
    mixture = next(iter(prepared.values())).source.mixture
    assert mixture is not None  # every toy has one
    data = _data(mixture)
    fits: dict[str, Fit] = {}
    for name, made in prepared.items():
        trained = train(f"fgan/fgan_{name}", made.experiment, made.source, range(seeds), note)
        fits[name] = _fit(name, data, mixture, trained)
    # D_f(P || Q fitted by g) in units of the least D_f, both less f(1): a row an f, a column a g
    excesses = [[data.divergence(f, fits[g].typical) - fits[f].zero for g in fits] for f in fits]
    everyone = np.array(excesses) / np.array([[fit.least - fit.zero] for fit in fits.values()])
    return Demonstration(
        text=_text(fits, everyone),
        values=_values(fits, everyone),
        draw=lambda figure: _draw(figure, data, fits, everyone),
        size=(15, 6),
    )


def _prepared(name: str, steps: int | None) -> build.Prepared:
    """The shipped recipe, shortened on demand, the fall of its learning rates with it."""
    path = recipe.find_recipe(f"fgan/fgan_{name}")
    tables = recipe.read_tables(path)
    if steps is not None:
        tables["train"]["steps"] = steps
        for optimiser in tables["optimisers"].values():
            optimiser["learning_rate"]["decay_steps"] = steps
    return build.prepare(tables, str(path), Store.from_environment())


def _data(mixture: Mixture) -> Data:
    """The density of a mixture on the line, at points from beyond its outer modes."""
    means, sds = mixture.means[:, 0], mixture.sds
    x = np.linspace((means - REACH * sds).min(), (means + REACH * sds).max(), POINTS)
    logs = norm.logpdf(x[:, None], means, sds)  # [M, K]
    return Data(x, np.logaddexp.reduce(logs, axis=1) - np.log(len(means)), float(x[1] - x[0]))


def _in_float64(function: Map, x: np.ndarray) -> np.ndarray:
    with jax.enable_x64():
        return np.asarray(function(jnp.asarray(x, jnp.float64)))


def _fit(name: str, data: Data, mixture: Mixture, trained: Trained) -> Fit:
    """The fits that trainings by one divergence have found, beside its optimum by integrals."""
    means, sds = mixture.means[:, 0], mixture.sds
    whole = np.array([means.mean(), np.sqrt(np.mean(sds**2) + means.var())])  # the moments of the mixture
    optimum, least = data.best(name, [whole, *np.stack([means, sds], axis=1)])
    fits, divergences, bounds = [], [], []
    for i in range(len(trained.states)):
        # the generator is σz + μ
        at_0, at_1 = trained.network(i, "generator", averaged=True)(np.array([[0.0], [1.0]]))[:, 0]
        fits.append(np.array([at_0, abs(at_1 - at_0)]))
        divergences.append(data.divergence(name, fits[i]))
        bounds.append(data.bound(name, fits[i], trained.network(i, "discriminator")))
    zero = float(_in_float64(DIVERGENCES[name].f, np.ones(())))
    d, f = np.array(divergences), np.array(bounds)
    gaps = (d - f) / (d - zero)
    return Fit(optimum, least, np.array(fits), np.median(fits, axis=0), d, f, gaps, zero, trained.seconds)


def _values(fits: Mapping[str, Fit], everyone: np.ndarray) -> dict[str, float]:
    values = {}
    for name, fit in fits.items():
        mu_error, sigma_error = np.abs(fit.fits - fit.optimum).max(axis=0)
        values[f"{name}_mu_error"], values[f"{name}_sigma_error"] = float(mu_error), float(sigma_error)
        values[f"{name}_gap"] = float(np.abs(fit.gaps).max())
        values[f"{name}_seconds"] = fit.seconds
    for i, name in enumerate(fits):
        values[f"{name}_excess"] = float(everyone[i, i] / np.nanmin(everyone[i]) - 1)  # 0: nobody fits it better
    return values


def _text(fits: Mapping[str, Fit], everyone: np.ndarray) -> str:
    """A table of all fits, and one of each fit by each divergence."""
    rows = []
    for name, fit in fits.items():
        (mu_error, sigma_error), (mu, sigma) = np.abs(fit.fits - fit.optimum).max(axis=0), fit.typical
        numbers = (fit.optimum[0], mu, mu_error, fit.optimum[1], sigma, sigma_error, fit.least)
        middle = np.argsort(fit.divergences)[len(fit.divergences) // 2]
        found = [f"{x:z.4f}" if abs(x) < 1000 else f"{x:.1e}" for x in (fit.divergences[middle], fit.bounds[middle])]
        worst_gap = np.abs(fit.gaps).max()
        rows.append([name, *(f"{x:z.3f}" for x in numbers), *found, f"{worst_gap:.1%}", f"{fit.seconds:.0f}"])
    head = ["divergence", "μ*", "μ", "worst error", "σ*", "σ", "worst error", "least D_f", "D_f", "F", "worst gap", "s"]
    legend = "μ, σ, D_f and F: of the median seed. Worst: of all seeds. s: seconds of training, all seeds."
    ratios = [
        [name, *(f"> {HUGE:.0f}" if x >= HUGE else f"{x:.3f}" for x in row)]
        for name, row in zip(fits, everyone, strict=True)
    ]
    smallest = [name for i, name in enumerate(fits) if everyone[i, i] <= np.nanmin(everyone[i])]
    return (
        f"{table(head, rows)}\n{legend}\n\n"
        "D_f - f(1) of each fit, in units of its least: a row a divergence f, a column the game g that fitted.\n"
        f"{table(['f, by g', *fits], ratios)}\n"
        f"Smallest on its own criterion: {', '.join(smallest) or 'none'} ({len(smallest)} of {len(fits)})."
    )


def _draw(figure: "Figure", data: Data, fits: Mapping[str, Fit], everyone: np.ndarray) -> None:
    from matplotlib.colors import LogNorm

    densities, matrix = figure.subplots(1, 2)
    p = np.exp(data.log_p)
    densities.fill_between(data.x, p, color="0.85", label="data: a mixture of two")
    for i, (name, fit) in enumerate(fits.items()):
        (mu, sigma), (best_mu, best_sigma) = fit.typical, fit.optimum
        label = f"{name.replace('_', ' ')}: μ {mu:z.2f} ({best_mu:z.2f}), σ {sigma:.2f} ({best_sigma:.2f})"
        style = ("-", "--", ":")[i // 3]
        densities.plot(data.x, norm.pdf(data.x, mu, sigma), style, color=f"C{i}", label=label)
    shown = data.x[p > 1e-4 * p.max()]
    densities.set(xlim=(shown[0], shown[-1]), ylim=(0, 1.9 * p.max()))
    densities.set(xlabel="x, units of the data", ylabel="density", title="Learned Gaussians; in brackets the optimum")
    densities.legend(fontsize="small", loc="upper left")
    image = matrix.imshow(np.clip(everyone, 1, 10), norm=LogNorm(1, 10), cmap="YlOrRd")
    for (row, column), ratio in np.ndenumerate(everyone):
        weight = "bold" if row == column else "normal"
        text = f">{HUGE:.0f}" if ratio >= HUGE else f"{ratio:.2f}"
        color = "black" if ratio < 5 else "white"
        matrix.text(column, row, text, ha="center", va="center", fontsize="small", weight=weight, color=color)
    labels = [name.replace("_", " ") for name in fits]
    matrix.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    matrix.set_yticks(range(len(labels)), labels)
    matrix.set(xlabel="game g that fitted the Gaussian", ylabel="divergence f by which it is judged")
    matrix.set_title("D_f of each fit, in units of its least: 1.00 is the optimum")
    figure.colorbar(image, ax=matrix, shrink=0.8, label="(D_f - f(1)) / (least D_f - f(1))", extend="max")
