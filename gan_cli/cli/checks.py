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
    from gan_cli import datasets, overrides
    from gan_cli import recipe as recipes
    from gan_cli.datacheck import check, contact_sheet, text
    from gan_cli.datacheck.examples import examples

    path = recipes.find_recipe(recipe)
    tables = overrides.read_overridden(path, set_ or (), notice)
    streams = datasets.checked_data(tables, str(path))
    batch = check.batch_of(tables, str(path))
    sources = store(data_dir).near(path)
    found = {stream: examples(data, sources) for stream, data in streams.items()}
    sheets = {stream: contact_sheet.ContactSheet(own, _place(out, stream)) for stream, own in found.items() if out}
    reports, bad = {}, False
    for stream, data in streams.items():
        keep = [sheets[stream].keep] if stream in sheets else []
        checked = check.check_data(data, found[stream], sources, *keep)
        reports[stream], bad = check.report(checked, data, batch), bad or bool(checked.bad)
    for stream, sheet in sheets.items():
        sheet.save()
        notice(f"{_place(str(out), stream)}: a contact sheet")
    if "" in reports:
        result(reports[""], text.of_data(reports[""]), as_json)
    else:
        said = [f"[data.{stream}]\n{text.of_data(report)}" for stream, report in reports.items()]
        result({"streams": reports}, "\n\n".join(said), as_json)
    if bad:
        raise typer.Exit(UNREADABLE)


def _place(out: str, stream: str) -> Path:
    """Return where a stream's contact sheet goes: sheet.png of a single one, else sheet-a.png."""
    place = Path(out)
    return place.with_stem(f"{place.stem}-{stream}") if stream else place


def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Look at this machine: versions, devices, precision, memory, disk, data, settings; say how to mend what is wrong.

    Exit codes: 0 all is well, or warnings only; 1 something is broken without which nothing can be trained.
    """
    from gan_cli.doctor import doctor as examination

    found, seconds = examination.examine(data_dir)
    result(examination.report(found, seconds), examination.text(found, seconds), as_json)
    if any(check.status == "broken" for check in found):
        raise typer.Exit(BROKEN)
