"""`gan project`."""

from typing import Annotated

import typer

from gan_cli.cli.options import At, Ckpt, DataDir, Json, Raw, loaded_run, notice, result, start_jax, store

SEARCH = "The search"


def project(
    ckpt: Ckpt,
    image: Annotated[
        str,
        typer.Option(
            "--image",
            metavar="IMAGES",
            help="A picture, a folder or zip of pictures, an .npz file, or a data source: mnist:test.",
        ),
    ],
    mask: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What is known: white counts, black is filled in by the model."),
    ] = None,
    near: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Latents (.npz) to start from and stay near: of what was edited."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option("--class", metavar="CLASS", help="Class by number or name.", show_default="the best of many"),
    ] = None,
    codes: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="NAME=VALUE", help="A category that stays what it is: c0=3; repeatable."),
    ] = None,
    out: Annotated[
        str,
        typer.Option(help="The latents, for gan sample --latents (.npz), and a picture of them beside it; also a URL."),
    ] = "projected.npz",
    n: Annotated[int | None, typer.Option("--n", min=1, help="Pictures.", show_default="all")] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=2**32 - 1,
            help="Of the samples among which starts are chosen.",
            rich_help_panel=SEARCH,
        ),
    ] = 0,
    starts: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="Descents a picture; the best is kept. With --near, one.", rich_help_panel=SEARCH
        ),
    ] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each descent.", rich_help_panel=SEARCH)] = 300,
    features: Annotated[
        float,
        typer.Option(min=0, help="Weight of the discriminator's maps beside pixels.", rich_help_panel=SEARCH),
    ] = 0.1,
    stay: Annotated[
        float, typer.Option(min=0, help="Weight of the distance from --near.", rich_help_panel=SEARCH)
    ] = 0.01,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.", rich_help_panel=SEARCH)] = 8,
    data_dir: DataDir = None,
    at: At = "best",
    raw: Raw = False,
    as_json: Json = False,
) -> None:
    """Find the latents whose samples are nearest to pictures: to fill holes, edit and walk (docs/editing.md)."""
    from gan_cli.cli.console import Pace
    from gan_cli.errors import InputError
    from gan_cli.remote.fetch import fetched, output
    from gan_cli.sampling import descent, latent_file, pictured, projecting, writing
    from gan_cli.sampling.options import parse_controls

    if not out.endswith(".npz"):
        raise InputError(f"--out {out}: latents are written to .npz")
    picture = f"{out.removesuffix('.npz')}.png"
    wanted = descent.Projection(
        (parse_controls(classes, codes or []),),
        seed=seed,
        starts=starts,
        steps=steps,
        features=features,
        stay=stay,
        raw=raw,
        batch=batch,
    )
    sources = store(data_dir)
    with output(out) as target, output(picture) as sheet:
        for file in (target, sheet):
            writing.check_out(file)
        start_jax()
        loaded = loaded_run(ckpt, at)
        given = pictured.take_pictures(loaded, image, mask, n, sources)
        kept = latent_file.read_latents([fetched(near, notice)], loaded, raw=raw) if near is not None else None
        notice(f"step {loaded.step} of {loaded.folder.path}: compiling, then looking for {len(given.images)} pictures")
        made = projecting.project(
            loaded, given.images, wanted, known=given.known, near=kept.inputs if kept else None, told=Pace()
        )
        latent_file.write_latents(target, made.inputs, given.names, loaded, raw=raw)
        writing.write(sheet, pictured.compared(given, made), None)
    report = {
        "out": out,
        "picture": picture,
        "n": len(given.images),
        "psnr": [round(float(x), 3) for x in made.psnr],
        "checkpoint": str(loaded.folder.checkpoints / str(loaded.step)),
        "weights": "raw" if raw else "average",
    }
    text = f"latents of {len(given.images)} pictures in {out}, shown in {picture}; PSNR {made.psnr.mean():.1f} dB"
    result(report, text, as_json)
