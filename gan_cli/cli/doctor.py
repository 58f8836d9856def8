"""`gan doctor`."""

import typer

from gan_cli.cli.options import DataDir, Json, result

BROKEN = 1


def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Look at this machine: versions, devices, precision, memory, disk, data, settings; say how to mend what is wrong.

    Exit codes: 0 all is well, or warnings only; 1 something is broken without which nothing can be trained.
    """
    from gan_cli.doctor import doctor as examination

    found, seconds = examination.examine(data_dir)
    result(examination.report(found, seconds), examination.text(found, seconds), as_json)
    if any(check.status == "broken" for check in found):
        raise typer.Exit(BROKEN)
