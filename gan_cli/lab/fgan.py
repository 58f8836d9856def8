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
from gan_cli.lab.demonstration import Demonstration, Note, table
from gan_cli.lab.training import Network, Trained, train
from gan_cli.losses.divergences import DIVERGENCES, Map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Name = Literal[
    "gan", "jensen_shannon", "kl", "reverse_kl", "jeffrey", "squared_hellinger", "total_variation", "pearson", "neyman"
]
NAMES: tuple[Name, ...] = Name.__args__  # type: ignore[attr-defined]
POINTS, REACH = 8001, 12.0  # of the integrals: standard deviations beyond the outer modes
LARGEST = 300.0  # |log p/q| above which it counts as that: float64 still holds its square
HUGE = 100.0  # times the least value, from which on a divergence is shown as more than that


class Fit(NamedTuple):
    """What one divergence was fitted to and by, each seed's numbers in a row."""

    optimum: np.ndarray  # (μ*, σ*): the Gaussian of least divergence
    least: float  # D_f there
    fits: np.ndarray  # (μ, σ) that were learned [S, 2]
    divergences: np.ndarray  # D_f(P || Q) of those [S]
    bounds: np.ndarray  # F, what the trained discriminators say it is [S]
    zero: float  # f(1): D_f of equal distributions
    seconds: float  # of training, all seeds

    @property
    def gaps(self) -> np.ndarray:
        """(D_f - F) / (D_f - f(1)) [S]."""
        gaps: np.ndarray = (self.divergences - self.bounds) / (self.divergences - self.zero)
        return gaps

    @property
    def typical(self) -> np.ndarray:
        """The median (μ, σ) over seeds."""
        median: np.ndarray = np.median(self.fits, axis=0)
        return median


