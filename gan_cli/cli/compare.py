"""`gan compare`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import DataDir, Json, Set, result, start_jax, store
from gan_cli.errors import InputError


def compare(
    recipes: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE",
            help="Recipe files or names; the first is the one to beat.",
            autocompletion=completion.recipe,
        ),
    ],
    seeds: Annotated[str, typer.Option(help="Each recipe is trained once a seed: 0,3,7-9.")] = "0-9",
    out: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where the results go; runs that are already there are kept.")
    ] = "runs/compare",
    set_: Set = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Metrics, separated by commas.",
            show_default="that of the recipes",
            autocompletion=completion.metrics,
        ),
    ] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="Samples judged.", show_default="[eval] n")] = None,
    at_once: Annotated[
        int | None,
        typer.Option(min=1, help="Seeds trained in one program.", show_default="all, or one a device for large nets"),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train recipes over the same seeds and compare them: which loss for my data?

    Writes results.csv (a row a run), table.md and plot.png into --out. Small
    networks are trained with all seeds in one program, spread over the
    accelerators. Stopped half-way, the same command goes on with the runs that
    are missing.
    """
    from gan_cli.remote.place import is_url
    from gan_cli.sampling.options import parse_seeds

    if is_url(out):
        raise InputError(f"--out {out}: comparisons are kept in a folder of this machine; name one, and copy it")
    chosen = parse_seeds(seeds)
    sources = store(data_dir)
    start_jax()
    from gan_cli.cli.console import Reporter
    from gan_cli.training import compare as runs

    judged: dict[str, Any] = {key: value for key, value in (("metric", metric), ("n", n)) if value is not None}
    reporter = Reporter()
    try:
        entries = runs.entries(recipes, set_ or (), judged, sources, reporter)
        done = runs.compare(entries, chosen, at_once, Path(out), reporter)
    finally:
        reporter.close()
    report = {
        "csv": str(done.csv),
        "table": str(done.table),
        "plot": str(done.picture),
        "results": [r._asdict() for r in done.results],
    }
    result(report, f"{done.markdown}\n{done.csv}, {done.table}, {done.picture}", as_json)
