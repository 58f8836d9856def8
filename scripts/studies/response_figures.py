"""Figures of how metrics respond to harm."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from response import MIDDLE, Found

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {  # Okabe and Ito's colours, which the colour-blind can tell apart, and a mark each
    "fid": ("#0072B2", "o"),
    "kid": ("#56B4E9", "s"),
    "mmd": ("#D55E00", "^"),
    "one-nn": ("#000000", "D"),
    "density-coverage": ("#009E73", "v"),
    "wasserstein": ("#CC79A7", "P"),
    "inception-score": ("#E69F00", "X"),
    "memorisation": ("#888888", "*"),
}
LOUD = 100.0  # |z| at which the colours end
DUTIES = {"notice": "", "ignore": ", as good as before", "copies": " of training images"}


def _middle(figure: "Figure", found: Found) -> None:
    """Pictures of the fakes above tables in colour: z of each harm at the middle degree, and power with few images."""
    rows = found.responses.rows
    names = list(dict.fromkeys(row.lens for row in rows))
    heights = [2.6, *(sum(row.lens == name for row in rows) for name in names)]
    widths = [len(found.harms), 0.75 * len(found.sizes)]
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=widths)
    z, told, better = _tables(found)
    for place, name in enumerate(names, 1):
        own = [i for i, row in enumerate(rows) if row.lens == name]
        left, right = (figure.add_subplot(grid[place, column]) for column in (0, 1))
        mesh = _z(left, z[own], told[own], better[own])
        blank = np.full(len(found.sizes), np.nan)
        _power(right, np.stack([found.power.get(rows[i].name, blank) for i in own]))
        left.set_yticks(range(len(own)), [rows[i].key for i in own])
        left.set_ylabel(f"through {name}", fontweight="bold", fontsize=12)
    left.set_xticks(range(len(found.harms)), [_label(found, harm) for harm in found.harms], fontsize=8.5)
    right.set_xticks(range(len(found.sizes)), list(map(str, found.sizes)))
    right.set_xlabel("images, half of them generated:\nshare of draws told from real, %")
    _pictures(figure.add_subplot(grid[0, 0]), found)
    corner = figure.add_subplot(grid[0, 1])
    corner.axis("off")
    bar = figure.colorbar(mesh, cax=corner.inset_axes((0.02, 0.7, 0.96, 0.2)), orientation="horizontal")
    bar.set_ticks([-100, -10, 0, 10, 100], labels=["-100", "-10", "0", "10", "100"])
    bar.set_label(
        "z: spreads of unharmed draws by which\na value is worse (orange) or better (violet);\ngrey: not told"
    )


def _tables(found: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, told and looks better at the middle degree: [rows, harms] each."""
    by_harm = [
        (found.responses.z(name), found.responses.told(name), found.responses.told(name, better=True))
        for name in found.harms
    ]
    z, told, better = (np.stack([values[MIDDLE] for values in kind], axis=1) for kind in zip(*by_harm, strict=True))
    return z, told, better


def _label(found: Found, name: str) -> str:
    """Under a column: the harm, its middle degree, what it is of."""
    harm = found.harms[name]
    words = name.replace("_", " ").replace(" ", "\n", 1) + ("" if "_" in name else "\n")
    return f"{words}\n{harm.degrees[MIDDLE]:g}\n{harm.unit.replace(', ', chr(10)).replace(' of ', chr(10) + 'of ')}"


def _z(axes: "Axes", z: np.ndarray, told: np.ndarray, better: np.ndarray) -> Any:
    """Orange where harm makes a value worse, violet where it looks better, white with a grey number where neither."""
    from matplotlib.colors import SymLogNorm

    seen = np.where(told | better, z, 0)
    mesh = axes.imshow(seen, aspect="auto", cmap="PuOr_r", norm=SymLogNorm(2, vmin=-LOUD, vmax=LOUD))
    for (i, j), value in np.ndenumerate(z):
        dark = abs(seen[i, j]) > 25
        colour = "white" if dark else "black" if told[i, j] or better[i, j] else "0.55"
        axes.text(j, i, _short(value), ha="center", va="center", fontsize=8, color=colour)
    _cells(axes, z.shape)
    return mesh


def _short(z: float) -> str:
    """A z in at most four signs."""
    return f"{z:.1f}" if abs(z) < 9.95 else f"{z:.0f}"


def _power(axes: "Axes", power: np.ndarray) -> None:
    axes.imshow(power, aspect="auto", cmap="Greens", vmin=0, vmax=1.2)
    for (i, j), share in np.ndenumerate(power):
        words = "" if np.isnan(share) else f"{100 * share:.0f}"
        axes.text(j, i, words, ha="center", va="center", fontsize=8, color="white" if share > 0.8 else "black")
    axes.set_yticks([])
    _cells(axes, power.shape)


def _cells(axes: "Axes", shape: tuple[int, ...]) -> None:
    """White lines between the cells of a table."""
    for edge in range(1, shape[0]):
        axes.axhline(edge - 0.5, color="0.85", linewidth=0.6)
    for edge in range(1, shape[1]):
        axes.axvline(edge - 0.5, color="0.85", linewidth=0.6)
    axes.set_xticks([])
    axes.tick_params(length=0)


def _pictures(axes: "Axes", found: Found) -> None:
    """Nine fakes above each column of the table of z."""
    for j, images in enumerate(found.pictures.values()):
        rows = images[..., 0].reshape(3, 3, *images.shape[1:3])  # [3, 3, H, W]
        axes.imshow(
            np.block([list(row) for row in rows]), cmap="gray", extent=(j - 0.46, j + 0.46, 0, 1), aspect="auto"
        )
    axes.set(xlim=(-0.5, len(found.pictures) - 0.5), ylim=(0, 1))
    axes.axis("off")


def _degrees(figure: "Figure", found: Found) -> None:
    """z against the degree, a panel for each harm; some metrics through `digits`, and two also through `pixels`."""
    responses, columns = found.responses, 4
    panels = figure.subplots(-(-len(found.harms) // columns), columns, sharey=True, squeeze=False).ravel()
    for axes, (name, harm) in zip(panels, found.harms.items(), strict=False):
        z = responses.z(name)
        for i, row in enumerate(responses.rows):
            if row.key in LINES and (row.lens == "digits" or row.key in ("mmd", "one-nn")):
                colour, mark = LINES[row.key]
                style = "-" if row.lens == "digits" else ":"
                axes.plot(range(len(z)), z[:, i], style, marker=mark, markersize=5, color=colour, label=row.name)
        axes.set_yscale("symlog", linthresh=3)
        axes.set_yticks([-100, -10, 0, 10, 100], labels=["-100", "-10", "0", "10", "100"])
        axes.axhspan(-2, 2, color="0.9", zorder=0)
        axes.set_xticks(range(len(z)), [f"{degree:g}" for degree in harm.degrees])
        axes.set_title(f"{name.replace('_', ' ')}{DUTIES[harm.duty]}", fontsize=10)
        axes.set_xlabel(harm.unit)
        axes.grid(color="0.92")
    for axes in panels[::columns]:
        axes.set_ylabel("z (above: worse)")
    for axes in panels[len(found.harms) :]:
        axes.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)


class Picture(NamedTuple):
    """A figure of what was found."""

    draw: Callable[["Figure", Found], None]
    size: tuple[float, float]  # inches


PICTURES = {"middle": Picture(_middle, (14.5, 12.0)), "degrees": Picture(_degrees, (14.0, 9.5))}
