"""Numbers over the course of a training."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from gan_cli.files import atomic

COLUMNS = 3  # plots beside each other


def save_curves(
    path: Path, steps: Sequence[int], values: Mapping[str, Sequence[float]], best: int, caption: str
) -> None:
    """A plot a value over the steps as a PNG, whole or not at all; a star marks the step that is best by the first."""
    from matplotlib.figure import Figure  # takes half a second to import

    columns = min(COLUMNS, len(values))
    rows = -(-len(values) // columns)
    figure = Figure(figsize=(4.2 * columns, 0.6 + 2.6 * rows), layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, numbers) in zip(all_axes, values.items(), strict=False):
        axes.plot(steps, numbers, "o-", markersize=4)
        axes.plot(best, numbers[list(steps).index(best)], "*", markersize=14, color="tab:red", zorder=3)
        axes.set(title=name, xlabel="step")
        axes.title.set_fontsize(10)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.margins(0.05, 0.1)
    for axes in all_axes[len(values) :]:
        axes.set_axis_off()
    starred = f"★ step {best}: best by {next(iter(values))}"
    figure.suptitle(f"{starred}\n{textwrap.fill(caption, int(60 * columns))}", fontsize=7)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
