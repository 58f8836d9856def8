"""A report of runs as one HTML page that needs nothing else: no network, no other file, no server.

All text comes in as plain data and is escaped here: by Jinja in the page, as JSON for the script, for Plotly in the
charts. The page's policy (CSP) allows its own scripts, by their hashes, and no request to anywhere.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from gan_cli.errors import printable
from gan_cli.report import page_charts

POLICY = "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
POLICY += "base-uri 'none'; form-action 'none'"


class Curve(NamedTuple):
    """Values of one name over the steps of a run."""

    name: str  # "discriminator/loss"
    chart: str  # the chart it is on: "loss"
    label: str  # what the legend calls it: "discriminator"
    steps: Sequence[int]
    values: Sequence[float | None]  # None: not finite
    lines: int  # how many there were before they were thinned
    lower_is_better: bool | None = None  # None: neither, or not known
    metric: bool = False  # of metrics.jsonl
    part: bool = False  # a further number of a metric: for whoever asks for more
    later: bool = False  # measured after the training: points, not a line

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the best, the first of equals, where it is known which way is better."""
        known = [(step, value) for step, value in zip(self.steps, self.values, strict=True) if value is not None]
        if self.lower_is_better is None or not known:
            return None
        return (min if self.lower_is_better else max)(known, key=lambda pair: pair[1])


class Event(NamedTuple):
    """Something that happened during a training."""

    step: int
    kind: str  # "alarm" or "rollback"
    text: str


class Picture(NamedTuple):
    """A picture, and what it shows in words."""

    png: bytes
    width: int  # pixels
    height: int
    alt: str

    @property
    def uri(self) -> str:
        """As a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


class Grid(NamedTuple):
    """The samples of the same latents at a step."""

    step: int
    label: str  # "step 1,000 · fid 8.59"
    picture: Picture


class Figure(NamedTuple):
    """A picture under a heading: a sweep, neighbours."""

    title: str
    picture: Picture
    text: str = ""


class Run(NamedTuple):
    """What the page says of one run."""

    name: str
    state: str  # one line: "5,000 of 5,000 steps"
    facts: Mapping[str, str]  # a table: beside each other where there are several
    curves: Sequence[Curve] = ()
    events: Sequence[Event] = ()
    best: int | None = None  # step of the best checkpoint
    protocol: str = ""  # of its metrics
    grids: Sequence[Grid] = ()
    real: Picture | None = None
    real_text: str = ""
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()  # what was left out, and why
    recipe: str = ""  # TOML
    commands: str = ""  # of a shell

    @property
    def best_grid(self) -> int | None:
        """Which of the grids is the best checkpoint's; None: it has none."""
        steps = [grid.step for grid in self.grids]
        return steps.index(self.best) if self.best in steps else None

    @property
    def start(self) -> int:
        """Which of the grids is seen first: that of the best checkpoint, else the last."""
        return len(self.grids) - 1 if self.best_grid is None else self.best_grid


def render(runs: Sequence[Run], made: str, differences: Sequence[tuple[str, Sequence[str]]] = ()) -> str:
    """The page. `made`: by what and when; `differences`: keys of the recipes that differ, with a value a run."""
    import jinja2
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    scripts = [_script(get_plotlyjs()), _script(_file("page.js"))]
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # our own parts are Markup
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    charts, left_out = page_charts.charts(runs)
    data = {"charts": [chart.data for chart in charts], "sliders": [_slider(run) for run in runs]}
    return environment.from_string(_file("page.html.j2")).render(
        title=" · ".join(run.name for run in runs),
        policy=POLICY.format(scripts=hashes),
        css=Markup(_file("base.css") + _file("page.css")),
        plotly=Markup(scripts[0]),
        script=Markup(scripts[1]),
        data=Markup(script_json(data)),
        runs=runs,
        charts=charts,
        left_out=left_out,
        fact_keys=_keys(runs),
        differences=differences,
        made=made,
    )


def _keys(runs: Sequence[Run]) -> list[str]:
    """What is said of the runs, in the order of the one of which most is said."""
    wordy = sorted(runs, key=lambda run: -len(run.facts))
    return list(dict.fromkeys(key for run in wordy for key in run.facts))


def script_json(data: Any) -> str:
    """JSON that can stand in a <script>: no "<" that could end it or begin a comment in it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _script(text: str) -> str:
    """A script of ours as it can stand in the page: nothing in it ends it, lines end as a browser will see them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _file(name: str) -> str:
    return resources.files("gan_cli.report").joinpath(name).read_text(encoding="utf-8")


def _slider(run: Run) -> dict[str, Any]:
    """What the script needs to move through a run's grids."""
    return {
        "labels": [grid.label for grid in run.grids],
        "alts": [grid.picture.alt for grid in run.grids],
        "pictures": [grid.picture.uri for grid in run.grids],
    }
