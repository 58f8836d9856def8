"""`gan apply`."""

from typing import Annotated, Literal

import typer

from gan_cli.cli.options import At, Ckpt, DataDir, Json, Raw, loaded_run, notice, result, start_jax, store


def apply(
    ckpt: Ckpt,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="IMAGES",
            help="An image, a folder or zip of images, an .npz file, or a data source: mnist:test.",
            show_default="the run's own data",
        ),
    ] = None,
    ask: Annotated[
        str,
        typer.Option(help="What to ask, where a game can be asked several things.", show_default="the first"),
    ] = "",
    out: Annotated[
        str | None,
        typer.Option(
            help="Results beside what was given (.png; of one image the result alone), a folder of PNGs, all (.npz), "
            "or of classes a table (.csv); also a URL.",
            show_default="applied.png or .csv",
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("--n", min=1, help="Examples.", show_default="all of --input, 16 of the run's own data"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of the run's own data.", show_default="the recipe's [eval] split")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Result i depends on this seed, on i and on what is given.")
    ] = 0,
    size: Annotated[
        Literal["trained", "native"],
        typer.Option(
            help="Pictures of --input are brought to the size that was trained on, or stay as large as they are: for "
            "networks that are convolutions alone."
        ),
    ] = "trained",
    tile: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="With --size native: the longest side, in pixels, that is computed in one piece.",
            show_default="512",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Examples at once.")] = 500,
    data_dir: DataDir = None,
    at: At = "best",
    raw: Raw = False,
    as_json: Json = False,
) -> None:
    """Give examples to a trained model: translate, segment, reconstruct or classify them (docs/applying.md)."""
    from gan_cli.cli.console import Pace
    from gan_cli.errors import InputError
    from gan_cli.remote.fetch import output
    from gan_cli.sampling import applying, own_size, results, writing
    from gan_cli.sampling.native import TILE

    if split is not None and input_ is not None:
        raise InputError("--split chooses among the run's own data, and --input gives others")
    if size == "native" and input_ is None:
        raise InputError("--size native is for pictures at hand: name them with --input")
    if tile and size != "native":
        raise InputError("--tile is for --size native: at the trained size there is one piece")
    sources = store(data_dir)
    start_jax()
    loaded = loaded_run(ckpt, at, raw=raw)
    asked = applying.applied_ask(loaded.experiment, ask)
    is_label = loaded.experiment.made_by(asked) is None
    where = out or f"applied{'.csv' if is_label else '.png'}"
    with output(where) as target:
        applying.check_medium(loaded.experiment, asked, target)
        writing.check_out(target)
        wanted = applying.Application(input_, asked, split, n, seed, raw, batch)
        if size == "native":
            near = sources.near(loaded.folder.path)
            count = own_size.apply_at_own_size(loaded, asked, wanted, tile or TILE, target, near, Pace())
        else:
            applied = applying.apply(loaded, wanted, sources, notice, Pace())
            results.write_results(target, applied)
            count = len(applied.results)
    report = {
        "out": where,
        "n": count,
        "ask": asked,
        "checkpoint": str(loaded.folder.checkpoints / str(loaded.step)),
        "weights": "raw" if raw else "average",
    }
    if is_label:
        rows = [[str(cell) for cell in row] for row in results.table(applied)]
        report["classes"] = [row[rows[0].index("class")] for row in rows[1:]]
    result(
        report, f"{asked} of {count} examples by step {loaded.step} ({report['weights']} weights) in {where}", as_json
    )
