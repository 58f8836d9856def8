"""The charts of a report: Plotly figures, a chart for each kind of number, the runs overlaid."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gan_cli.report.page_parts import Curve, RunPart

# Apart from each other for those who see fewer colours, and legible on white and on near-black.
COLOURS = ("#3b7ddd", "#d9762b", "#1f9e78", "#b35fc4", "#d1485f", "#7f8c3a", "#2aa5b8", "#8a7f76")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SPREAD = 10  # times the least value that the greatest is, from which on a logarithmic axis shows more
MARGIN = 0.03  # of the axis, left and right of the curves
FEW = 30  # points that are marked, not only joined
HOVER = "%{fullData.name}<br>step %{x:,}: %{y:.5g}<extra></extra>"
RULED = 40  # events of a run that get a line in every chart; the rest are listed only
MOST_CHARTS = 40
TEXTS = {
    "pairs told apart": "share of real and fake pairs in which D finds the real one",
    "dead": "share of gradients below 1e-12",
    "diversity": "mean distance between fakes, in units of that between reals",
    "update_norm": "length of a step",
    "times_median": "the most that a number was of its median over the last 50 calls",
    "fake_score": "mean of D's scores of fakes",
    "real_score": "mean of D's scores of reals",
}  # of numbers that every training may report


class Chart(NamedTuple):
    """A chart: what stands above it, and what the script draws."""

    number: int  # among the charts, from 0
    title: str
    text: str  # below the title: which way is better, how many points are shown
    alt: str  # what it shows, in words
    can_log: bool  # all values are positive
    is_log: bool  # it begins with a logarithmic axis
    is_part: bool  # it is shown when asked for
    data: dict[str, Any]  # {"figure": Plotly's}


def charts(runs: Sequence["RunPart"]) -> tuple[list[Chart], list[str]]:
    """The charts, and the kinds of numbers for which there was no room.

    The same kind of number of all runs is on one chart. Metrics come first, then losses; the further numbers of metrics
    come last.
    """
    curves = [curve for run in runs for curve in run.curves]
    every = [curve.chart for curve in curves]
    metrics = [curve.chart for curve in curves if curve.metric and not curve.part]
    parts = [curve.chart for curve in curves if curve.part]
    kinds = [kind for kind in dict.fromkeys([*metrics, "loss", *every]) if kind in every and kind not in parts]
    kinds += dict.fromkeys(parts)
    made = [_chart(number, kind, runs) for number, kind in enumerate(kinds[:MOST_CHARTS])]
    return made, kinds[MOST_CHARTS:]


def _chart(number: int, kind: str, runs: Sequence["RunPart"]) -> Chart:
    from plotly import graph_objects as go

    found = [(i, run, curve) for i, run in enumerate(runs) for curve in run.curves if curve.chart == kind]
    curves, several = [curve for _, _, curve in found], len(runs) > 1
    labels = list(dict.fromkeys(curve.label for curve in curves))
    few = max(len(curve.values) for curve in curves) <= FEW
    figure = go.Figure()
    for i, run, curve in found:
        own = labels.index(curve.label)
        colour = COLOURS[(i if several else own) % len(COLOURS)]
        # the legend says the run where there are several, and the label where the chart has several
        parts = ([run.name] if several else []) + ([curve.label] if len(labels) > 1 or not several else [])
        name = " · ".join(_short(part) for part in parts)
        _draw_curve(figure, curve, name, colour, DASHES[own % len(DASHES)] if several else "solid", marked=few)
    for i, run in {i: run for i, run, _ in found}.items():
        _draw_events(figure, run, COLOURS[i % len(COLOURS)] if several else None)
    positive = [value for curve in curves for value in curve.values if value is not None]
    can_log = bool(positive) and min(positive) > 0
    # a number that rises from nearly nothing would show nothing else
    falls = all(curve.chart == "loss" or curve.lower_is_better is True for curve in curves)
    is_log = can_log and max(positive) > SPREAD * min(positive) and falls
    last = max((curve.steps[-1] for run in runs for curve in run.curves if curve.steps), default=0) or 1
    named = several or len(curves) > 1
    figure.update_layout(template="none", showlegend=named, yaxis_type="log" if is_log else "linear")
    figure.update_xaxes(range=[-MARGIN * last, (1 + MARGIN) * last])  # the same in all charts
    title, text, alt = _words(kind, found)
    return Chart(number, title, text, alt, can_log, is_log, curves[0].part, {"figure": figure.to_plotly_json()})


def _short(text: str, most: int = 48) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _draw_curve(figure: Any, curve: "Curve", name: str, colour: str, dash: str, *, marked: bool) -> None:
    """Add the line of a curve, or its points where they are few, and a star at its best value."""
    from plotly import graph_objects as go

    known = sum(value is not None for value in curve.values)
    mode = "markers" if curve.later or known == 1 else "lines+markers" if marked else "lines"
    line = go.Scatter(
        x=list(curve.steps),
        y=list(curve.values),
        name=html.escape(name, quote=False),  # Plotly takes tags and entities for what they are in HTML
        mode=mode,
        line={"color": colour, "dash": dash, "width": 1.6},
        marker={
            "color": colour,
            "size": 7 if curve.later else 5,
            "symbol": "diamond-open" if curve.later else "circle",
        },
        hovertemplate=HOVER,
        meta={"name": name},
    )
    figure.add_trace(line)
    if curve.best is None or curve.later:
        return
    step, value = curve.best
    star = go.Scatter(
        x=[step],
        y=[value],
        name=html.escape(f"best: {name}", quote=False),
        mode="markers",
        marker={"symbol": "star", "size": 14, "color": colour, "line": {"width": 1, "color": "white"}},
        hovertemplate=HOVER,
        showlegend=False,
    )
    figure.add_trace(star)


def _draw_events(figure: Any, run: "RunPart", colour: str | None) -> None:
    """Lines across the chart: the best checkpoint, rollbacks and alarms. The script colours those without a colour."""
    marks = [("best", run.best)] if run.best is not None else []
    marks += [(event.kind, event.step) for event in run.events][-RULED:]
    for kind, step in dict.fromkeys(marks):
        line = {"width": 1, "dash": {"best": "dash", "rollback": "solid"}.get(kind, "dot")}
        figure.add_shape(
            type="line", xref="x", yref="paper", x0=step, x1=step, y0=0, y1=1, layer="above", name=kind,
            line=line if colour is None else {**line, "color": colour},
        )  # fmt: skip


def _words(kind: str, found: Sequence[tuple[int, "RunPart", "Curve"]]) -> tuple[str, str, str]:
    """What stands above a chart, what stands below its title, and the chart in words.

    The last says where each curve begins and ends, and its best.
    """
    curves = [curve for _, _, curve in found]
    title = _short(kind.replace("_", " "), 80)
    ways = {curve.lower_is_better for curve in curves} - {None}
    text = [TEXTS[kind]] if kind in TEXTS else []
    text += ["lower is better" if ways == {True} else "higher is better"] if len(ways) == 1 else []
    shown, lines = sum(len(c.values) for c in curves), sum(c.lines for c in curves)
    if shown < lines:
        text.append(f"{shown:,} of {lines:,} points are drawn, the extremes among them")
    said = []
    for _, run, curve in found[:8]:
        known = [(step, value) for step, value in zip(curve.steps, curve.values, strict=True) if value is not None]
        if not known:
            continue
        (first, start), (last, end) = known[0], known[-1]
        words = f"{run.name}, {curve.label}: {start:.4g} at step {first:,}, {end:.4g} at step {last:,}"
        best = curve.best
        said.append(words + (f", best {best[1]:.4g} at step {best[0]:,}" if best else ""))
    return title, "; ".join(text), f"Chart of {title} over the steps. " + "; ".join(said)
