"""`gan report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import DataDir, Json, notice, result, start_jax, store
from gan_cli.errors import InputError

if TYPE_CHECKING:
    from gan_cli.report.digest import Digest

MOST_RUNS = 20  # runs on one page


def report(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Run folders, or their URLs.", autocompletion=completion.run),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            help="The page, .html; also a URL.",
            show_default="RUN/report.html; report.html of several runs, or of one at a URL",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what needs the model or the data: a second instead of many.")
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    most_grids: Annotated[
        int, typer.Option(min=1, max=1000, help="How many sample grids of a run are shown at most.")
    ] = 60,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write one HTML page about a run, or several side by side, that needs no network and no other file.

    Curves, sample grids over training beside real samples, the best checkpoint,
    sweeps of classes and codes, nearest training images, alarms, recipe,
    versions, time, and the commands to reproduce it (docs/report.md).
    """
    from datetime import UTC, datetime

    from gan_cli import files
    from gan_cli.remote.fetch import fetched, output
    from gan_cli.remote.place import is_url, open_place
    from gan_cli.report.digest import asked, collect, differences
    from gan_cli.text import size
    from gan_cli.version import __version__

    if len(runs) > MOST_RUNS:
        raise InputError(f"{len(runs)} runs on one page; {MOST_RUNS} are the most")
    if out is not None:
        _check_page(out, open_)
    paths = [fetched(run, notice) for run in runs]
    shown = [open_place(run).url if is_url(run) else str(path) for run, path in zip(runs, paths, strict=True)]
    wanted = asked(paths, shown)
    target = out or ("report.html" if len(runs) > 1 or is_url(runs[0]) else str(paths[0] / "report.html"))
    _check_page(target, open_)
    sources = None if quick else store(data_dir)
    if not quick:
        start_jax()
    digests = [collect(run, most_grids, sources, notice) for run in wanted]
    from gan_cli.report.page import render  # not before: it takes a while

    made_by = f"Made by gan-cli {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    page = render([digest.run for digest in digests], made_by, differences(digests))
    html = page.encode("utf-8", "replace")  # a folder's name may be no valid UTF-8
    with output(target) as path, files.atomic(path) as part:
        part.write_bytes(html)
    if open_:
        import webbrowser

        webbrowser.open(Path(target).resolve().as_uri())
    made = {"out": target, "bytes": len(html), "runs": [_summary(digest) for digest in digests]}
    lines = [f"{target}: {size(len(html))}"]
    for run in (digest.run for digest in digests):
        told = f"{len(run.curves)} curves, {len(run.grids)} sample grids, {len(run.events)} events"
        lines += [f"{run.name}: {run.state}; {told}", *(f"  left out: {note}" for note in run.notes)]
    result(made, "\n".join(lines), as_json)


def _check_page(target: str, opened: bool) -> None:
    """Raise InputError for a page that could not be written, or not be opened, before anything is read."""
    from gan_cli.files import check_folder_of, check_not_folder, make_folder
    from gan_cli.remote.place import local

    path = local(target)
    if not target.lower().endswith((".html", ".htm")):
        raise InputError(f"--out {target}: a page is .html")
    if path is None:
        if opened:
            raise InputError("--open: a browser opens a page on this machine; name one with --out")
        return
    check_not_folder(path)
    check_folder_of(path, target)
    make_folder(path.parent, "name another page with --out")  # or find out now that it cannot be written


def _summary(digest: "Digest") -> dict[str, Any]:
    """Return what --json says of a run on the page."""
    run = digest.run
    return {
        "run": run.name,
        "state": run.state,
        "best": run.best,
        "points": {curve.name: len(curve.values) for curve in run.curves if not curve.later},
        "grids": len(run.grids),
        "figures": [figure.title for figure in run.figures],
        "events": len(run.events),
        "left_out": list(run.notes),
    }
