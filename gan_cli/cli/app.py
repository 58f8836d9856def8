"""The `gan` command: its verbs, each in a thin file of its own; they import JAX inside, so --help is quick."""

from typing import Annotated

import typer

from gan_cli import __version__
from gan_cli.cli import compare, evaluate, features, lab, recipe, sample, statistics, train

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
app.command("lab")(lab.lab)
features.app.command("statistics")(statistics.statistics)
app.add_typer(features.app, name="features")
app.add_typer(recipe.app, name="recipe")


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
