"""`gan export`, `gan card` and `gan push`: take a model away."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gan_cli.cli.options import At, Ckpt, Json, Raw, loaded_run, notice, result, start_jax
from gan_cli.names import entries

FORMATS = entries("export format")
if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]  # the command line checks and completes it
ABOUT = [f"{name}: {form.line[:1].lower()}{form.line[1:].rstrip('.')}" for name, form in FORMATS.items()]
*SUFFIXES, LAST_SUFFIX = (form.suffix for form in FORMATS.values())

Licence = Annotated[
    str | None,
    typer.Option("--license", metavar="ID", help="Licence of the weights, as the Hub calls it: mit, apache-2.0."),
]


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
    ask: Annotated[
        str,
        typer.Option(
            help="What of it, where a model can be asked several things.", show_default="the first that draws"
        ),
    ] = "",
    at: At = "best",
    raw: Raw = False,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Read it back and compare its samples with this model's.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Take a model away: to use it without this package (docs/taking-away.md)."""
    from gan_cli.remote.fetch import output

    with output(out) as target:
        start_jax()
        from gan_cli.export import bundle
        from gan_cli.text import size

        bundle.check_export(form, target, ask)
        loaded = loaded_run(ckpt, at)
        notice(f"step {loaded.step} of {loaded.folder.path}: exporting{', then comparing' if check else ''}")
        made = bundle.export(loaded, form, raw=raw, compare=check, ask=ask)
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


def card(
    ckpt: Ckpt,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE.md", help="The card; its picture goes beside it.", show_default="RUN/README.md"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name.", show_default="the run folder's")] = None,
    licence: Licence = None,
    at: At = "best",
    raw: Raw = False,
    as_json: Json = False,
) -> None:
    """Write a model card: what it is, its numbers and their protocol, how to use it (docs/taking-away.md)."""
    from pathlib import Path

    start_jax()
    from gan_cli.export import bundle
    from gan_cli.export.card import CardOptions, check_card, save_card

    check_card(ckpt, out, licence)
    loaded = loaded_run(ckpt, at)
    target = Path(out) if out is not None else loaded.folder.path / bundle.README
    wish = CardOptions(name or loaded.folder.path.name, licence, raw=raw)
    picture = save_card(loaded, wish, target, notice)
    report = {"out": str(target), "picture": str(picture), "step": loaded.step, "weights": "raw" if raw else "average"}
    result(report, f"step {loaded.step} described in {target}, pictured in {picture}", as_json)


def push(
    ckpt: Ckpt,
    repo: Annotated[str, typer.Option(metavar="USER/NAME", help="The repository on the Hub; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private, if it is new.")] = False,
    licence: Licence = None,
    at: At = "best",
    raw: Raw = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make everything and list it; push nothing, ask for no token.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a model on the Hugging Face Hub: card, program, weights, recipe (HF_TOKEN; docs/taking-away.md)."""
    start_jax()
    from gan_cli.export import hub
    from gan_cli.export.card import CardOptions
    from gan_cli.version import __version__

    hub.check_push(repo, licence, dry_run=dry_run)
    loaded = loaded_run(ckpt, at)
    made = hub.pushed_files(loaded, CardOptions(repo.partition("/")[2], licence, repo, raw), notice)
    report = {"repo": repo, "step": loaded.step, "files": {name: len(data) for name, data in sorted(made.items())}}
    text = "\n".join(f"{size:>12,} {name}" for name, size in report["files"].items())  # type: ignore[attr-defined]
    if dry_run:
        return result(report, f"{text}\nwould be pushed to {repo}", as_json)
    pushed = hub.push(made, repo, f"Step {loaded.step}, by gan-cli {__version__}", private=private, note=notice)
    return result({**report, **pushed._asdict()}, f"{text}\nstep {loaded.step} is at {pushed.url}", as_json)
