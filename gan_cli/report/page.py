"""A report of runs as one HTML page that needs nothing else: no network, no other file, no server.

All text comes in as plain data and is escaped here: by Jinja in the page, as JSON for the script, for Plotly in the
charts. The page's policy (CSP) allows its own scripts, by their hashes, and no request to anywhere.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from gan_cli.errors import printable
from gan_cli.report import page_charts
from gan_cli.report.page_parts import RunPart

POLICY = "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
POLICY += "base-uri 'none'; form-action 'none'"


def render(runs: Sequence[RunPart], made: str, differences: Sequence[tuple[str, Sequence[str]]] = ()) -> str:
    """The page, as HTML. All text is escaped.

    `made`: by what and when; `differences`: keys of the recipes that differ, with the value of each run.
    """
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
    sliders = [  # what the script needs to move through the grids of each run
        {
            "labels": [grid.label for grid in run.grids],
            "alts": [grid.picture.alt for grid in run.grids],
            "pictures": [grid.picture.uri for grid in run.grids],
        }
        for run in runs
    ]
    wordy = sorted(runs, key=lambda run: -len(run.facts))  # facts are in the order of the run of which most is said
    return environment.from_string(_file("page.html.j2")).render(
        title=" · ".join(run.name for run in runs),
        policy=POLICY.format(scripts=hashes),
        css=Markup(_file("base.css") + _file("page.css")),
        plotly=Markup(scripts[0]),
        script=Markup(scripts[1]),
        data=Markup(script_json({"charts": [chart.data for chart in charts], "sliders": sliders})),
        runs=runs,
        charts=charts,
        left_out=left_out,
        fact_keys=list(dict.fromkeys(key for run in wordy for key in run.facts)),
        differences=differences,
        made=made,
    )


def script_json(data: Any) -> str:
    """JSON that can stand in a <script>: no "<" that could end it or begin a comment in it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _script(text: str) -> str:
    """A script of ours as it can stand in the page: nothing in it ends it, lines end as a browser will see them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _file(name: str) -> str:
    return resources.files("gan_cli.report").joinpath(name).read_text(encoding="utf-8")
