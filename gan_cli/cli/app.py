"""The `gan` command: its verbs, each in a thin file of its own; they import JAX inside, so --help is quick."""

from typing import Annotated

import typer

from gan_cli import __version__
from gan_cli.cli import (
    card,
    compare,
    completion,
    data,
    doctor,
    evaluate,
    explore,
    export,
    features,
    inspect,
    lab,
    push,
    recipe,
    report,
    runs,
    sample,
    statistics,
    train,
)

app = typer.Typer(
    name="gan",
    help="Train, sample and judge generative adversarial networks on JAX.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train.train)
app.command("sample")(sample.sample)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("explore")(explore.explore)
app.command("export")(export.export)
app.command("card")(card.card)
app.command("push")(push.push)
app.command("inspect")(inspect.inspect)
app.command("runs")(runs.runs)
app.command("doctor")(doctor.doctor)
app.command("lab")(lab.lab)
app.command("report")(report.report)
features.app.command("statistics")(statistics.statistics)
app.add_typer(features.app, name="features")
app.add_typer(recipe.app, name="recipe")
app.add_typer(data.app, name="data")
completion.prepare()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gan {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Train, sample and judge generative adversarial networks on JAX."""