class Data(NamedTuple):
    """The data P at the points of the integrals."""

    x: np.ndarray  # [M]
    log_p: np.ndarray  # [M]

    @property
    def cell(self) -> float:
        """The distance between two points."""
        return float(self.x[1] - self.x[0])

    def divergence(self, name: str, gaussian: np.ndarray) -> float:
        """D_f(P || N(μ, σ²)) = ∫ q f(p/q); where it is infinite, a number that says little."""
        log_q = norm.logpdf(self.x, *gaussian)
        ratio = np.exp(np.clip(self.log_p - log_q, -LARGEST, LARGEST))
        return self.cell * float(np.sum(np.exp(log_q) * _in_float64(DIVERGENCES[name].f, ratio)))

    def bound(self, name: str, gaussian: np.ndarray, discriminator: Network) -> float:
        """F = E_P g_f(s) - E_Q f*(g_f(s)), at most D_f."""
        score, kind = discriminator(self.x[:, None]), DIVERGENCES[name]
        real, fake = np.exp(self.log_p), norm.pdf(self.x, *gaussian)
        terms = real * _in_float64(kind.activation, score) - fake * _in_float64(kind.conjugate, score)
        return self.cell * float(np.sum(terms))

    def best(self, name: str, starts: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
        """(μ*, σ*) and D_f there: the best end of a descent from each of the starts (μ, σ)."""

        def divergence(at: np.ndarray) -> float:
            return self.divergence(name, np.array([at[0], np.exp(at[1])]))

        options = {"xatol": 1e-5, "fatol": 1e-9}
        ends = [
            minimize(divergence, (mu, np.log(sigma)), method="Nelder-Mead", options=options) for mu, sigma in starts
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
    everyone = _against_all(data, fits)
    return Demonstration(
        text=f"{_fits_text(fits)}\n\n{_everyone_text(fits, everyone)}",
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
    means, sds = mixture.means[:, 0], mixture.sds
    x = np.linspace((means - REACH * sds).min(), (means + REACH * sds).max(), POINTS)
    logs = norm.logpdf(x[:, None], means, sds)  # [M, K]
    return Data(x, np.logaddexp.reduce(logs, axis=1) - np.log(len(means)))


def _in_float64(function: Map, x: np.ndarray) -> np.ndarray:
    with jax.enable_x64():
        return np.asarray(function(jnp.asarray(x, jnp.float64)))


def _fit(name: str, data: Data, mixture: Mixture, trained: Trained) -> Fit:
    means, sds = mixture.means[:, 0], mixture.sds
    whole = np.array([means.mean(), np.sqrt(np.mean(sds**2) + means.var())])  # the moments of the mixture
    optimum, least = data.best(name, [whole, *np.stack([means, sds], axis=1)])
    seeds = range(len(trained.states))
    fits = np.array([_mean_and_sd(trained.averaged(i, "generator")) for i in seeds])
    return Fit(
        optimum=optimum,
        least=least,
        fits=fits,
        divergences=np.array([data.divergence(name, fit) for fit in fits]),
        bounds=np.array([data.bound(name, fits[i], trained.network(i, "discriminator")) for i in seeds]),
        zero=float(_in_float64(DIVERGENCES[name].f, np.ones(()))),
        seconds=trained.seconds,
    )


def _mean_and_sd(generator: Network) -> tuple[float, float]:
    """(μ, σ) of σz + μ."""
    at_0, at_1 = generator(np.array([[0.0], [1.0]]))[:, 0]
    return at_0, abs(at_1 - at_0)


def _against_all(data: Data, fits: Mapping[str, Fit]) -> np.ndarray:
    """D_f(P || Q fitted by g) in units of the least D_f, both less f(1): a row an f, a column a g."""
    rows = [[data.divergence(f, fits[g].typical) - fits[f].zero for g in fits] for f in fits]
    least = [[fit.least - fit.zero] for fit in fits.values()]
    return np.array(rows) / np.array(least)


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


def _fits_text(fits: Mapping[str, Fit]) -> str:
    rows = []
    for name, fit in fits.items():
        (mu_error, sigma_error), (mu, sigma) = np.abs(fit.fits - fit.optimum).max(axis=0), fit.typical
        numbers = (fit.optimum[0], mu, mu_error, fit.optimum[1], sigma, sigma_error, fit.least)
        middle = np.argsort(fit.divergences)[len(fit.divergences) // 2]
        found = (fit.divergences[middle], fit.bounds[middle])
        rows.append([name, *(f"{x:z.3f}" for x in numbers), *map(_short, found), f"{np.abs(fit.gaps).max():.1%}"])
        rows[-1].append(f"{fit.seconds:.0f}")
    head = ["divergence", "μ*", "μ", "worst error", "σ*", "σ", "worst error", "least D_f", "D_f", "F", "worst gap", "s"]
    first = "μ, σ, D_f and F: of the median seed. Worst: of all seeds. s: seconds of training, all seeds."
    return f"{table(head, rows)}\n{first}"


def _short(x: float) -> str:
    return f"{x:z.4f}" if abs(x) < 1000 else f"{x:.1e}"


def _ratio(x: float) -> str:
    return f"> {HUGE:.0f}" if x >= HUGE else f"{x:.3f}"


def _everyone_text(fits: Mapping[str, Fit], everyone: np.ndarray) -> str:
    rows = [[name, *map(_ratio, row)] for name, row in zip(fits, everyone, strict=True)]
    smallest = [name for i, name in enumerate(fits) if everyone[i, i] <= np.nanmin(everyone[i])]
    first = "D_f - f(1) of each fit, in units of its least: a row a divergence f, a column the game g that fitted.\n"
    last = f"Smallest on its own criterion: {', '.join(smallest) or 'none'} ({len(smallest)} of {len(fits)})."
    return f"{first}{table(['f, by g', *fits], rows)}\n{last}"


def _draw(figure: "Figure", data: Data, fits: Mapping[str, Fit], everyone: np.ndarray) -> None:
    left, right = figure.subplots(1, 2)
    _draw_densities(left, data, fits)
    _draw_everyone(figure, right, list(fits), everyone)


def _draw_densities(axes: "Axes", data: Data, fits: Mapping[str, Fit]) -> None:
    p = np.exp(data.log_p)
    axes.fill_between(data.x, p, color="0.85", label="data: a mixture of two")
    for i, (name, fit) in enumerate(fits.items()):
        (mu, sigma), (best_mu, best_sigma) = fit.typical, fit.optimum
        label = f"{name.replace('_', ' ')}: μ {mu:z.2f} ({best_mu:z.2f}), σ {sigma:.2f} ({best_sigma:.2f})"
        style = ("-", "--", ":")[i // 3]
        axes.plot(data.x, norm.pdf(data.x, mu, sigma), style, color=f"C{i}", label=label)
    shown = data.x[p > 1e-4 * p.max()]
    axes.set(xlim=(shown[0], shown[-1]), ylim=(0, 1.9 * p.max()))
    axes.set(xlabel="x, units of the data", ylabel="density", title="Learned Gaussians; in brackets the optimum")
    axes.legend(fontsize="small", loc="upper left")


def _draw_everyone(figure: "Figure", axes: "Axes", names: Sequence[str], everyone: np.ndarray) -> None:
    from matplotlib.colors import LogNorm

    image = axes.imshow(np.clip(everyone, 1, 10), norm=LogNorm(1, 10), cmap="YlOrRd")
    for (row, column), ratio in np.ndenumerate(everyone):
        weight = "bold" if row == column else "normal"
        text = f">{HUGE:.0f}" if ratio >= HUGE else f"{ratio:.2f}"
        color = "black" if ratio < 5 else "white"
        axes.text(column, row, text, ha="center", va="center", fontsize="small", weight=weight, color=color)
    labels = [name.replace("_", " ") for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), labels)
    axes.set(xlabel="game g that fitted the Gaussian", ylabel="divergence f by which it is judged")
    axes.set_title("D_f of each fit, in units of its least: 1.00 is the optimum")
    figure.colorbar(image, ax=axes, shrink=0.8, label="(D_f - f(1)) / (least D_f - f(1))", extend="max")
