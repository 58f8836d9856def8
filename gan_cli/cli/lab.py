"""`gan lab`."""

from pathlib import Path
from typing import Annotated

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import Json, notice, result, start_jax
from gan_cli.errors import InputError
from gan_cli.files import check_not_folder, make_folder

Options = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="Set an option of the demonstration; repeatable."),
]


def lab(
    name: Annotated[
        str | None,
        typer.Argument(help="A demonstration; without one, they are listed.", autocompletion=completion.demonstration),
    ] = None,
    out: Annotated[str | None, typer.Option(help="Where the figure goes, a .png.", show_default="lab/NAME.png")] = None,
    set_: Options = None,
    as_json: Json = False,
) -> None:
    """Run a piece of theory: train something small whose truth is known, and print its numbers beside the truth."""
    if name is None and (out or set_):
        raise InputError("--out and --set go with a demonstration; gan lab lists their names")
    start_jax()
    from gan_cli import lab as demonstrations
    from gan_cli.lab import save_figure

    if name is None:
        found = demonstrations.names()
        width = max(map(len, found))
        result({"demonstrations": found}, "\n".join(f"{n:{width}}  {line}" for n, line in found.items()), as_json)
        return
    requested = demonstrations.request(name, set_ or ())
    path = Path(out or f"lab/{name}.png")
    if path.suffix != ".png":
        raise InputError(f"--out {path}: the figure is a PNG; name a file that ends in .png")
    check_not_folder(path)
    make_folder(path.parent)  # before anything is trained
    shown = demonstrations.demonstrate(requested, notice)
    save_figure(path, shown)
    report = {**requested, "values": shown.values, "figure": str(path)}
    result(report, f"{shown.text}\n{path}", as_json)
