"""The `gan` command: its verbs, each in a thin file of its own; they import JAX inside, so --help is quick."""

from inspect import getdoc
from typing import Annotated

import typer

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
    narrow,
    push,
    recipe,
    report,
    runs,
    sample,
    statistics,
    train,
)
from gan_cli.cli.options import places_named
from gan_cli.version import __version__

app = typer.Typer(
    name="gan",
    help="Train, sample and judge generative adversarial networks on JAX.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **narrow.settings(),
)
MAKE, LOOK, TAKE, KNOW = "Train, draw, judge", "Look", "Take away", "Find out"
app.command("train", rich_help_panel=MAKE)(train.train)
app.command("sample", rich_help_panel=MAKE)(sample.sample)
app.command("eval", rich_help_panel=MAKE)(evaluate.evaluate)
app.command("compare", rich_help_panel=MAKE)(compare.compare)
app.command("report", rich_help_panel=LOOK)(report.report)
app.command("explore", rich_help_panel=LOOK)(explore.explore)
app.command("runs", rich_help_panel=LOOK)(runs.runs)
app.command("inspect", rich_help_panel=LOOK)(inspect.inspect)
app.command("export", rich_help_panel=TAKE)(export.export)
app.command("card", rich_help_panel=TAKE)(card.card)
app.command("push", rich_help_panel=TAKE)(push.push)
app.add_typer(recipe.app, name="recipe", rich_help_panel=KNOW)
app.add_typer(data.app, name="data", rich_help_panel=KNOW)
features.app.command("statistics")(statistics.statistics)
app.add_typer(features.app, name="features", rich_help_panel=KNOW)
app.command("doctor", rich_help_panel=KNOW)(doctor.doctor)
app.command("lab", rich_help_panel=KNOW)(lab.lab)


def _finish(typer_app: typer.Typer) -> None:
    """What all commands have in common.

    Their short help is their first paragraph: where Typer makes it up, it is cut to the terminal.
    """
    for one in typer_app.registered_commands:
        assert one.callback is not None
        one.callback = places_named(one.callback)
        one.short_help = (getdoc(one.callback) or "").partition("\n\n")[0].replace("\n", " ")
    for group in typer_app.registered_groups:
        assert group.typer_instance is not None
        group.short_help = group.typer_instance.info.help
        _finish(group.typer_instance)


_finish(app)
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
