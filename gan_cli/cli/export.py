"""`gan export`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gan_cli.cli.options import At, Ckpt, Json, Raw, notice, result, start_jax
from gan_cli.names import entries

FORMATS = entries("export format")
if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]  # the command line checks and completes it
ABOUT = [f"{name}: {form.line[:1].lower()}{form.line[1:].rstrip('.')}" for name, form in FORMATS.items()]
*SUFFIXES, LAST_SUFFIX = (form.suffix for form in FORMATS.values())


def export(
    ckpt: Ckpt,
    form: Annotated[
        FormatName,
        typer.Option("--format", help=f"{'; '.join(ABOUT)}."),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|FILE",
            help="A new folder, with a README and an example; or the file alone, "
            f"{', '.join(SUFFIXES)} or {LAST_SUFFIX}. Also a URL.",
        ),
    ],
    at: At = "best",
    raw: Raw = False,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Read it back and compare its samples with this model's.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Take a model away: to use it without this package (docs/taking-away.md)."""
    from gan_cli.remote.fetch import fetched_run, output

    with output(out) as target:
        start_jax()
        from gan_cli.export import bundle
        from gan_cli.runs.load import load_run
        from gan_cli.text import size

        bundle.check_export(form, target)
        loaded = load_run(fetched_run(ckpt, notice), at)
        notice(f"step {loaded.step} of {loaded.folder.path}: exporting{', then comparing' if check else ''}")
        made = bundle.export(loaded, form, raw=raw, compare=check)
        bundle.save_export(target, loaded, made)
    report = {
        "out": out,
        "format": form,
        "checkpoint": str(loaded.folder.checkpoints / str(loaded.step)),
        "bytes": len(made.data),
        "max_difference": made.difference,
        **made.description,
    }
    what = "its samples differ" if made.form.run else "its weights differ"
    agrees = "not compared" if made.difference is None else f"read back, {what} by at most {made.difference:.3g}"
    text = f"step {loaded.step} ({made.description['weights']} weights) as {form} in {out}"
    result(report, f"{text}: {size(len(made.data))}; {agrees}", as_json)
