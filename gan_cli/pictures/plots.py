"""Numbers of trainings as plots: over the course of one, and of many side by side."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from gan_cli.files import atomic
from gan_cli.pictures.comparison import Result, metrics, recipes, summarise, values

COLUMNS = 3  # plots beside each other


def save_curves(
    path: Path, steps: Sequence[int], curves: Mapping[str, Sequence[float]], best: int, caption: str
) -> None:
    """Write a PNG with a plot of each value over the steps, whole or not at all.

    A star marks the step that is best by the first value. `caption`: how the values were taken, below the star's.
    """
    from matplotlib.figure import Figure  # takes half a second to import

    columns = min(COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(4.2 * columns, 0.6 + 2.6 * rows), layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, numbers) in zip(all_axes, curves.items(), strict=False):
        axes.plot(steps, numbers, "o-", markersize=4)
        axes.plot(best, numbers[list(steps).index(best)], "*", markersize=14, color="tab:red", zorder=3)
        axes.set(title=name, xlabel="step")
        axes.title.set_fontsize(10)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.margins(0.05, 0.1)
    for axes in all_axes[len(curves) :]:
        axes.set_axis_off()
    starred = f"★ step {best}: best by {next(iter(curves))}"
    figure.suptitle(f"{starred}\n{textwrap.fill(caption, int(60 * columns))}", fontsize=7)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def save_comparison(path: Path, results: Sequence[Result]) -> None:
    """Write a PNG with a panel for each metric: every run is a dot, the mean with its standard error a bar."""
    from matplotlib.figure import Figure  # takes half a second to import

    names, labels = metrics(results) or ["no run has a value"], recipes(results)
    figure = Figure(figsize=(1.5 + 2.6 * len(names), 1.0 + 0.32 * len(labels)), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        for row, label in enumerate(labels):
            found = list(values(results, label, name).values())
            summary = summarise(found)
            axes.plot(found, [row] * len(found), "o", color="tab:blue", alpha=0.35, markersize=4, markeredgewidth=0)
            if summary.n:
                axes.errorbar(summary.mean, row, xerr=summary.error, fmt="|", color="black", capsize=3, markersize=10)
        axes.set_title(name, fontsize="medium")
        axes.set_yticks(range(len(labels)), labels)
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
    axes.invert_yaxis()  # shared: the first recipe on top
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
