"""`gan data check` and `gan doctor`: look at data and at the machine before training."""

from pathlib import Path
from typing import Annotated

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import DataDir, Json, Set, notice, result, store

app = typer.Typer(help="Look at data before training on them.", no_args_is_help=True)

UNREADABLE = BROKEN = 1  # exit codes


@app.command("check")
def check_data(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe file, or the name of a shipped one; its table data is enough.",
            autocompletion=completion.recipe,
        ),
    ],
    out: Annotated[
        str | None, typer.Option(help="Draw a contact sheet: a .png, a row a class.", show_default=False)
    ] = None,
    set_: Set = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Look at every example of a recipe's data: sizes, values, classes, copies, blank and unreadable images.

    Exit codes: 0 all can be read, 1 some files cannot, 2 bad input.
    """
    from gan_cli import build, overrides
    from gan_cli import recipe as recipes
    from gan_cli.datacheck import check, contact_sheet, text
    from gan_cli.datacheck.examples import examples

    path = recipes.find_recipe(recipe)
    tables = overrides.read_overridden(path, set_ or (), notice)
    data = build.data_table(tables, str(path), None)
    batch = check.batch_of(tables, str(path))
    sources = store(data_dir).near(path)
    found = examples(data, sources)
    sheet = contact_sheet.ContactSheet(found, Path(out)) if out else None
    checked = check.check_data(data, found, sources, *([sheet.keep] if sheet else []))
    report = check.report(checked, data, batch)
    if sheet:
        sheet.save()
        notice(f"{out}: a contact sheet")
    result(report, text.of_data(report), as_json)
    if checked.bad:
        raise typer.Exit(UNREADABLE)


def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Look at this machine: versions, devices, precision, memory, disk, data, settings; say how to mend what is wrong.

    Exit codes: 0 all is well, or warnings only; 1 something is broken without which nothing can be trained.
    """
    from gan_cli.doctor import doctor as examination

    found, seconds = examination.examine(data_dir)
    result(examination.report(found, seconds), examination.text(found, seconds), as_json)
    if any(check.status == "broken" for check in found):
        raise typer.Exit(BROKEN)
