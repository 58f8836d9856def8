"""`gan card`."""

from typing import Annotated

import typer

from gan_cli.cli.options import At, Ckpt, Json, Raw, notice, result, start_jax

Licence = Annotated[
    str | None,
    typer.Option("--license", metavar="ID", help="Licence of the weights, as the Hub calls it: mit, apache-2.0."),
]


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
    from gan_cli.remote.fetch import fetched_run
    from gan_cli.runs.load import load_run

    check_card(ckpt, out, licence)
    loaded = load_run(fetched_run(ckpt, notice), at)
    target = Path(out) if out is not None else loaded.folder.path / bundle.README
    wish = CardOptions(name or loaded.folder.path.name, licence, raw=raw)
    picture = save_card(loaded, wish, target, notice)
    report = {"out": str(target), "picture": str(picture), "step": loaded.step, "weights": "raw" if raw else "average"}
    result(report, f"step {loaded.step} described in {target}, pictured in {picture}", as_json)
